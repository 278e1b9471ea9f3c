"""Which MIPS32 instructions have a delay slot, and the classes of instructions, from insns.decode."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from emu.bits import field
from emu.isa.table import Row, parse_rows

SPECIAL, REGIMM, COP1, COP2 = 0x00, 0x01, 0x11, 0x12
JR, JALR, BC = 0x08, 0x09, 0x08
REGIMM_BRANCHES = frozenset({0, 1, 2, 3, 0x10, 0x11, 0x12, 0x13, 0x1C})  # b[lt|ge]z[al][l], bposge32
BRANCHES = frozenset({2, 3, 4, 5, 6, 7, 0x14, 0x15, 0x16, 0x17, 0x1D})  # j, jal, beq.., beql.., jalx


def is_branch(word: int) -> bool:
    """Whether the instruction has a delay slot (MIPS32 release 2 with the DSP ASE, MD00086 volume II)."""
    opcode = word >> 26
    if opcode == SPECIAL:
        return word & 0x3F in (JR, JALR)
    if opcode == REGIMM:
        return field(word, 20, 16) in REGIMM_BRANCHES
    if opcode in (COP1, COP2):
        return field(word, 25, 21) == BC
    return opcode in BRANCHES


@cache
def classes() -> tuple[Row, ...]:
    """The rows."""
    return tuple(parse_rows((files("arches.mips") / "insns.decode").read_text(encoding="utf-8"), "insns.decode"))
