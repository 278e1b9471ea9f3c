"""Exceptions: entry, the architecture's dispatch, return; and the kernel's death."""

from __future__ import annotations

from typing import NoReturn

from emu.errors import GuestError
from emu.explore.ops import ExecutionEnds, SharedObject, retry
from emu.kernel import kallsyms, text
from emu.kernel.outcome import Mark, Outcome
from emu.kernel.state import Percpu, TrapSeen
from emu.kernel.trace import log
from emu.machine.cpu import Fault, MemoryAccess, Trap, TrapKind
from emu.machine.frame import PtRegs

SKIPS = 10  # traps in the same state until a pre_handler that skips the step each time is taken not to stop doing so
BUGFLAG_WARNING = 1
CHANGES = SharedObject("text"), SharedObject("kprobe_table"), SharedObject("shared")  # what a spinning CPU waits for


def die(cpu: Percpu, regs: PtRegs, why: str) -> NoReturn:
    """The kernel dies; the execution ends here."""
    oops(cpu, why, regs.pc)


def oops(cpu: Percpu, why: str, pc: int) -> NoReturn:
    cpu.kernel.note(Outcome.OOPS)
    log(cpu, f"die: {why} at {kallsyms.at(cpu.kernel, pc)}")
    raise ExecutionEnds(why)


async def take_trap(cpu: Percpu, trap: Trap) -> None:
    """From the exception to its return. Interrupts are off on entry, on every architecture here."""
    kernel = cpu.kernel
    if trap.kind is not TrapKind.TRACE and repeats(cpu, trap):
        return await spin(cpu, trap)
    cpu.trap_depth, cpu.irqs_enabled = cpu.trap_depth + 1, False
    log(cpu, f"trap: {trap.kind.value} at {kallsyms.at(kernel, trap.pc)}")
    regs = PtRegs(cpu.core, kernel.machine.memory, kernel.isa.registers.status, trap)
    await kernel.variant.trap(cpu, regs, trap)
    cpu.core.clear_reservation()
    text.exception_return(kernel, cpu.core)
    cpu.trap_depth -= 1
    cpu.irqs_enabled = cpu.handler_irqs and kernel.port.irqs_enabled(regs.status)


async def spin(cpu: Percpu, trap: Trap) -> None:
    """Trap and return, for as long as nobody changes anything; then the address is fetched again.

    Between two traps the CPU is where it was before them, and takes interrupts there.
    """
    kernel = cpu.kernel
    at, seen = kallsyms.at(kernel, trap.pc), (kernel.version, kernel.machine.shared())
    if not trap.delay_slot:
        cpu.core.pc = trap.pc
    await retry(f"the same trap at {at}", lambda: (kernel.version, kernel.machine.shared()) != seen, CHANGES)


def repeats(cpu: Percpu, trap: Trap) -> bool:
    """Whether this CPU was in this trap before in the same state, and nothing in memory has changed since.

    Then it goes on like this for ever unless another CPU intervenes. The state is compared from the second trap at a
    pc on. Handlers may remember more than can be compared: one that skips the step is given several chances.
    """
    before = cpu.traps_seen.get(trap.pc)
    now = cpu.traps_seen[trap.pc] = TrapSeen(trap_state(cpu) if before is not None else (), cpu.skips)
    if before is None or now.state != before.state:
        return False
    now.alike = before.alike + 1
    return now.alike >= (SKIPS if now.skips != before.skips else 1)


def trap_state(cpu: Percpu) -> tuple[object, ...]:
    """All that a trap's handling depends on: registers, memory, and what this CPU has under way."""
    kernel, kcb = cpu.kernel, cpu.kprobe_ctlblk
    memory = kernel.version, hash(kernel.machine.data())
    under_way = cpu.current_kprobe, *kcb.values(), bool(cpu.preempt_count)
    return *memory, *under_way, *kernel.machine.registers(cpu.core)


def guest_fault(cpu: Percpu, fault: Fault) -> NoReturn:
    """A guest that touches what it must not. The kernel dies if a probe or half-written text may have led it there;
    without one of them no scenario can use it: GuestError."""
    where, what = kallsyms.at(cpu.kernel, fault.pc), f"{fault.access} of {fault.address:#x}"
    if any(Mark.MISLEADS in outcome.marks for outcome in cpu.kernel.outcomes):
        oops(cpu, f"page fault, {what}", fault.pc)
    writes = fault.access is MemoryAccess.WRITE
    hint = "guest text is not writable by the guest" if writes else "expected an address in the image"
    raise GuestError(f"{cpu.name} at {where}: {what}; {hint}")


def report_bug(cpu: Percpu, regs: PtRegs, size: int) -> bool:
    """A trap at an address in the bug table: a WARN goes on behind it, a BUG dies. False where there is no entry."""
    flags = cpu.kernel.bug_table.get(regs.pc)
    if flags is None:
        return False
    if not flags & BUGFLAG_WARNING:
        die(cpu, regs, "kernel BUG")
    log(cpu, f"WARNING at {kallsyms.at(cpu.kernel, regs.pc)}")
    regs.pc += size
    return True
