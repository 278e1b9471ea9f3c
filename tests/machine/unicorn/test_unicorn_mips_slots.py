"""Delay slots that access memory: the engine would execute what comes after the branch twice."""

from __future__ import annotations

import pytest

from arches.mips import unicorn
from emu.machine.cpu import Halt
from emu.machine.memory import Memory

BASE, DATA, END = 0x10000, 0x20000, 0x10800
LW, SW, LBU, NOP = 0x8CA40000, 0xACA20000, 0x90A40000, 0  # of $a0 or $v0 at ($a1)
ADDIU_V1, ADDIU_A1, BNE, JR = 0x24630001, 0x24A50004, 0x14A6FFFD, 0x03E00008
PAGES = 3


@pytest.mark.parametrize("slot", [LW, SW, LBU, NOP])
@pytest.mark.parametrize("first", [ADDIU_V1, 0x10000001])  # a count, or a branch over nothing: one in a slot would trap
def test_a_loop_whose_delay_slot_accesses_memory(slot, first):
    """Every page that it comes to is new to the engine."""
    loop = [first, NOP, ADDIU_V1] if first != ADDIU_V1 else [ADDIU_V1]
    code = [*loop, ADDIU_A1, 0x14A60000 | (-(len(loop) + 2) & 0xFFFF), slot, JR, NOP]
    memory = Memory()
    memory.add("text", BASE, 0x1000, executable=True)
    memory.add("data", DATA, 0x1000 * (PAGES + 1))
    memory.write(BASE, b"".join(word.to_bytes(4, "little") for word in code))
    cpu = unicorn.make_cpu(0, memory)
    for name, value in {"a1": DATA, "a2": DATA + 0x1000 * PAGES, "ra": END}.items():
        cpu.set(name, value)
    cpu.pc, cpu.halt_at = BASE, END
    assert cpu.run(100_000) == Halt(END)
    assert cpu.get("v1") == 0x1000 * PAGES // 4


def test_a_return_to_where_nothing_is_mapped():
    """jr $ra; lw: what is called next is not in its delay slot."""
    memory = Memory()
    memory.add("text", BASE, 0x1000, executable=True)
    memory.add("data", DATA, 0x1000)
    memory.write(BASE, b"".join(word.to_bytes(4, "little") for word in (JR, LW, ADDIU_V1, ADDIU_A1)))
    cpu = unicorn.make_cpu(0, memory)
    cpu.set("a1", DATA)
    cpu.set("ra", 0x9000)
    cpu.pc = BASE
    assert (cpu.step(), cpu.pc) == (None, 0x9000)
    cpu.pc = BASE + 8
    assert [cpu.step(), cpu.step()] == [None, None]
    assert (cpu.get("v1"), cpu.get("a1"), cpu.pc) == (1, DATA + 4, BASE + 16)
