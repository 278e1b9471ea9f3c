"""Making a case smaller while it still shows the same difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from emu.transparent.case import Case

Shows = Callable[[Case], bool]
Key = TypeVar("Key")
Value = TypeVar("Value")
WORD = 8  # bytes of memory that are kept or dropped together


def shrink(case: Case, shows: Shows, first_site: int, status: str) -> Case:
    """A case with as few registers and bytes that are not zero as greedy removal finds, and simple values in them."""
    for changes in ({"then": b""}, {"following": bytes(len(case.following))}, {"at": first_site}):
        simpler = replace(case, **changes)
        if shows(simpler):
            case = simpler
    case = _words_of_memory(case)
    case = replace(case, regs=_fewest(case.regs, lambda regs: shows(replace(case, regs=regs))))
    case = replace(case, mem=_fewest(case.mem, lambda mem: shows(replace(case, mem=mem))))
    return _simplest_values(case, shows, status)


def _words_of_memory(case: Case) -> Case:
    words = {
        addr + at: data[at : at + WORD]
        for addr, data in case.mem.items()
        for at in range(0, len(data), WORD)
        if any(data[at : at + WORD])
    }
    return replace(case, mem=words)


def _fewest(given: Mapping[Key, Value], shows: Callable[[Mapping[Key, Value]], bool]) -> dict[Key, Value]:
    """The entries that cannot be left out: chunks are dropped, large ones first (Zeller's ddmin, no complements)."""
    kept = dict(given)
    size = len(kept)
    while size:
        keys = list(kept)
        for start in range(0, len(keys), size):
            chunk = set(keys[start : start + size])
            smaller = {key: value for key, value in kept.items() if key not in chunk}
            if len(smaller) < len(kept) and shows(smaller):
                kept = smaller
        size //= 2
    return kept


def _simplest_values(case: Case, shows: Shows, status: str) -> Case:
    """The status word stays: most of its bits are not a number's."""
    for name, value in case.regs.items():
        if name == status:
            continue
        for simpler in _simpler_values(value):
            smaller = replace(case, regs={**case.regs, name: simpler})
            if shows(smaller):
                case = smaller
                break
    return case


def _simpler_values(value: int) -> Iterator[int]:
    """Values to be tried in place of one, the simplest first: small ones, and it with its lowest bits cleared."""
    yield from (simple for simple in (1, 2, 4, 8, 0x10) if simple < value)
    for bits in range(value.bit_length() - 1, 0, -1):
        cleared = value >> bits << bits
        if cleared != value:
            yield cleared
