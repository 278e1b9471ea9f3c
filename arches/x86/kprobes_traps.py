"""Exceptions in kernel mode on x86-64, as far as probes meet them (arch/x86/kernel/traps.c)."""

from __future__ import annotations

from arches.x86.breaks import INT3
from arches.x86.kprobes import kprobe_debug_handler, kprobe_int3_handler
from arches.x86.simulate import TF
from emu.kernel import kallsyms
from emu.kernel.notifier import notify_die
from emu.kernel.state import Percpu
from emu.kernel.text_poke import poke_int3_handler
from emu.kernel.trace import log
from emu.kernel.traps import die, report_bug
from emu.machine.cpu import Trap, TrapKind
from emu.machine.frame import PtRegs

UD2_SIZE = 2


async def exception(cpu: Percpu, regs: PtRegs, trap: Trap) -> None:
    """The vectors that the IDT has for #BP, #DB and #UD; a guest here takes no other."""
    if trap.kind is TrapKind.BREAK:
        await exc_int3(cpu, regs)
    elif trap.kind is TrapKind.TRACE:
        await exc_debug(cpu, regs)
    elif trap.kind is TrapKind.ILLEGAL:
        exc_invalid_op(cpu, regs)
    else:
        die(cpu, regs, f"unexpected exception: {trap.kind.value}")


async def exc_int3(cpu: Percpu, regs: PtRegs) -> None:
    """Text that is being patched comes first, then do_int3: kprobes, and whoever else is on the chain."""
    if await poke_int3_handler(cpu, regs, regs.pc - len(INT3)):
        return
    if await kprobe_int3_handler(cpu, regs) or notify_die("DIE_INT3", cpu, regs):
        return
    die(cpu, regs, "int3")


async def exc_debug(cpu: Percpu, regs: PtRegs) -> None:
    """A step that nobody asked for is a warning in kernel mode, and is turned off."""
    if await kprobe_debug_handler(cpu, regs) or notify_die("DIE_DEBUG", cpu, regs):
        return
    log(cpu, f"WARNING: unexpected #DB at {kallsyms.at(cpu.kernel, regs.pc)}")
    regs.status &= ~TF


def exc_invalid_op(cpu: Percpu, regs: PtRegs) -> None:
    """ud2 is BUG or WARN, by the bug table."""
    if not report_bug(cpu, regs, UD2_SIZE):
        die(cpu, regs, "invalid opcode")
