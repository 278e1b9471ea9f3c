"""A data access that an instruction makes, known before it is executed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emu.bits import mask, sext


@dataclass(frozen=True)
class MemoryOperand:
    """[base + index * scale + disp], `size` bytes; register names as in the architecture's RegisterFile.

    Of the index only the lowest `index_bits` count (all of them if 0), with a sign if `index_signed`.
    """

    base: str | None
    disp: int
    size: int
    reads: bool
    writes: bool
    index: str | None = None
    scale: int = 1
    index_bits: int = 0
    index_signed: bool = False

    def address(self, register: Callable[[str], int], bits: int) -> int:
        """The address, with `register` giving values; `bits` is the width of an address."""
        value = self.disp
        if self.base is not None:
            value += register(self.base)
        if self.index is not None:
            value += self._extend(register(self.index)) * self.scale
        return value & mask(bits)

    def _extend(self, index: int) -> int:
        if not self.index_bits:
            return index
        return sext(index, self.index_bits) if self.index_signed else index & mask(self.index_bits)
