"""The table of C-SKY instructions, read from insns.decode."""

from __future__ import annotations

from importlib import resources

from arches.csky.insns_operands import OPERANDS
from emu.isa.table import Table


def halfword_size(halfword: int) -> int:
    """Bytes of the instruction that starts with this halfword: its two top bits are set in 32-bit ones."""
    return 4 if halfword & 0xC000 == 0xC000 else 2


TABLE = Table.parse(
    resources.files("arches.csky").joinpath("insns.decode").read_text(),
    "arches/csky/insns.decode",
    kinds=OPERANDS,
    halfwords_high_first=True,
    size_of=halfword_size,
)
