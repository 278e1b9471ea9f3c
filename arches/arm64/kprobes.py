"""ARM64's kprobe handlers, and the dispatch of BRK to them (arch/arm64/kernel/probes/kprobes.c, debug-monitors.c).

The immediate comes from ESR, so nothing is read from memory between the trap and the handler, and DAIF stays
masked throughout.
"""

from __future__ import annotations

from arches.arm64.breaks import BUG_BRK_IMM, KPROBE_BREAK, KPROBES_BRK_IMM, KPROBES_BRK_SS_IMM, STEP_BREAK
from emu.kernel.kprobes import get_kprobe
from emu.kernel.probe import Kprobe
from emu.kernel.recheck import breakpoint_is_gone, claim
from emu.kernel.state import Percpu, StepOps, Variant
from emu.kernel.state_machine import kprobe_hit, kprobe_single_step_handler
from emu.kernel.traps import die, report_bug
from emu.machine.cpu import Trap, TrapKind
from emu.machine.frame import PtRegs

DAIF = 0x3C0  # PSTATE.D, A, I and F
PSTATE_I = 0x80
NOT_FOUND_IS_HANDLED = "not-found-is-handled"  # option of a variant: as before 3b84efc066f8


async def el1_brk64(cpu: Percpu, regs: PtRegs, trap: Trap) -> None:
    """do_el1_brk64: who gets a BRK taken at EL1, by its immediate; unhandled, the kernel dies."""
    if trap.kind is not TrapKind.BREAK:
        die(cpu, regs, f"unexpected exception: {trap.kind.value}")
    if trap.code == KPROBES_BRK_IMM:
        handled = await kprobe_brk_handler(cpu, regs)
    elif trap.code == KPROBES_BRK_SS_IMM:
        handled = await kprobe_single_step_handler(cpu, regs)
    else:
        handled = trap.code == BUG_BRK_IMM and report_bug(cpu, regs, 4)
    if not handled:
        die(cpu, regs, f"Oops - BRK #{trap.code:#x}")


async def kprobe_brk_handler(cpu: Percpu, regs: PtRegs) -> bool:
    """kprobe_handler: False is DBG_HOOK_ERROR."""
    p = await get_kprobe(cpu.kernel, regs.pc)  # another CPU may have unregistered it since the trap
    if p is not None:
        return await kprobe_hit(p, regs, cpu)
    if NOT_FOUND_IS_HANDLED in cpu.kernel.variant.options:
        return claim(cpu, "no kprobe: return")  # Linux up to v6.1; the CPU fetches the address again
    # Linux kernel commit 3b84efc066f8 ("arm64: kprobes: Return DBG_HOOK_ERROR if kprobes can not handle a BRK")
    # (in v6.2)
    return await breakpoint_is_gone(cpu, regs.pc, KPROBE_BREAK)


def prepare_singlestep(cpu: Percpu, regs: PtRegs, p: Kprobe) -> None:
    """kprobes_save_local_irqflag: all of DAIF is masked while the copy is stepped."""
    assert p.ainsn.slot is not None
    cpu.kprobe_ctlblk.saved_status = regs.status & DAIF
    regs.status |= DAIF
    regs.pc = p.ainsn.slot


def restore_irqflag(cpu: Percpu, regs: PtRegs) -> None:
    """kprobes_restore_local_irqflag: only DAIF is put back, so flags that the instruction set survive."""
    regs.status = regs.status & ~DAIF | cpu.kprobe_ctlblk.saved_status


def done(cpu: Percpu) -> None:
    """ARM64 does not count preemption here: DAIF is masked."""


STEP = StepOps(prepare_singlestep, restore_irqflag, done)


def irqs_enabled(daif: int) -> bool:
    return not daif & PSTATE_I


def fill_slot(p: Kprobe, slot: int, following: bytes, variant: Variant) -> bytes:
    """The copy, and the BRK that ends its step."""
    p.ainsn.restore = p.where + 4
    return p.opcode + STEP_BREAK
