"""The exhaustive search: depth first over who runs next, each execution run again from its start.

A search is a function of how the world is made, the bound and the prefix, so that it can be split by prefix.
The preemption bound (Musuvathi and Qadeer, PLDI 2007) counts switches away from a task that could have gone on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from emu.explore.execution import MakeWorld, Replay, World, how_it_ended, never_ends
from emu.explore.ops import ExecutionEnds
from emu.explore.schedule import LONGEST, Schedule, switches
from emu.explore.shorten import shorten
from emu.explore.task import Task


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

    def frequency(self, outcome: str) -> str:
        count = self.outcomes[outcome].count if outcome in self.outcomes else 0
        if count == 0:
            return "never"
        return "always" if count == self.executions else "sometimes"

    def witness(self, outcome: str) -> Schedule | None:
        return self.outcomes[outcome].witness if outcome in self.outcomes else None

    def add(self, schedule: Schedule, outcomes: frozenset[str]) -> None:
        self.executions += 1
        for outcome in outcomes:
            self.outcomes.setdefault(outcome, Seen()).add(schedule)


class _Node:
    """A point with a choice: the task that ran and those still to be tried, best first."""

    __slots__ = ("branches", "chosen", "depth", "left", "spent")

    def __init__(self, depth: int, chosen: str, left: list[tuple[str, int]], spent: int) -> None:
        self.depth = depth  # steps before this choice
        self.chosen = chosen
        self.left = left  # (name, preemptions spent including this choice)
        self.spent = spent
        self.branches = len(left) + 1


Progress = Callable[[Report, float], None]


def explore(
    make_world: MakeWorld,
    *,
    bound: int | None = None,
    limit: int | None = None,
    prefix: Schedule = (),
    progress: Progress | None = None,
    reduce: bool = True,
) -> Report:
    """Every execution that begins with `prefix`, at most `limit` of them; an interrupt (^C) returns what there is.

    `progress(report, fraction)` is called a few times a second; the fraction of the tree that is done is an
    estimate that takes all branches of a choice to be of equal size. With `reduce`, a step that commutes with
    everything is taken at once and its order against the others is not varied: fewer executions, the same outcomes.
    """
    report = Report(bound=bound, limit=limit)
    search = _Search(make_world, bound, prefix, reduce)
    told = time.monotonic()
    try:
        while limit is None or report.executions < limit:
            report.add(*search.run_one())
            if not search.backtrack():
                report.complete = True
                break
            if progress is not None and time.monotonic() - told > 0.2:
                told = time.monotonic()
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


class _Search:
    def __init__(self, make_world: MakeWorld, bound: int | None, prefix: Schedule, reduce: bool) -> None:
        self._make_world = make_world
        self._reduce = reduce
        self._bound = bound
        self._prefix = prefix
        self._forced: list[str] = list(prefix)  # the steps that the next execution begins with
        self._nodes: list[_Node] = []
        self._taken: list[str] = []

    def run_one(self) -> tuple[Schedule, frozenset[str]]:
        world = self._make_world()
        ending = "died"
        try:
            current = self._replay_forced(world)
            self._extend(world.tasks, current)
            ending = how_it_ended(world.tasks)
        except ExecutionEnds:
            pass
        finally:
            for task in world.tasks:
                task.close()
        return tuple(self._taken), world.finish(ending)

    def _replay_forced(self, world: World) -> Task | None:
        self._taken = []
        if not self._nodes and self._prefix:
            return self._follow_prefix(world)
        by_name = {task.name: task for task in world.tasks}
        current = None
        for name in self._forced:
            self._taken.append(name)
            current = by_name[name]
            current.step()
        return current

    def _follow_prefix(self, world: World) -> Task | None:
        """The first time, the prefix comes from outside and is checked step by step."""
        replay, current = Replay(self._prefix), None
        for _ in self._prefix:
            current = replay.choose([task for task in world.tasks if task.enabled()], current)
            self._taken.append(current.name)
            current.step()
        return current

    def _extend(self, tasks: Sequence[Task], current: Task | None) -> None:
        spent = self._nodes[-1].spent if self._nodes else 0
        while enabled := [task for task in tasks if task.enabled()]:
            if len(enabled) == 1:
                chosen = current = enabled[0]
            elif (at_once := self._at_once(enabled)) is not None:
                chosen = at_once  # `current` stays who it was: this is no preemption
            else:
                current, spent = self._branch(enabled, current, spent)
                chosen = current
            self._taken.append(chosen.name)
            if len(self._taken) > LONGEST:
                never_ends(chosen)
            chosen.step()

    def _at_once(self, enabled: list[Task]) -> Task | None:
        """A task whose next step commutes with everything: an ample set of its own."""
        if self._reduce:
            for task in enabled:
                if task.commutes():
                    return task
        return None

    def _branch(self, enabled: list[Task], current: Task | None, spent: int) -> tuple[Task, int]:
        """Go on with whoever runs; remember the others, as far as the bound allows."""
        goes_on = current if current in enabled else None
        first = goes_on or enabled[0]
        cost = spent + (goes_on is not None)
        left = [(task.name, cost) for task in reversed(enabled) if task is not first]
        if self._bound is not None and cost > self._bound:
            left = []
        if left:
            self._nodes.append(_Node(len(self._taken), first.name, left, spent))
        return first, spent

    def backtrack(self) -> bool:
        """Choose the next untried branch, deepest first; False when there is none."""
        while self._nodes:
            node = self._nodes[-1]
            if node.left:
                node.chosen, node.spent = node.left.pop()
                self._forced = [*self._taken[: node.depth], node.chosen]
                return True
            self._nodes.pop()
        return False

    def fraction(self) -> float:
        """The share of the tree that is done, from the branches already left behind near its root."""
        done, share = 0.0, 1.0
        for node in self._nodes[:24]:
            share /= node.branches
            done += share * (node.branches - 1 - len(node.left))
        return done
