"""The timeline of an execution, if somebody wants one (`Kernel.events`)."""

from __future__ import annotations

from emu.kernel import kallsyms
from emu.kernel.state import Event, Percpu


def log(cpu: Percpu, text: str) -> None:
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
