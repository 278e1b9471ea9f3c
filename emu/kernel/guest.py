"""A guest CPU as a task: it steps, and yields before an instruction that others can influence.

Those are fetches from watched text (probed addresses and insn slots) and accesses to `.shared` data. What it
executes between them nobody else can see, so it happens at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emu.errors import GuestError, UsageError
from emu.explore.canonical import NO_STATE
from emu.explore.ops import Access, Op, SharedObject, Touch
from emu.kernel import kallsyms, text
from emu.kernel.interrupts import preemptible
from emu.kernel.rcu import quiescent
from emu.kernel.state import Percpu
from emu.kernel.trace import log_insn
from emu.kernel.traps import guest_fault, take_trap
from emu.machine.cpu import Fault, Halt, Stop, Trap

GUEST_LIMIT = 200_000  # instructions of one guest in one execution


async def run_guest(cpu: Percpu, function: str = "probe_me", count: int = 1) -> int:
    """Call `function` `count` times on this CPU, from its own entry and stack; its result.

    Raises GuestError if it faults or never ends, UsageError if the CPU is running a guest already.

    >>> from trapline import run, run_guest
    >>> def two_guests(lab):
    ...     return {cpu.name: run_guest(cpu, "probe_me", 2) for cpu in lab.cpus}
    >>> run(two_guests, "loongarch", cpus=2).tasks
    ('cpu0', 'cpu1')
    """
    kernel = cpu.kernel
    if cpu.runs_guest:
        raise UsageError(f"run_guest({function!r}): {cpu.name} is running a guest already; expected one at a time")
    cpu.runs_guest = True
    kernel.guest_runs.append((cpu.id, function, count))
    machine = kernel.machine
    machine.start(cpu.core, cpu.id, function, count)
    await run_to_halt(cpu)
    cpu.runs_guest = False
    return machine.result(cpu.core)


async def call_guest(cpu: Percpu, function: str, argument: int = 0) -> int:
    """Call a guest function from a probe's handler, as kernel code that the handler calls; its result.

    >>> from trapline import Kprobe, call_guest, register_kprobe, run, run_guest
    >>> def asks_a_guest(lab):
    ...     async def handler(p, regs):
    ...         print(await call_guest(lab.cpus[0], "nested_target", 20))
    ...     probe = Kprobe(lab.symbol("probe_me"), pre_handler=handler)
    ...     lab.boot(register_kprobe(lab.kernel, probe))
    ...     return {"cpu0": run_guest(lab.cpus[0])}
    >>> asked = run(asks_a_guest, "arm64")
    44
    """
    core, machine = cpu.core, cpu.kernel.machine
    saved, halt_at = machine.save_registers(core), core.halt_at
    machine.call(core, machine.symbol(function), (argument,))
    irqs_enabled, trap_depth, outer = cpu.irqs_enabled, cpu.trap_depth, cpu.handler_irqs
    cpu.handler_irqs = irqs_enabled  # the status register still has the image of the interrupted context
    await run_to_halt(cpu)
    cpu.irqs_enabled, cpu.trap_depth, cpu.handler_irqs = irqs_enabled, trap_depth, outer
    result = machine.result(core)
    machine.restore_registers(core, saved)
    core.halt_at = halt_at
    return result


async def run_to_halt(cpu: Percpu) -> None:
    core, kernel = cpu.core, cpu.kernel
    await (visible(cpu, core.pc) or Op(Access.FETCH, (Touch(kallsyms.text_at(kernel, core.pc), Access.FETCH),)))
    budget = Budget()
    while True:
        text.fetched(kernel, core, core.pc)
        stop = advance(cpu, budget)
        if stop is None:
            op = visible(cpu, core.pc)
            assert op is not None
        elif isinstance(stop, Halt):
            return
        elif isinstance(stop, Fault):
            guest_fault(cpu, stop)
        else:
            assert isinstance(stop, Trap)
            await take_trap(cpu, stop)
            op = visible(cpu, core.pc)
        if preemptible(cpu):
            quiescent(cpu)
        if op is not None:
            await op


@dataclass
class Budget:
    """Instructions that a guest may still execute. Not part of the world's state: what goes round is found as such."""

    left: int = field(default=GUEST_LIMIT, metadata=NO_STATE)


def advance(cpu: Percpu, budget: Budget) -> Stop | None:
    """Execute the instruction at pc and those after it that nobody can influence; why it ended."""
    core, kernel = cpu.core, cpu.kernel
    step, quiet, watched, traced = core.step, kernel.machine.quiet, kernel.watched, kernel.events is not None
    while budget.left:
        budget.left -= 1
        if traced:
            log_insn(cpu, visible(cpu, core.pc) is None)
        stop = step()
        if stop is not None:
            return stop
        pc = core.pc
        if (pc not in quiet or pc in watched) and visible(cpu, pc) is not None:
            return None
    at = kallsyms.at(kernel, core.pc)
    raise GuestError(f"{cpu.name} at {at}: no end after {GUEST_LIMIT} instructions; expected guest_exit")


def visible(cpu: Percpu, pc: int) -> Op | None:
    """What others can see of the instruction at pc: a fetch of watched text, an access to shared data, or nothing."""
    kernel = cpu.kernel
    insn = kernel.watched.get(pc)
    access = kernel.machine.shared_access(cpu.core, pc, patched=insn is not None)
    if access is None:
        return Op(Access.FETCH, (Touch(insn, Access.FETCH),)) if insn is not None else None
    kind, address = access
    data = Touch(SharedObject("shared", address, f"shared[{address:#x}]"), kind)
    return Op(data.access, (data,) if insn is None else (Touch(insn, Access.FETCH), data))
