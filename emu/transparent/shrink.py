"""Making a case smaller while it still shows the same difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import TypeVar

from emu.transparent.case import Case

Shows = Callable[[Case], bool]
Key = TypeVar("Key")
Value = TypeVar("Value")
EXHAUSTIVE = 2  # registers: every pair is tried before more
WORD = 8  # bytes of memory that are kept or dropped together


def shrink(case: Case, shows: Shows, first_site: int, status: str) -> Case:
    """A case with as few registers that are not zero as there can be, little memory, and simple values.

    Fewest of all up to EXHAUSTIVE registers; with more, none of them can be left out.
    """
    for changes in ({"then": b""}, {"following": bytes(len(case.following))}, {"at": first_site}):
        simpler = replace(case, **changes)
        if shows(simpler):
            case = simpler
    case = _least(_words_of_memory(case), shows)
    while True:
        simpler = _least(_simplest_values(case, shows, status), shows)
        if _size(simpler) == _size(case):
            return simpler
        case = simpler


def _least(case: Case, shows: Shows) -> Case:
    """Without the registers and the memory that do not matter; again, for less of one may need less of the other."""
    while True:
        less = replace(case, regs=_fewest_registers(case.regs, partial(_shows_registers, case, shows)))
        less = replace(less, mem=_fewest(less.mem, partial(_shows_memory, less, shows)))
        if _size(less) == _size(case):
            return less
        case = less


def _shows_registers(case: Case, shows: Shows, regs: Mapping[str, int]) -> bool:
    return shows(replace(case, regs=regs))


def _shows_memory(case: Case, shows: Shows, mem: Mapping[int, bytes]) -> bool:
    return shows(replace(case, mem=mem))


def _size(case: Case) -> tuple[int, int]:
    return len(case.regs), len(case.mem)


def _words_of_memory(case: Case) -> Case:
    words = {
        addr + at: data[at : at + WORD]
        for addr, data in case.mem.items()
        for at in range(0, len(data), WORD)
        if any(data[at : at + WORD])
    }
    return replace(case, mem=words)


def _fewest_registers(given: Mapping[Key, Value], shows: Callable[[Mapping[Key, Value]], bool]) -> dict[Key, Value]:
    """A smallest set; if that has more than EXHAUSTIVE, one of which nothing can be left out."""
    for count in range(min(EXHAUSTIVE, len(given)) + 1):
        for names in combinations(given, count):
            fewer = {name: given[name] for name in names}
            if shows(fewer):
                return fewer
    return _fewest(given, shows)


def _fewest(given: Mapping[Key, Value], shows: Callable[[Mapping[Key, Value]], bool]) -> dict[Key, Value]:
    """What cannot be left out, one by one: chunks are dropped, large ones first (Zeller's ddmin, no complements)."""
    kept = dict(given)
    size = len(kept)
    while size:
        fewer = _without_chunks(kept, size, shows)
        if size > 1 or len(fewer) == len(kept):  # what could not go may go now that another one has
            size //= 2
        kept = fewer
    return kept


def _without_chunks(
    kept: dict[Key, Value], size: int, shows: Callable[[Mapping[Key, Value]], bool]
) -> dict[Key, Value]:
    keys = list(kept)
    for start in range(0, len(keys), size):
        chunk = set(keys[start : start + size])
        smaller = {key: value for key, value in kept.items() if key not in chunk}
        if shows(smaller):
            kept = smaller
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
