"""LoongArch's kprobe handlers, and do_bp, which leads to them (arch/loongarch/kernel/traps.c, kprobes.c).

do_bp re-enables interrupts before it does anything, and takes the break's code from memory, not from the trap. Another
CPU may restore the original word before that read: then the code is a piece of an unrelated instruction.
"""

from __future__ import annotations

from arches.loongarch.breaks import BRK_BUG, BRK_KPROBE_BP, BRK_KPROBE_SSTEPBP, CODE, KPROBE_BREAK, STEP_BREAK
from arches.loongarch.semantics import PRMD_PIE
from emu.explore.ops import load, own
from emu.kernel import kallsyms, text
from emu.kernel.kprobes import get_kprobe
from emu.kernel.notifier import notify_die
from emu.kernel.probe import Kprobe
from emu.kernel.recheck import breakpoint_is_gone
from emu.kernel.state import Percpu, StepOps, Variant
from emu.kernel.state_machine import kprobe_hit, kprobe_single_step_handler
from emu.kernel.trace import log
from emu.kernel.traps import die, report_bug
from emu.machine.cpu import Trap, TrapKind
from emu.machine.frame import PtRegs

BY_NOTIFIER = "by-notifier"  # option of a variant: kprobes is the first of the die notifiers, as before 6.3
UNCONDITIONAL_STI = "unconditional-sti"  # option of a variant: as before 6.3


async def do_bp(cpu: Percpu, regs: PtRegs, trap: Trap) -> None:
    """The break exception, by the code in the word that memory holds now."""
    if trap.kind is not TrapKind.BREAK:
        die(cpu, regs, f"unexpected exception: {trap.kind.value}")
    cpu.irqs_enabled = UNCONDITIONAL_STI in cpu.kernel.variant.options or irqs_enabled(regs.status)
    await load(kallsyms.text_at(cpu.kernel, regs.pc))  # the word may be another one by now
    code = int.from_bytes(text.read(cpu.kernel, regs.pc, 4), "little") & CODE
    log(cpu, f"do_bp: code {code}")
    if not await dispatch(cpu, regs, code):
        die(cpu, regs, "Break instruction in kernel code")
    cpu.irqs_enabled = False


async def dispatch(cpu: Percpu, regs: PtRegs, code: int) -> bool:
    """Whether somebody claimed the break."""
    by_notifier = BY_NOTIFIER in cpu.kernel.variant.options
    if code == BRK_KPROBE_BP:
        claimed = await kprobe_breakpoint_handler(cpu, regs)
        return claimed or (by_notifier and notify_die("DIE_BREAK", cpu, regs))
    if code == BRK_KPROBE_SSTEPBP:
        claimed = await singlestep_handler(cpu, regs)
        return claimed or (by_notifier and notify_die("DIE_SSTEPBP", cpu, regs))
    if notify_die("DIE_TRAP", cpu, regs):
        return True
    return code == BRK_BUG and report_bug(cpu, regs, 4)


async def kprobe_breakpoint_handler(cpu: Percpu, regs: PtRegs) -> bool:
    """Preemption stays disabled from here until the step is done."""
    addr = regs.pc
    await own("preempt_disable")  # until here another thread may be scheduled, the stopper for one
    cpu.preempt_count += 1
    p = await get_kprobe(cpu.kernel, addr)  # another CPU may have unregistered it since the trap
    if p is not None:
        return await kprobe_hit(p, regs, cpu)
    gone = await breakpoint_is_gone(cpu, addr, KPROBE_BREAK)
    cpu.preempt_count -= 1
    return gone


async def singlestep_handler(cpu: Percpu, regs: PtRegs) -> bool:
    """kprobe_singlestep_handler; a step that is not ours drops a preempt_count that nobody took (still so in 6.3)."""
    if await kprobe_single_step_handler(cpu, regs):
        return True
    cpu.preempt_count -= 1
    return False


def prepare_singlestep(cpu: Percpu, regs: PtRegs, p: Kprobe) -> None:
    """PRMD is saved, and PIE cleared so that the copy is stepped with interrupts off."""
    assert p.ainsn.slot is not None
    cpu.kprobe_ctlblk.saved_status = regs.status
    regs.status &= ~PRMD_PIE
    regs.pc = p.ainsn.slot


def restore_prmd(cpu: Percpu, regs: PtRegs) -> None:
    regs.status = cpu.kprobe_ctlblk.saved_status


def done(cpu: Percpu) -> None:
    """preempt_enable_no_resched."""
    cpu.preempt_count -= 1


STEP = StepOps(prepare_singlestep, restore_prmd, done)


def irqs_enabled(prmd: int) -> bool:
    return bool(prmd & PRMD_PIE)


def fill_slot(p: Kprobe, slot: int, following: bytes, variant: Variant) -> bytes:
    """The copy, and the break that ends its step."""
    p.ainsn.restore = p.where + 4
    return p.opcode + STEP_BREAK
