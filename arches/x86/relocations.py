"""x86-64's relocations (System V ABI, AMD64 supplement, section 4.4.1), those of modules and objects."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from emu.machine.fixups import data, direct, distance, nothing
from emu.machine.relocatable import Fix, Fixup


def got_distance(fixup: Fixup) -> int:
    """G + GOT + A - P; the addend is of the instruction's end, not the symbol's."""
    return fixup.got(fixup.S) + fixup.A - fixup.P


RELOCATIONS: Mapping[int, Fix] = MappingProxyType(
    {
        0: nothing,
        1: data(direct, 8),  # 64
        2: data(distance, 4, 32),  # PC32
        4: data(distance, 4, 32),  # PLT32: calls, and there is no PLT
        9: data(got_distance, 4, 32),  # GOTPCREL, GOTPCRELX, REX_GOTPCRELX
        41: data(got_distance, 4, 32),
        42: data(got_distance, 4, 32),
        10: data(direct, 4, 33),  # 32
        11: data(direct, 4, 32),  # 32S
        24: data(distance, 8),  # PC64
    }
)
