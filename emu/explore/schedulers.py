"""Who runs next: the ways to pick it that do not depend on other executions.

`drive` is the only loop that steps through executions; a search is a scheduler too (`emu.explore.search`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from emu.errors import ScheduleError
from emu.explore.execution import Execution, World
from emu.explore.schedule import Schedule
from emu.explore.task import Task


class Scheduler(Protocol):
    def next_task(self, run: Execution) -> Task | None:
        """Who runs next, one of `run.enabled`, which is not empty; None to leave the execution as it is."""
        ...

    def ended(self, run: Execution) -> None:
        """Called once when nobody can run any more."""
        ...


Observer = Callable[[Task], None]


def drive(world: World, scheduler: Scheduler, observe: Observer | None = None) -> Execution:
    """One execution, to its end or to where the scheduler leaves it. `observe` is called before every step."""
    with Execution(world) as run:
        while run.ending is None:
            task = scheduler.next_task(run)
            if task is None:
                return run
            if observe is not None:
                observe(task)
            run.step(task)
    scheduler.ended(run)
    return run


def execute(world: World, scheduler: Scheduler, observe: Observer | None = None) -> tuple[Schedule, frozenset[str]]:
    """The schedule that was taken and the outcomes."""
    run = drive(world, scheduler, observe)
    return run.schedule, run.outcomes


class RoundRobin:
    """Whoever runs goes on as long as it can, then the next in the world's order."""

    def next_task(self, run: Execution) -> Task | None:
        return run.current if run.current in run.enabled else run.enabled[0]

    def ended(self, run: Execution) -> None:
        pass


class RandomScheduler(RoundRobin):
    """Every enabled task is as likely as any other; the same seed gives the same execution."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def next_task(self, run: Execution) -> Task | None:
        return run.enabled[self._random.randrange(len(run.enabled))]


class Replay:
    """Strictly the given schedule: ScheduleError says at which step it does not fit, and how."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def next_task(self, run: Execution) -> Task:
        position, can_run = len(run.taken), " or ".join(task.name for task in run.enabled)
        if position == len(self._schedule):
            ends = f"the schedule ends after step {position}"
            raise ScheduleError(f"{ends}, but {can_run} can still run; expected more steps")
        task = run.tasks.get(self._schedule[position])
        if task is None or task not in run.enabled:
            raise ScheduleError(
                f"schedule step {position + 1}: {self._schedule[position]} cannot run there; expected {can_run}"
            )
        return task

    def ended(self, run: Execution) -> None:
        position = len(run.taken)
        left = len(self._schedule) - position
        if left:
            raise ScheduleError(
                f"schedule step {position + 1}: the execution is over; expected the schedule to end"
                f" here, but it has {left} more"
            )
