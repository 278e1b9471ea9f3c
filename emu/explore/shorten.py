"""Witnesses of a reduced search, without the steps that it took earlier than needed.

The reduced search takes a step that commutes with everything as soon as it can. Where an execution ends early, because
the machine dies, most of those steps need not have been taken: here each is put off until something waits for it.
"""

from __future__ import annotations

from emu.explore.execution import Execution, MakeWorld
from emu.explore.schedule import Schedule
from emu.explore.schedulers import Replay, RoundRobin, drive
from emu.explore.task import Task


class Late(RoundRobin):
    """The choices in their order, and other steps only as far as those need them.

    Putting a step off can keep a choice from ever being enabled; then the execution is left.
    """

    def __init__(self, choices: list[str]) -> None:
        self._left = choices[::-1]

    def next_task(self, run: Execution) -> Task | None:
        if not self._left:
            return run.enabled[0]
        task = run.tasks[self._left[-1]]
        if task.enabled():
            if not task.commutes():
                self._left.pop()
            return task
        return next((other for other in run.enabled if other.commutes()), None)


def shorten(make_world: MakeWorld, schedule: Schedule) -> tuple[Schedule, frozenset[str]]:
    """The same choices with commuting steps as late as possible, and the outcomes; none if that does not go on."""
    late = Late(_choices(make_world, schedule))  # before the world is made: a machine may serve one at a time
    run = drive(make_world(), late)
    return run.schedule, run.outcomes


def _choices(make_world: MakeWorld, schedule: Schedule) -> list[str]:
    """The schedule's steps whose order matters."""
    choices: list[str] = []

    def observe(task: Task) -> None:
        if not task.commutes():
            choices.append(task.name)

    drive(make_world(), Replay(schedule), observe)
    return choices
