"""RISC-V's relocations (RISC-V ELF psABI, section 8.4), those of modules and objects; nothing is relaxed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from emu.elf.fixups import Value, add, data, direct, distance, insert, insn, nothing
from emu.elf.linking import Fix, Fixup

GOT_HI20, PCREL_HI20 = 20, 23
BRANCH = ((12, 12, 31), (10, 5, 25), (4, 1, 8), (11, 11, 7))
JUMP = ((20, 20, 31), (10, 1, 21), (11, 11, 20), (19, 12, 12))
C_BRANCH = ((8, 8, 12), (4, 3, 10), (7, 6, 5), (2, 1, 3), (5, 5, 2))
C_JUMP = ((11, 11, 12), (4, 4, 11), (9, 8, 9), (10, 10, 8), (6, 6, 7), (7, 7, 6), (3, 1, 3), (5, 5, 2))
UPPER = ((31, 12, 12),)
I_TYPE = ((11, 0, 20),)
S_TYPE = ((11, 5, 25), (4, 0, 7))
ROUND = 0x800  # the lower part is signed


def rounded(value: Value) -> Value:
    return lambda fixup: value(fixup) + ROUND


def got_distance(fixup: Fixup) -> int:
    """G + GOT + A - P."""
    return fixup.got(fixup.S) + fixup.A - fixup.P


def low_of_pair(fixup: Fixup) -> int:
    """The distance that the HI20 at the symbol has the upper part of: this one's symbol is that instruction."""
    for other in fixup.module.fixups_at(fixup.S):
        if other.relocation.type == PCREL_HI20:
            return distance(other)
        if other.relocation.type == GOT_HI20:
            return got_distance(other)
    raise fixup.error(f"expected a PCREL_HI20 or GOT_HI20 at {fixup.S:#x}")


def call(fixup: Fixup) -> None:
    """auipc and jalr."""
    value = fixup.in_range(distance(fixup), 32)
    fixup.store(insert(fixup.load(4), value + ROUND, UPPER), 4)
    fixup.store(insert(fixup.load(4, 4), value, I_TYPE), 4, 4)


def set6(sign: int) -> Fix:
    """SUB6 (or SET6, sign 0): six bits of a byte."""

    def fix(fixup: Fixup) -> None:
        byte = fixup.load(1)
        value = byte + sign * direct(fixup) if sign else direct(fixup)
        fixup.store(byte & 0xC0 | value & 0x3F, 1)

    return fix


RELOCATIONS: Mapping[int, Fix] = MappingProxyType(
    {
        0: nothing,
        1: data(direct, 4),  # 32, 64
        2: data(direct, 8),
        16: insn(distance, BRANCH, 13, 2),
        17: insn(distance, JUMP, 21, 2),
        18: call,  # CALL, CALL_PLT
        19: call,
        GOT_HI20: insn(rounded(got_distance), UPPER, 32),
        PCREL_HI20: insn(rounded(distance), UPPER, 32),
        24: insn(low_of_pair, I_TYPE),  # PCREL_LO12_I, PCREL_LO12_S
        25: insn(low_of_pair, S_TYPE),
        26: insn(rounded(direct), UPPER, 33),  # HI20
        27: insn(direct, I_TYPE),  # LO12_I, LO12_S
        28: insn(direct, S_TYPE),
        **{33 + n: add(1, 1 << n) for n in range(4)},  # ADD8..ADD64
        **{37 + n: add(-1, 1 << n) for n in range(4)},  # SUB8..SUB64
        43: nothing,  # ALIGN: the nops stay
        44: insn(distance, C_BRANCH, 9, 2, size=2),
        45: insn(distance, C_JUMP, 12, 2, size=2),
        51: nothing,  # RELAX
        52: set6(-1),
        53: set6(0),
        54: data(direct, 1),  # SET8, SET16, SET32
        55: data(direct, 2),
        56: data(direct, 4),
        57: data(distance, 4, 32),  # 32_PCREL, PLT32
        59: data(distance, 4, 32),
    }
)
