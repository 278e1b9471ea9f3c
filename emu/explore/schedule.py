"""A schedule is who ran, step by step; as text `cpu0*2 cpu1*2 cpu0` it can be pasted and replayed."""

from __future__ import annotations

import re
from itertools import groupby, pairwise

from emu.errors import ScheduleError

Schedule = tuple[str, ...]
LONGEST = 1_000_000

_ITEM = re.compile(r"([A-Za-z_][\w.-]*)(?:\*0*(\d{1,1000}))?")


def parse_schedule(text: str) -> Schedule:
    """The names of who runs, step by step; ScheduleError names the item that does not parse.

    >>> from trapline import parse_schedule
    >>> parse_schedule("cpu0*2 cpu1")
    ('cpu0', 'cpu0', 'cpu1')
    """
    names: list[str] = []
    for position, item in enumerate(text.split(), start=1):
        match = _ITEM.fullmatch(item)
        if match is None or match[2] == "0":
            raise ScheduleError(f"schedule item {position} {item!r}: expected NAME or NAME*COUNT, such as cpu0*2")
        count = int(match[2] or 1)
        if len(names) + count > LONGEST:
            raise ScheduleError(f"schedule item {position} {item!r}: expected at most {LONGEST} steps in all")
        names += [match[1]] * count
    return tuple(names)


def format_schedule(schedule: Schedule) -> str:
    """The shortest text that `parse_schedule` reads back.

    >>> from trapline import format_schedule
    >>> format_schedule(("cpu0", "cpu0", "cpu1"))
    'cpu0*2 cpu1'
    """
    runs = ((name, sum(1 for _ in run)) for name, run in groupby(schedule))
    return " ".join(name if count == 1 else f"{name}*{count}" for name, count in runs)


def switches(schedule: Schedule) -> int:
    """How often the schedule changes from one task to another."""
    return sum(before != after for before, after in pairwise(schedule))
