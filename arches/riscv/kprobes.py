"""RISC-V's kprobe handlers, and the dispatch of ebreak to them (arch/riscv/kernel/traps.c, probes/kprobes.c).

Nothing but the address tells one user of ebreak from another. Interrupts are off from the trap to its return.
"""

from __future__ import annotations

from arches.riscv.breaks import C_EBREAK, EBREAK
from emu.explore.ops import load
from emu.kernel import kallsyms, text
from emu.kernel.kprobes import get_kprobe
from emu.kernel.notifier import notify_die
from emu.kernel.probe import Kprobe
from emu.kernel.recheck import breakpoint_is_gone
from emu.kernel.state import Percpu, StepOps, Variant
from emu.kernel.state_machine import kprobe_hit, kprobe_single_step_handler
from emu.kernel.traps import die, report_bug
from emu.machine.cpu import Trap, TrapKind
from emu.machine.frame import PtRegs

SR_SPIE = 0x20


async def do_trap_break(cpu: Percpu, regs: PtRegs, trap: Trap) -> None:
    """handle_break, in kernel mode: kprobes' step, kprobes, kgdb, BUG and WARN, and then the end."""
    if trap.kind is not TrapKind.BREAK:
        die(cpu, regs, f"unexpected exception: {trap.kind.value}")
    if await kprobe_single_step_handler(cpu, regs) or await kprobe_breakpoint_handler(cpu, regs):
        return
    if notify_die("DIE_TRAP", cpu, regs) or await is_warning(cpu, regs):
        return
    die(cpu, regs, "Kernel BUG")


async def kprobe_breakpoint_handler(cpu: Percpu, regs: PtRegs) -> bool:
    """False if no kprobe is found; the kernel relies on stop_machine to make that impossible."""
    addr = regs.pc
    p = await get_kprobe(cpu.kernel, addr)  # another CPU may have unregistered it since the trap
    if p is not None:
        return await kprobe_hit(p, regs, cpu)
    return await breakpoint_is_gone(cpu, addr, C_EBREAK, EBREAK)


async def is_warning(cpu: Percpu, regs: PtRegs) -> bool:
    """report_bug: memory must hold an ebreak and the bug table the address; the width is the one found in memory."""
    await load(kallsyms.text_at(cpu.kernel, regs.pc))  # the breakpoint may have been removed by now
    if text.read(cpu.kernel, regs.pc, 2) == C_EBREAK:
        return report_bug(cpu, regs, 2)
    return text.read(cpu.kernel, regs.pc, 4) == EBREAK and report_bug(cpu, regs, 4)


def prepare_singlestep(cpu: Percpu, regs: PtRegs, p: Kprobe) -> None:
    """kprobes_save_local_irqflag: the whole of sstatus is saved, and SPIE cleared for the step."""
    assert p.ainsn.slot is not None
    cpu.kprobe_ctlblk.saved_status = regs.status
    regs.status &= ~SR_SPIE
    regs.pc = p.ainsn.slot


def restore_irqflag(cpu: Percpu, regs: PtRegs) -> None:
    """The whole saved image is put back, so what the stepped instruction did to sstatus is lost."""
    regs.status = cpu.kprobe_ctlblk.saved_status


def done(cpu: Percpu) -> None:
    """Preemption is not counted here: interrupts are off."""


STEP = StepOps(prepare_singlestep, restore_irqflag, done)


def irqs_enabled(sstatus: int) -> bool:
    return bool(sstatus & SR_SPIE)


def fill_slot(p: Kprobe, slot: int, following: bytes, variant: Variant) -> bytes:
    """The copy, and a 32-bit ebreak behind it, whatever the copy's width."""
    p.ainsn.restore = p.where + len(p.opcode)
    return p.opcode + EBREAK
