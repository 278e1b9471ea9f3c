"""ARM64's relocations (ELF for the Arm 64-bit Architecture, AAELF64, section 5.7), those of modules and objects."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from emu.elf.fixups import data, direct, distance, insn, nothing
from emu.elf.linking import Fix, Fixup

PAGE = ~0xFFF
ADR = ((20, 2, 5), (1, 0, 29))
ADRP = ((32, 14, 5), (13, 12, 29))


def page_distance(fixup: Fixup) -> int:
    """Page(S + A) - Page(P)."""
    return (direct(fixup) & PAGE) - (fixup.P & PAGE)


def got(fixup: Fixup) -> int:
    """G(GDAT(S + A)), which has to be a pointer's address as a whole."""
    return fixup.got(direct(fixup))


def got_page_distance(fixup: Fixup) -> int:
    return (got(fixup) & PAGE) - (fixup.P & PAGE)


RELOCATIONS: Mapping[int, Fix] = MappingProxyType(
    {
        0: nothing,
        257: data(direct, 8),  # ABS64, 32, 16
        258: data(direct, 4),
        259: data(direct, 2),
        260: data(distance, 8),  # PREL64, 32, 16
        261: data(distance, 4, 33),
        262: data(distance, 2, 17),
        **{263 + n: insn(direct, ((16 * (n // 2) + 15, 16 * (n // 2), 5),)) for n in range(7)},  # MOVW_UABS_G0..G3
        273: insn(distance, ((20, 2, 5),), 21, 4),  # LD_PREL_LO19
        274: insn(distance, ADR, 21),  # ADR_PREL_LO21
        275: insn(page_distance, ADRP, 33),  # ADR_PREL_PG_HI21
        276: insn(page_distance, ADRP),
        277: insn(direct, ((11, 0, 10),)),  # ADD_ABS_LO12_NC
        278: insn(direct, ((11, 0, 10),)),  # LDST8, 16, 32, 64, 128_ABS_LO12_NC
        284: insn(direct, ((11, 1, 10),)),
        285: insn(direct, ((11, 2, 10),)),
        286: insn(direct, ((11, 3, 10),)),
        299: insn(direct, ((11, 4, 10),)),
        279: insn(distance, ((15, 2, 5),), 16, 4),  # TSTBR14
        280: insn(distance, ((20, 2, 5),), 21, 4),  # CONDBR19
        282: insn(distance, ((27, 2, 0),), 28, 4),  # JUMP26
        283: insn(distance, ((27, 2, 0),), 28, 4),  # CALL26
        311: insn(got_page_distance, ADRP, 33),  # ADR_GOT_PAGE
        312: insn(got, ((11, 3, 10),)),  # LD64_GOT_LO12_NC
    }
)
