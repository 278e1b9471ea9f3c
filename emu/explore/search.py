"""The exhaustive search. Over the graph of states, where a world can tell its state; else execution by execution.

A search is a function of how the world is made, the bound and the prefix, so that it can be split by prefix.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from emu.errors import UsageError
from emu.explore.analysis import Analysis
from emu.explore.canonical import NotUnderstood
from emu.explore.depth_first import DepthFirst
from emu.explore.execution import Ending, Execution, MakeWorld
from emu.explore.graph import Graph
from emu.explore.report import Progress, Report
from emu.explore.schedule import Schedule
from emu.explore.schedulers import Replay, drive, repeat

STATES = 100_000


class TooLarge(Exception):
    """The graph has more states, or takes more executions, than it may."""


def explore(
    make_world: MakeWorld,
    *,
    bound: int | None = None,
    limit: int | None = None,
    prefix: Schedule = (),
    progress: Progress | None = None,
    states: int = STATES,
    checked: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Every interleaving that begins with `prefix`; an interrupt (^C) returns what there is.

    At most `limit` executions are run. What has more than `states` states, or holds something whose state cannot be
    told, is searched execution by execution; with `checked`, the latter is an error. `progress` is called by `clock`.
    """
    if bound is not None and bound < 0:
        raise UsageError(f"bound {bound}: expected 0 or more preemptions")
    told = _Told(progress, clock, clock())
    report = Report(bound=bound, limit=limit)
    try:
        try:
            if not states:
                raise TooLarge("not asked for")
            _over_states(make_world, report, prefix, states, told)
        except (NotUnderstood, TooLarge) as why:
            if checked and isinstance(why, NotUnderstood):
                raise
            report = Report(bound=bound, limit=limit, why=str(why))
            _one_by_one(make_world, report, prefix, told)
    except KeyboardInterrupt:
        report.interrupted, report.complete = True, False
    return report


@dataclass
class _Told:
    """Tells of the progress, a few times a second."""

    progress: Progress | None
    clock: Callable[[], float]
    last: float

    def __call__(self, report: Report, fraction: float) -> None:
        if self.progress is not None and self.clock() - self.last > 0.2:
            self.last = self.clock()
            self.progress(report, fraction)


def _over_states(make_world: MakeWorld, report: Report, prefix: Schedule, states: int, told: _Told) -> None:
    """Until that is done the report has the executions that came to an end."""
    graph, runs = Graph(report.bound, prefix), 0
    while graph.more():
        if report.limit is not None and runs == report.limit:
            raise TooLarge(f"not done in {runs} executions")
        run = drive(make_world(), graph)
        runs += 1
        report.states = len(graph.states)
        if report.states > states:
            raise TooLarge(f"more than {states} states")
        if run.ending is not None:
            report.add(run.schedule, run.outcomes)
        if runs == 1:
            repeat(make_world(), run)
        told(report, 0.0)
    Analysis(graph, lambda schedule: _livelock(make_world, schedule)).report(report)
    report.complete = True


def _livelock(make_world: MakeWorld, schedule: Schedule) -> frozenset[str]:
    """The outcomes of an execution that goes round for ever from where a schedule leads to."""
    replay = Replay(schedule)
    with Execution(make_world()) as run:
        while len(run.taken) < len(schedule):
            run.step(replay.strictly(run))
        run.end(Ending.LIVELOCK)
    return run.outcomes


def _one_by_one(make_world: MakeWorld, report: Report, prefix: Schedule, told: _Told) -> None:
    search = DepthFirst(report.bound, prefix)
    while report.limit is None or report.executions < report.limit:
        run = drive(make_world(), search)
        report.add(run.schedule, run.outcomes)
        if report.executions == 1:
            repeat(make_world(), run)
        if not search.backtrack():
            report.complete = True
            return
        told(report, search.fraction())
