"""A CPU on Unicorn, which is imported with the first one: a command that executes nothing starts without it."""

from __future__ import annotations

from emu.machine.cpu import Cpu
from emu.machine.memory import Memory
from emu.machine.unicorn.spec import UnicornSpec
from emu.parallel.interrupts import interrupts_held


def unicorn_cpu(spec: UnicornSpec, id: int, memory: Memory) -> Cpu:
    with interrupts_held():
        from emu.machine.unicorn.cpu import UnicornCpu
    return UnicornCpu(spec, id, memory)
