"""One execution: a world is set up, a scheduler picks who runs, until nobody can."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NoReturn, Protocol

from emu.errors import HandlerError, ScheduleError
from emu.explore.ops import Access, ExecutionEnds
from emu.explore.schedule import LONGEST, Schedule
from emu.explore.task import Task


class World(Protocol):
    """What an execution happens in. `finish` is told how it ended and gives the outcomes."""

    tasks: Sequence[Task]

    def finish(self, ending: str) -> frozenset[str]:
        """`ending` is done, died, deadlock or livelock."""
        ...


MakeWorld = Callable[[], World]


class Scheduler(Protocol):
    def choose(self, enabled: Sequence[Task], current: Task | None) -> Task:
        """Who runs next; `enabled` is never empty and in the world's order."""
        ...

    def ended(self) -> None:
        """Called when nobody can run any more."""
        ...


class RoundRobin:
    """Whoever runs goes on as long as it can, then the next in the world's order."""

    def choose(self, enabled: Sequence[Task], current: Task | None) -> Task:
        return current if current is not None and current in enabled else enabled[0]

    def ended(self) -> None:
        pass


class RandomScheduler(RoundRobin):
    """Every enabled task is as likely as any other; the same seed gives the same execution."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choose(self, enabled: Sequence[Task], current: Task | None) -> Task:
        return enabled[self._random.randrange(len(enabled))]


class Replay:
    """Strictly the given schedule: ScheduleError says at which step it does not fit, and how."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._position = 0

    def choose(self, enabled: Sequence[Task], current: Task | None) -> Task:
        can_run = " or ".join(task.name for task in enabled)
        if self._position == len(self._schedule):
            ends = f"the schedule ends after step {self._position}"
            raise ScheduleError(f"{ends}, but {can_run} can still run; expected more steps")
        name = self._schedule[self._position]
        self._position += 1
        for task in enabled:
            if task.name == name:
                return task
        raise ScheduleError(f"schedule step {self._position}: {name} cannot run there; expected {can_run}")

    def ended(self) -> None:
        left = len(self._schedule) - self._position
        if left:
            raise ScheduleError(
                f"schedule step {self._position + 1}: the execution is over; expected the schedule to end"
                f" here, but it has {left} more"
            )


Observer = Callable[[Task], None]


def execute(world: World, scheduler: Scheduler, observe: Observer | None = None) -> tuple[Schedule, frozenset[str]]:
    """Run to the end; the schedule that was taken and the outcomes. `observe` is called before every step."""
    taken: list[str] = []
    current: Task | None = None
    ending = "died"
    try:
        while enabled := [task for task in world.tasks if task.enabled()]:
            current = scheduler.choose(enabled, current)
            taken.append(current.name)
            if len(taken) > LONGEST:
                never_ends(current)
            if observe is not None:
                observe(current)
            current.step()
        ending = how_it_ended(world.tasks)
    except ExecutionEnds:
        pass
    finally:
        for task in world.tasks:
            task.close()
    scheduler.ended()
    return tuple(taken), world.finish(ending)


def never_ends(task: Task) -> NoReturn:
    """A task goes on after more steps than a schedule can have."""
    raise HandlerError(f"{task.name} at {task.op!r}: no end after {LONGEST} steps; expected an end or a wait")


def how_it_ended(tasks: Sequence[Task]) -> str:
    """Why nobody can run: all are done, or those left wait for one another, or spin."""
    stuck = [task.op.access for task in tasks if task.op is not None]
    if not stuck:
        return "done"
    return "livelock" if Access.RETRY in stuck else "deadlock"
