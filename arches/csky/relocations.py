"""C-SKY's relocations (C-SKY ABI V2, section "Relocation"), those of modules and objects.

A 32-bit instruction has its first halfword in the upper half of the manual's word; in memory each halfword is little
endian, so the word as loaded has them the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from emu.elf.fixups import Layout, Value, data, direct, distance, insn, nothing
from emu.elf.linking import Fix

LOW_HALF = 16  # where the second halfword, the manual's bits 15:0, is in the word as loaded


def second_half(value: Value, hi: int, lo: int, bits: int | None = None) -> Fix:
    """Bits hi..lo into the second halfword."""
    layout: Layout = ((hi, lo, LOW_HALF),)
    return insn(value, layout, bits, 1 << lo if bits is not None else 1)


IMM26BY2 = ((16, 1, LOW_HALF), (26, 17, 0))

RELOCATIONS: Mapping[int, Fix] = MappingProxyType(
    {
        0: nothing,
        1: data(direct, 4),  # ADDR32
        3: insn(distance, ((10, 1, 0),), 11, 2, size=2),  # PCREL_IMM11BY2, signed 10-bit halfwords
        5: data(distance, 4),  # PCREL32
        6: nothing,  # PCREL_JSR_IMM11BY2 marks a jsri that a linker may shorten
        19: insn(distance, IMM26BY2, 27, 2),  # PCREL_IMM26BY2
        20: second_half(distance, 16, 1, 17),  # PCREL_IMM16BY2
        24: second_half(direct, 31, 16),  # ADDR_HI16
        25: second_half(direct, 15, 0),  # ADDR_LO16
        40: insn(distance, IMM26BY2, 27, 2),  # PCREL_JSR_IMM26BY2
    }
)
