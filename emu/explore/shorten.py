"""Witnesses of a reduced search, without the steps that it took earlier than needed.

The reduced search takes a step that commutes with everything as soon as it can. Where an execution ends early, because
the machine dies, most of those steps need not have been taken: here each is put off until something waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from emu.explore.execution import MakeWorld, how_it_ended
from emu.explore.ops import ExecutionEnds
from emu.explore.schedule import Schedule
from emu.explore.task import Task


def shorten(make_world: MakeWorld, schedule: Schedule) -> tuple[Schedule, frozenset[str]]:
    """The same choices with commuting steps as late as possible, and the outcomes of that."""
    choices = _choices(make_world, schedule)
    world = make_world()
    taken: list[str] = []
    ending = "died"
    try:
        for name in choices:
            _reach(world.tasks, name, taken)
        _finish(world.tasks, taken)
        ending = how_it_ended(world.tasks)
    except ExecutionEnds:
        pass
    finally:
        for task in world.tasks:
            task.close()
    return tuple(taken), world.finish(ending)


def _choices(make_world: MakeWorld, schedule: Schedule) -> list[str]:
    """The schedule's steps whose order matters."""
    world = make_world()
    by_name = {task.name: task for task in world.tasks}
    choices: list[str] = []
    try:
        for name in schedule:
            if not by_name[name].commutes():
                choices.append(name)
            by_name[name].step()
    except ExecutionEnds:
        pass
    finally:
        for task in world.tasks:
            task.close()
        world.finish("died")
    return choices


def _reach(tasks: Sequence[Task], name: str, taken: list[str]) -> None:
    """Take the task's next step that matters, and before it only what it needs."""
    task = next(task for task in tasks if task.name == name)
    while task.commutes() or not task.enabled():
        _step(task if task.enabled() else next(t for t in tasks if t.commutes()), taken)
    _step(task, taken)


def _finish(tasks: Sequence[Task], taken: list[str]) -> None:
    while enabled := [task for task in tasks if task.enabled()]:
        _step(enabled[0], taken)


def _step(task: Task, taken: list[str]) -> None:
    taken.append(task.name)
    task.step()
