"""Instructions whose result the engine takes from the host: its clock, its random numbers. It is another one each time.

What a counter gives is replaced: time passes when somebody looks, so that every run of one schedule sees the same. Of a
random number there is nothing to put in its place, and the CPU does not execute the instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from emu.machine.text_view import TextView

COUNTER = "counter"
"""A soft register: how often counters were read."""


@dataclass(frozen=True)
class HostValue:
    """An instruction, and what it leaves in registers, from the counter and the CPU's number; None where that is left
    to the host."""

    name: str
    registers: Callable[[int, int], dict[str, int]] | None = None


@dataclass(frozen=True)
class HostValueSpec:
    """`find(text)` gives the offsets at which such instructions begin; none is longer than `longest`."""

    find: Callable[[bytes], Iterable[tuple[int, HostValue]]]
    longest: int


def refresh(found: dict[int, HostValue], spec: HostValueSpec, view: TextView, offset: int, size: int) -> None:
    """Have the addresses right again after [offset, offset+size) of a view has changed."""
    first, end, base = max(0, offset - spec.longest), offset + size, view.region.base
    for addr in [addr for addr in found if base + first <= addr < base + end]:
        del found[addr]
    text = bytes(view.bytes[first : end + spec.longest])
    found.update((base + first + at, value) for at, value in spec.find(text))
