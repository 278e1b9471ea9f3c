"""The engine that copies and emulation are held against."""

from __future__ import annotations

import pytest

from arches.x86.unicorn import make_cpu
from emu.machine.memory import Memory


@pytest.fixture(scope="module")
def engine():
    """engine(text, data): memory with both, each an address and a size, a CPU, and its state to go back to."""

    def make(text, data):
        memory = Memory()
        memory.add("text", *text, executable=True)
        memory.add("data", *data)
        memory.write(text[0], b"\xcc" * text[1])  # where branches go, so that blocks end before the text does
        cpu = make_cpu(0, memory)
        cpu.sync_icache(*text)
        return memory, cpu, cpu.snapshot()

    return make
