"""What the relocations of all architectures are made of: a value out of the ABI's letters, and where its bits go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from emu.bits import mask
from emu.elf.linking import Fix, Fixup

Value = Callable[[Fixup], int]
Layout = Sequence[tuple[int, int, int]]
"""Bits hi..lo of the value go to the instruction from bit `at` up: (hi, lo, at)."""


def direct(fixup: Fixup) -> int:
    """S + A."""
    return fixup.S + fixup.A


def distance(fixup: Fixup) -> int:
    """S + A - P."""
    return fixup.S + fixup.A - fixup.P


def nothing(fixup: Fixup) -> None:
    """For hints to linkers."""


def data(value: Value, size: int, bits: int | None = None) -> Fix:
    """The value as data of `size` bytes; with `bits` it has to fit as a signed number."""

    def fix(fixup: Fixup) -> None:
        found = value(fixup)
        fixup.store(found if bits is None else fixup.in_range(found, bits), size)

    return fix


def add(sign: int, size: int) -> Fix:
    """What is there plus or minus S + A."""
    return lambda fixup: fixup.store(fixup.load(size) + sign * direct(fixup), size)


def insn(value: Value, layout: Layout, bits: int | None = None, align: int = 1, size: int = 4) -> Fix:
    """Bits of the value into an instruction; with `bits` it has to be a signed number of that size."""

    def fix(fixup: Fixup) -> None:
        found = value(fixup)
        if bits is not None:
            fixup.in_range(found, bits, align)
        fixup.store(insert(fixup.load(size), found, layout), size)

    return fix


def insert(word: int, value: int, layout: Layout) -> int:
    for hi, lo, at in layout:
        field = mask(hi - lo + 1)
        word = word & ~(field << at) | (value >> lo & field) << at
    return word
