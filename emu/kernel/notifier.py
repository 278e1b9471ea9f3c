"""The die notifier chain: who is told of a trap, highest priority first (kernel/notifier.c)."""

from __future__ import annotations

from emu.blame import blamed
from emu.kernel.outcome import Outcome
from emu.kernel.state import DieNotifier, Percpu
from emu.kernel.trace import log
from emu.machine.frame import PtRegs


def notify_die(event: str, cpu: Percpu, regs: PtRegs) -> bool:
    """Whether a notifier claimed the event (NOTIFY_STOP); kprobes has its own call sites in the handlers."""
    kernel = cpu.kernel
    kernel.note(Outcome.PASSED_ON)
    for notifier in kernel.die_chain:
        log(cpu, f"notify_die({event}): {notifier.name}")
        with blamed(notifier.call):
            claimed = notifier.call(event, cpu, regs)
        if claimed:
            return True
    return False


def register_die_notifier(chain: list[DieNotifier], notifier: DieNotifier) -> None:
    """Later ones of equal priority come after earlier ones.

    >>> from trapline import DieNotifier, register_die_notifier, run, run_guest
    >>> def two_are_told(lab):
    ...     def told(name):
    ...         return DieNotifier(name, 0, lambda event, cpu, regs: print(name))
    ...     register_die_notifier(lab.kernel.die_chain, told("first"))
    ...     register_die_notifier(lab.kernel.die_chain, told("second"))
    ...     return {"cpu0": run_guest(lab.cpus[0], "foreign_break")}
    >>> done = run(two_are_told, "riscv")
    first
    second
    """
    chain.append(notifier)
    chain.sort(key=lambda n: -n.priority)
