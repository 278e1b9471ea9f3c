"""Who runs next: the ways to pick it that do not depend on other executions.

`drive` is the only loop that steps through executions; a search is a scheduler too (`emu.explore.search`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from typing import Protocol

from emu.errors import HandlerError, ScheduleError
from emu.explore.canonical import NotUnderstood
from emu.explore.execution import Ending, Execution, World
from emu.explore.schedule import Schedule
from emu.explore.task import Announced, Task, announcement


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
                break
            if observe is not None:
                observe(task)
            run.step(task)
    if run.ending is not None:
        scheduler.ended(run)
    return run


def execute(world: World, scheduler: Scheduler, observe: Observer | None = None) -> tuple[Schedule, frozenset[str]]:
    """The schedule that was taken and the outcomes."""
    run = drive(world, scheduler, observe)
    return run.schedule, run.outcomes


KEEPS_STATE = (
    "in an execution that began in the same way; expected all executions to do the same: a scenario may not keep state"
    " from one to the next"
)


def the_same(run: Execution, name: str, before: Announced) -> Task:
    """The task that took the next step in an execution that began in the same way; HandlerError if it is not there."""
    task, position = run.tasks.get(name), len(run.taken)
    if run.ending is not None:
        raise differs(position, name, "its end", before)
    if task is None or task not in run.enabled:
        raise differs(position, name, "a point where it cannot run", before)
    if task.announced() != before:
        raise differs(position, name, task.announcement(), before)
    return task


def differs(position: int, name: str, now: str, before: Announced | str) -> HandlerError:
    then = before if isinstance(before, str) else announcement(before)
    return HandlerError(f"step {position + 1}: {name} is at {now}, and was at {then} {KEEPS_STATE}")


def repeat(world: World, before: Execution) -> None:
    """Run an execution again; HandlerError if it is not the same."""
    with Execution(world) as run:
        for name, said in zip(before.taken, before.said, strict=True):
            run.step(the_same(run, name, said))
        if before.ending is not None and run.ending is None:
            raise differs(len(run.taken), run.enabled[0].name, run.enabled[0].announcement(), "its end")


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
    """Strictly the given schedule: ScheduleError says at which step it does not fit, and how.

    A schedule that ends where it was before has gone round once, and goes round for ever: a livelock.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._states: list[Hashable] = []

    def next_task(self, run: Execution) -> Task | None:
        if self._goes_round(run):
            run.end(Ending.LIVELOCK)
            return None
        return self.strictly(run)

    def strictly(self, run: Execution) -> Task:
        """Whose step it is."""
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

    def _goes_round(self, run: Execution) -> bool:
        """Whether the schedule is at its end, and the world in a state that it was in before."""
        try:
            self._states.append(run.world.state())
        except NotUnderstood:
            return False
        return len(run.taken) == len(self._schedule) and self._states[-1] in self._states[:-1]

    def ended(self, run: Execution) -> None:
        position = len(run.taken)
        left = len(self._schedule) - position
        if left:
            raise ScheduleError(
                f"schedule step {position + 1}: the execution is over; expected the schedule to end"
                f" here, but it has {left} more"
            )
