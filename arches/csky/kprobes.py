"""C-SKY's kprobe handlers, and the traps that lead to them (arch/csky/kernel/traps.c, probes/kprobes.c).

The breakpoint 0x1464 is no instruction, so it arrives as an illegal one. A copy is stepped by the trace mode of PSR,
which traps after one instruction, not by a second breakpoint. Known bugs are kept unless the variant repairs
them (bugs.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from arches.csky import bugs
from arches.csky.breaks import USR_BKPT
from arches.csky.registers import PSR_C, PSR_IE, PSR_TM, PSR_TM_STEP
from emu.explore.ops import load
from emu.kernel import kallsyms, text
from emu.kernel.kprobes import get_kprobe
from emu.kernel.notifier import notify_die
from emu.kernel.probe import Kprobe, KprobeCtlblk
from emu.kernel.recheck import breakpoint_is_gone, claim
from emu.kernel.state import Percpu, StepOps, Variant
from emu.kernel.state_machine import kprobe_hit, post_kprobe_handler
from emu.kernel.trace import log
from emu.kernel.traps import die
from emu.machine.cpu import Trap, TrapKind
from emu.machine.frame import PtRegs


@dataclass
class CskyCtlblk(KprobeCtlblk):
    """`match_addr` is ss_ctx's: where the trace trap of the step must arrive; None while no step is under way."""

    match_addr: int | None = None


def ctlblk(cpu: Percpu) -> CskyCtlblk:
    kcb = cpu.kprobe_ctlblk
    assert isinstance(kcb, CskyCtlblk)
    return kcb


async def trap_c(cpu: Percpu, regs: PtRegs, trap: Trap) -> None:
    """By the vector: 4 is an illegal instruction, 6 the trace, 7 bkpt."""
    if trap.kind is TrapKind.ILLEGAL:
        await do_trap_illinsn(cpu, regs)
    elif trap.kind in (TrapKind.TRACE, TrapKind.BREAK):
        await do_trap_bkpt(cpu, regs)
    else:
        die(cpu, regs, f"unexpected exception: {trap.kind.value}")


async def do_trap_illinsn(cpu: Percpu, regs: PtRegs) -> None:
    """kprobes, uprobes, and then the halfword at the pc: in Linux since 2020 the test is the wrong way round."""
    kernel, addr = cpu.kernel, regs.pc
    if await kprobe_breakpoint_handler(cpu, regs) or notify_die("uprobe_breakpoint", cpu, regs):
        return
    await load(kallsyms.text_at(kernel, addr))
    is_bkpt = text.read(kernel, addr, 2) == USR_BKPT
    if is_bkpt == (bugs.TRAP_TEST.id in kernel.variant.repairs):
        claim(cpu, "SIGTRAP to current: return")  # the CPU fetches the same address again
        return
    die(cpu, regs, "Oops: illegal instruction")


async def kprobe_breakpoint_handler(cpu: Percpu, regs: PtRegs) -> bool:
    """False only if no kprobe is found."""
    addr = regs.pc
    p = await get_kprobe(cpu.kernel, addr)  # another CPU may have unregistered it since the trap
    if p is not None:
        return await kprobe_hit(p, regs, cpu)
    return await breakpoint_is_gone(cpu, addr, USR_BKPT)


async def do_trap_bkpt(cpu: Percpu, regs: PtRegs) -> None:
    """The trace trap of a step; bkpt (BUG) and stray traces end here."""
    if await kprobe_single_step_handler(cpu, regs) or notify_die("uprobe_single_step", cpu, regs):
        return
    die(cpu, regs, "Oops: illegal trap" if regs.trap is None or regs.trap.kind is TrapKind.TRACE else "kernel BUG")


async def kprobe_single_step_handler(cpu: Percpu, regs: PtRegs) -> bool:
    """Accepted where the step must end, whoever is current."""
    kcb, p = ctlblk(cpu), cpu.current_kprobe
    if kcb.match_addr is None or kcb.match_addr != regs.pc:
        return False
    log(cpu, "single step done")
    kcb.match_addr = None
    restore_psr(cpu, regs)
    if p is not None:
        await post_kprobe_handler(p, regs, cpu)
    return True


def prepare_singlestep(cpu: Percpu, regs: PtRegs, p: Kprobe) -> None:
    """kprobes_save_local_irqflag and set_ss_context: the whole PSR is saved, IE cleared, and trace mode set."""
    assert p.ainsn.slot is not None
    kcb = ctlblk(cpu)
    kcb.saved_status, kcb.match_addr = regs.status, p.ainsn.slot + p.ainsn.length
    regs.status = regs.status & ~(PSR_IE | PSR_TM) | PSR_TM_STEP
    regs.pc = p.ainsn.slot


def restore_psr(cpu: Percpu, regs: PtRegs) -> None:
    """The whole saved image is put back, so the C flag that a stepped compare set is lost."""
    saved = cpu.kprobe_ctlblk.saved_status & ~PSR_TM
    keeps_c = bugs.C_FLAG.id in cpu.kernel.variant.repairs
    regs.status = saved & ~PSR_C | regs.status & PSR_C if keeps_c else saved


def done(cpu: Percpu) -> None:
    """Preemption is not counted here: interrupts are off."""


STEP = StepOps(prepare_singlestep, restore_psr, done)


def irqs_enabled(psr: int) -> bool:
    return bool(psr & PSR_IE)


def fill_slot(p: Kprobe, slot: int, following: bytes, variant: Variant) -> bytes:
    """The first halfword only: patch_text stores no more, and the second is what the slot held before.

    The repair copies all of it, as a patch of 2022 did that was not taken.
    """
    p.ainsn.restore = p.where + len(p.opcode)
    return p.opcode if bugs.HALF_IN_SLOT.id in variant.repairs else p.opcode[:2]
