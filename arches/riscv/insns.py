"""RISC-V assembly from our own table: one instruction as text, and back.

Nothing is chosen for the user: `addi` is 32 bits long, `c.addi` 16, and `li` takes what one instruction can load.
Branches are given a label, `.` for here, or their distance in bytes.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from arches.riscv.insns_operands import KINDS
from emu.isa.table import Table


def size_of(halfword: int) -> int:
    """In bytes; instructions of 48 bits and more are not known here."""
    return 4 if halfword & 3 == 3 else 2


def source() -> str:
    """The rows."""
    return (files("arches.riscv") / "insns.decode").read_text(encoding="utf-8")


@cache
def table() -> Table:
    """The instruction table, read on first use."""
    return Table.parse(source(), "arches/riscv/insns.decode", kinds=KINDS, size_of=size_of)


def assemble(text: str, addr: int) -> bytes:
    """One instruction in memory order; EncodeError."""
    return table().assemble(text, addr)


def disassemble(insn: bytes, addr: int) -> str:
    """One instruction as text, without aliases; DecodeError if it is none of the table's."""
    word, size = table().from_bytes(insn)
    return table().plain(word, size, addr)
