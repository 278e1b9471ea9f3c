"""A data access that an instruction makes, known before it is executed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emu.bits import mask


@dataclass(frozen=True)
class MemoryOperand:
    """[base + index * scale + disp], `size` bytes; register names as in the architecture's RegisterFile."""

    base: str | None
    disp: int
    size: int
    reads: bool
    writes: bool
    index: str | None = None
    scale: int = 1

    def address(self, register: Callable[[str], int], bits: int) -> int:
        """The address, with `register` giving values; `bits` is the width of an address."""
        value = self.disp
        if self.base is not None:
            value += register(self.base)
        if self.index is not None:
            value += register(self.index) * self.scale
        return value & mask(bits)
