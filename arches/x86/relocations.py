"""x86-64's relocations (System V ABI, AMD64 supplement, section 4.4.1), those of modules and objects."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from emu.elf.fixups import data, direct, distance, nothing
from emu.elf.linking import Fix, Fixup


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

RET, JMP_RAX, JMP_R8 = b"\xc3", b"\xff\xe0", b"\x41\xff\xe0"
NUMBERED = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")


def _jump(number: int) -> bytes:
    """`jmp *%reg`."""
    code = JMP_RAX if number < 8 else JMP_R8
    return code[:-1] + bytes([code[-1] + number % 8])


STAND_INS: Mapping[str, bytes] = MappingProxyType(
    {
        "__fentry__": RET,  # the kernel makes nops of its calls
        "__x86_return_thunk": RET,  # and a ret of jumps to this one
        **{f"__x86_indirect_thunk_r{name}": _jump(number) for number, name in enumerate(NUMBERED)},
        **{f"__x86_indirect_thunk_r{number}": _jump(number) for number in range(8, 16)},
    }
)
