"""Registers that hold a value two by two while a status bit is clear (MIPS floating point: Status.FR).

With FR=0 there are 16 registers of 64 bits: the even number names one, and the odd number its upper half. With FR=1
there are 32. The engine keeps 32 slots of 64 bits in both modes and uses the lower halves of two of them with FR=0, so
that reading one slot shows half of a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from emu.bits import mask
from emu.errors import UsageError

HALF = 32  # bits


@dataclass(frozen=True)
class PairSpec:
    """`pairs` are names, lower half first. Bit `bit` of the soft register `soft`, if set, takes the pairs apart; the
    engine has the bit in its register `engine`."""

    pairs: tuple[tuple[str, str], ...]
    soft: str
    bit: int
    engine: str


class RegisterPairs:
    """The pairs of one CPU; `read` and `write` reach the engine's slots by name, `soft` has the status."""

    def __init__(
        self, spec: PairSpec, soft: Mapping[str, int], read: Callable[[str], int], write: Callable[[str, int], None]
    ) -> None:
        self._spec, self._soft, self._read, self._write = spec, soft, read, write
        self._upper = dict(spec.pairs)
        self._lower = {high: low for low, high in spec.pairs}

    def joined(self) -> bool:
        """Whether two slots are one register now."""
        return not self._soft[self._spec.soft] >> self._spec.bit & 1

    def __contains__(self, name: str) -> bool:
        return self.joined() and (name in self._upper or name in self._lower)

    def get(self, name: str) -> int:
        """The 64 bits of a lower half's register, or the 32 bits of an upper half."""
        low = self._read(name) & mask(HALF)
        return low | (self._read(self._upper[name]) & mask(HALF)) << HALF if name in self._upper else low

    def set(self, name: str, value: int) -> None:
        """UsageError for more than 32 bits in an upper half."""
        if name in self._upper:
            self._write(self._upper[name], value >> HALF)
        elif value >> HALF:
            raise UsageError(f"{name}={value:#x}: expected 32 bits, the upper half of {self._lower[name]} in this mode")
        self._write(name, value & mask(HALF))

    def shown(self, names: Sequence[str]) -> Callable[[tuple[int, ...]], tuple[int, ...]]:
        """What turns the slots' values, in the order of `names`, into the registers'; upper halves are 0 then, since
        they are seen in the register that they belong to."""
        places = {name: place for place, name in enumerate(names)}
        pairs = [(places[low], places[high]) for low, high in self._spec.pairs if low in places and high in places]

        def join(values: tuple[int, ...]) -> tuple[int, ...]:
            if not pairs or not self.joined():
                return values
            joined = list(values)
            for low, high in pairs:
                joined[low] = values[low] & mask(HALF) | (values[high] & mask(HALF)) << HALF
                joined[high] = 0
            return tuple(joined)

        return join
