"""MIPS's relocations (System V ABI, MIPS supplement, chapter 4): o32, whose addends are in place."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from emu.bits import mask, sext
from emu.elf.fixups import nothing
from emu.elf.linking import Fix, Fixup

HI16, LO16 = 5, 6
LOW = mask(16)


def word32(fixup: Fixup) -> None:
    fixup.store(fixup.load(4) + fixup.S, 4)


def jump26(fixup: Fixup) -> None:
    """The target has the upper four bits of the delay slot's address."""
    word = fixup.load(4)
    target = ((word & mask(26)) << 2) + fixup.S
    if target >> 28 != (fixup.P + 4) >> 28 or target % 4:
        raise fixup.error(f"target {target:#x}: expected a multiple of 4 in the same 256 MiB")
    fixup.store(word & ~mask(26) | target >> 2 & mask(26), 4)


def high16(fixup: Fixup) -> None:
    """The upper half of an address whose lower half is in the LO16 that follows; adjusted, since that one is signed."""
    word = fixup.load(4)
    value = ((word & LOW) << 16) + sext(_low_half(fixup), 16) + fixup.S
    fixup.store(word & ~LOW | (value + 0x8000 >> 16) & LOW, 4)


def _low_half(fixup: Fixup) -> int:
    for other in fixup.others[fixup.index + 1 :]:
        if other.type == LO16 and other.symbol == fixup.relocation.symbol:
            return fixup.load(4, other.offset - fixup.relocation.offset) & LOW
    raise fixup.error("expected a LO16 of the same symbol behind this HI16")


def low16(fixup: Fixup) -> None:
    word = fixup.load(4)
    fixup.store(word & ~LOW | (word + fixup.S) & LOW, 4)


def branch16(fixup: Fixup) -> None:
    word = fixup.load(4)
    value = fixup.in_range((sext(word & LOW, 16) << 2) + fixup.S - fixup.P, 18, 4)
    fixup.store(word & ~LOW | value >> 2 & LOW, 4)


RELOCATIONS: Mapping[int, Fix] = MappingProxyType(
    {0: nothing, 2: word32, 4: jump26, HI16: high16, LO16: low16, 10: branch16}
)

# _mcount of a kernel that traces nothing: it gives back the stack and the return address that its caller has in $at.
# move $v1, $ra; move $ra, $at; jr $v1; addiu $sp, $sp, 8
MCOUNT = (0x03E01825, 0x0020F825, 0x00600008, 0x27BD0008)
STAND_INS: Mapping[str, bytes] = MappingProxyType({"_mcount": b"".join(w.to_bytes(4, "little") for w in MCOUNT)})
