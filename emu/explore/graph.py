"""The graph of states: every state of a world once, every step from it once, each by an execution from the start.

An execution is left as soon as it comes to a point that is known. Without a bound a point is a state. With a bound on
preemptions (Musuvathi and Qadeer, PLDI 2007: switches away from a task that could have gone on) it is a state, who
runs there and how many preemptions were spent on the way.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from emu.errors import HandlerError
from emu.explore.execution import Execution
from emu.explore.schedule import Schedule
from emu.explore.schedulers import KEEPS_STATE, Replay, the_same
from emu.explore.task import Announced, Task


@dataclass(eq=False, slots=True)
class State:
    """One state: how it was first reached, what each task that can run announces there, and where its step leads.

    `outcomes` are those of an execution that is over there; None while somebody can run.
    """

    key: Hashable
    parent: State | None
    via: str
    said: dict[str, Announced]
    outcomes: frozenset[str] | None = None
    next: dict[str, State] = field(default_factory=dict)


def other_state(step: int) -> HandlerError:
    """What to raise when an execution is repeated and comes to another state."""
    return HandlerError(f"step {step}: the world is in another state than it was {KEEPS_STATE}")


class Point(NamedTuple):
    """A state, and with a bound who ran last and the preemptions that were spent."""

    state: State
    current: str | None
    spent: int


class Graph:
    """A scheduler that takes a step that was not taken before in each execution, as long as there is one (`more`)."""

    def __init__(self, bound: int | None, prefix: Schedule) -> None:
        self._bound = bound
        self._prefix = prefix
        self._replay = Replay(prefix)
        self.states: dict[Hashable, State] = {}
        self.root: Point | None = None
        self._met: set[Point] = set()
        self._pending: list[Point] = []  # points that may have a step to be tried
        self._path: list[str] = list(prefix)  # the steps that the next execution begins with
        self._said: list[Announced] = []  # and what they announced
        self._at: Point | None = None  # the point that the next new step is taken from
        self._name = ""  # by whom
        self._spent = 0  # in the prefix
        self._repeated = 0  # executions that began with known steps
        self._prefix_said: list[Announced] = []

    def more(self) -> bool:
        """Whether there is a step left to be tried; the next execution goes there."""
        while self._pending:
            point = self._pending[-1]
            name = self._untried(point)
            if name is not None:
                self._go_to(point.state)
                self._at, self._name = point, name
                return True
            self._pending.pop()
            for _, successor in self.successors(point):
                self._meet(successor)
        return self.root is None

    def successors(self, point: Point) -> Iterator[tuple[str, Point]]:
        """The points after each step that the bound allows and that was taken."""
        for name, state in point.state.next.items():
            if self._allowed(point, name):
                yield name, self._after(point, name, state)

    def path(self, state: State) -> Schedule:
        """The steps that first led to a state."""
        names: list[str] = []
        while state.parent is not None:
            names.append(state.via)
            state = state.parent
        return (*self._prefix, *reversed(names))

    # The scheduler

    def next_task(self, run: Execution) -> Task | None:
        position = len(run.taken)
        if position < len(self._path):
            return self._again(run, position)
        if position > len(self._path) or self._at is None:
            self._at = self._arrive(run)
            if self._at is None:
                return None
        elif self._is_looked_at() and run.world.state() != self._at.state.key:
            raise other_state(position)
        name = self._untried(self._at)
        if name is None:
            return None
        self._name = name
        return run.tasks[name]

    def ended(self, run: Execution) -> None:
        position = len(run.taken)
        if position < len(self._path):
            if self.root is None:
                return self._replay.ended(run)
            the_same(run, self._path[position], self._said[position])
        key = run.ending, run.outcomes
        state = self.states.get(key)
        if state is None:
            state = self.states[key] = State(key, self._at and self._at.state, self._name, {}, run.outcomes)
        self._link(state)

    def _is_looked_at(self) -> bool:
        """Whether this execution's state is compared where it leaves the known: a sample is enough, for what a scenario
        keeps does not come and go. Announcements are compared at each step."""
        self._repeated += 1
        return self._repeated < 32 or self._repeated % 16 == 0

    def _again(self, run: Execution, position: int) -> Task:
        """A step of the prefix, or one that was taken before."""
        if self.root is None:
            task = self._replay.strictly(run)
            self._spent += run.current in run.enabled and task is not run.current
            self._prefix_said.append(task.announced())
            return task
        return the_same(run, self._path[position], self._said[position])

    def _arrive(self, run: Execution) -> Point | None:
        """The point that the last step led to; None if it was met before."""
        key = run.world.state()
        state = self.states.get(key)
        if state is None:
            said = {task.name: task.announced() for task in run.enabled}
            parent = self._at.state if self._at is not None else None
            state = self.states[key] = State(key, parent, self._name, said)
        point = self._link(state, run.current.name if run.current is not None else None)
        return point if self._meet(point) else None

    def _link(self, state: State, current: str | None = None) -> Point:
        if self._at is None:
            self.root = Point(state, current, self._spent) if self._bound is not None else Point(state, None, 0)
            return self.root
        self._at.state.next[self._name] = state
        return self._after(self._at, self._name, state)

    def _meet(self, point: Point) -> bool:
        if point in self._met:
            return False
        self._met.add(point)
        self._pending.append(point)
        return True

    def _go_to(self, state: State) -> None:
        names: list[str] = []
        said: list[Announced] = []
        while state.parent is not None:
            names.append(state.via)
            said.append(state.parent.said[state.via])
            state = state.parent
        self._path = [*self._prefix, *reversed(names)]
        self._said = [*self._prefix_said, *reversed(said)]

    def _untried(self, point: Point) -> str | None:
        state = point.state
        for name in state.said:
            if name not in state.next and self._allowed(point, name):
                return name
        return None

    def _allowed(self, point: Point, name: str) -> bool:
        return self._bound is None or self._cost(point, name) <= self._bound

    def _cost(self, point: Point, name: str) -> int:
        return point.spent + (point.current in point.state.said and name != point.current)

    def _after(self, point: Point, name: str, state: State) -> Point:
        if self._bound is None:
            return Point(state, None, 0)
        return Point(state, name, self._cost(point, name))
