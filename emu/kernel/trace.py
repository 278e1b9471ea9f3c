"""The timeline of an execution, if somebody wants one (`Kernel.events`)."""

from __future__ import annotations

from emu.kernel import kallsyms
from emu.kernel.state import Event, Percpu


def log(cpu: Percpu, text: str) -> None:
    """A line of the timeline.

    >>> from trapline import log, own, run
    >>> def says(lab):
    ...     async def code():
    ...         await own("here")
    ...         log(lab.cpus[0], "n is 0")
    ...     return {"cpu0": code()}
    >>> [event.text for event in run(says, "mips").events]
    ['own here', 'n is 0']
    """
    events = cpu.kernel.events
    if events is not None:
        events.append(Event(cpu.name, text))


def log_insn(cpu: Percpu, unseen: bool) -> None:
    """What this CPU is about to execute, from its own view of text."""
    kernel, core = cpu.kernel, cpu.core
    if kernel.events is None or core.pc == core.halt_at:
        return
    for pc in kernel.machine.step_at(core, core.pc):
        place = kallsyms.at(kernel, pc)
        kernel.events.append(Event(cpu.name, f"{place}: {kernel.machine.disassemble(core, pc)}", place, unseen))
