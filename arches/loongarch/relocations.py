"""LoongArch's relocations (ELF for the LoongArch Architecture, section "Relocations"); nothing is relaxed.

The stack machine of the first toolchains (SOP_*) is not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from emu.elf.fixups import add, data, direct, distance, insert, insn, nothing
from emu.elf.linking import Fix, Fixup

PAGE = ~0xFFF
SI20, SI12 = 5, 10  # lowest bit of the immediates of pcalau12i and relatives, and of addi.d and relatives
ROUND = 0x800  # the lower part is signed


def page_distance(address: int, place: int) -> int:
    """Of the page that is nearest to the address, to be reached with 12 signed bits, from the place's page."""
    return (address + ROUND & PAGE) - (place & PAGE)


def pages(fixup: Fixup) -> int:
    return page_distance(direct(fixup), fixup.P)


def got(fixup: Fixup) -> int:
    return fixup.got(fixup.S) + fixup.A


def got_pages(fixup: Fixup) -> int:
    return page_distance(got(fixup), fixup.P)


def far_pages(fixup: Fixup) -> int:
    """For the upper half of a distance of 64 bits: what pcalau12i and the sign of the lower 12 bits leave over.

    PCALA64_LO20 is 8 bytes behind the pcalau12i that it continues, PCALA64_HI12 is 12.
    """
    back = 8 if fixup.relocation.type == 73 else 12
    address = direct(fixup)
    distance = (address & PAGE) - (fixup.P - back & PAGE)
    if address & ROUND:
        distance += 0x1000 - 0x1_0000_0000
    return distance + (0x1_0000_0000 if distance & 0x8000_0000 else 0)


def call36(fixup: Fixup) -> None:
    """pcaddu18i and jirl."""
    value = fixup.in_range(distance(fixup), 38, 4)
    fixup.store(insert(fixup.load(4), value + (1 << 17), ((37, 18, SI20),)), 4)
    fixup.store(insert(fixup.load(4, 4), value, ((17, 2, 10),)), 4, 4)


RELOCATIONS: Mapping[int, Fix] = MappingProxyType(
    {
        0: nothing,
        1: data(direct, 4),  # 32, 64
        2: data(direct, 8),
        20: nothing,  # MARK_LA, MARK_PCREL
        21: nothing,
        **{47 + n: add(1, size) for n, size in enumerate((1, 2, 3, 4, 8))},  # ADD8..ADD64
        **{52 + n: add(-1, size) for n, size in enumerate((1, 2, 3, 4, 8))},  # SUB8..SUB64
        64: insn(distance, ((17, 2, 10),), 18, 4),  # B16
        65: insn(distance, ((17, 2, 10), (22, 18, 0)), 23, 4),  # B21
        66: insn(distance, ((17, 2, 10), (27, 18, 0)), 28, 4),  # B26
        67: insn(direct, ((31, 12, SI20),)),  # ABS_HI20, ABS_LO12, ABS64_LO20, ABS64_HI12
        68: insn(direct, ((11, 0, SI12),)),
        69: insn(direct, ((51, 32, SI20),)),
        70: insn(direct, ((63, 52, SI12),)),
        71: insn(pages, ((31, 12, SI20),), 32),  # PCALA_HI20, PCALA_LO12, PCALA64_LO20, PCALA64_HI12
        72: insn(direct, ((11, 0, SI12),)),
        73: insn(far_pages, ((51, 32, SI20),)),
        74: insn(far_pages, ((63, 52, SI12),)),
        75: insn(got_pages, ((31, 12, SI20),), 32),  # GOT_PC_HI20, GOT_PC_LO12
        76: insn(got, ((11, 0, SI12),)),
        99: data(distance, 4, 32),  # 32_PCREL
        100: nothing,  # RELAX
        102: nothing,  # ALIGN: the nops stay
        103: insn(distance, ((21, 2, SI20),), 22, 4),  # PCREL20_S2
        109: data(distance, 8),  # 64_PCREL
        110: call36,
    }
)
