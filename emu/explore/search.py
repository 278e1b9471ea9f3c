"""The exhaustive search: depth first over who runs next, each execution run again from its start.

A search is a function of how the world is made, the bound and the prefix, so that it can be split by prefix.
The preemption bound (Musuvathi and Qadeer, PLDI 2007) counts switches away from a task that could have gone on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from emu.errors import UsageError
from emu.explore.depth_first import DepthFirst
from emu.explore.execution import MakeWorld
from emu.explore.schedule import Schedule, switches
from emu.explore.schedulers import drive
from emu.explore.shorten import shorten


class Frequency(StrEnum):
    """In how many of the executions an outcome is seen."""

    NEVER = "never"
    SOMETIMES = "sometimes"
    ALWAYS = "always"


@dataclass
class Seen:
    """An outcome: in how many executions, and a shortest schedule that ends in it."""

    count: int = 0
    witness: Schedule | None = None

    def add(self, schedule: Schedule) -> None:
        self.count += 1
        if self.witness is None or _length(schedule) < _length(self.witness):
            self.witness = schedule


def _length(schedule: Schedule) -> tuple[int, int, Schedule]:
    return len(schedule), switches(schedule), schedule


@dataclass
class Report:
    """What a search saw. `complete` means every interleaving (within `bound`, if that is not None)."""

    bound: int | None = None
    executions: int = 0
    complete: bool = False
    interrupted: bool = False
    limit: int | None = None
    outcomes: dict[str, Seen] = field(default_factory=dict)

    def frequency(self, outcome: str) -> Frequency:
        count = self.outcomes[outcome].count if outcome in self.outcomes else 0
        if count == 0:
            return Frequency.NEVER
        return Frequency.ALWAYS if count == self.executions else Frequency.SOMETIMES

    def witness(self, outcome: str) -> Schedule | None:
        return self.outcomes[outcome].witness if outcome in self.outcomes else None

    def add(self, schedule: Schedule, outcomes: frozenset[str]) -> None:
        self.executions += 1
        for outcome in outcomes:
            self.outcomes.setdefault(outcome, Seen()).add(schedule)


Progress = Callable[[Report, float], None]


def explore(
    make_world: MakeWorld,
    *,
    bound: int | None = None,
    limit: int | None = None,
    prefix: Schedule = (),
    progress: Progress | None = None,
    reduce: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Every execution that begins with `prefix`, at most `limit` of them; an interrupt (^C) returns what there is.

    `progress(report, fraction)` is called a few times a second by `clock`; the fraction of the tree that is done is an
    estimate that takes all branches of a choice to be of equal size. With `reduce`, a step that commutes with
    everything is taken at once and its order against the others is not varied: fewer executions, the same outcomes.
    """
    if bound is not None and bound < 0:
        raise UsageError(f"bound {bound}: expected 0 or more preemptions")
    report = Report(bound=bound, limit=limit)
    search = DepthFirst(bound, prefix, reduce=reduce)
    told = clock()
    try:
        while limit is None or report.executions < limit:
            run = drive(make_world(), search)
            report.add(run.schedule, run.outcomes)
            if report.executions == 1:
                search.repeat()
                drive(make_world(), search)
            if not search.backtrack():
                report.complete = True
                break
            if progress is not None and clock() - told > 0.2:
                told = clock()
                progress(report, search.fraction())
        if reduce:
            _shorten_witnesses(report, make_world)
    except KeyboardInterrupt:
        report.interrupted = True
    return report


def _shorten_witnesses(report: Report, make_world: MakeWorld) -> None:
    for outcome, seen in report.outcomes.items():
        if seen.witness is not None:
            shorter, outcomes = shorten(make_world, seen.witness)
            if outcome in outcomes and _length(shorter) < _length(seen.witness):
                seen.witness = shorter
