"""Depth first over who runs next: each execution is run again from its start, up to where it takes another branch.

What is run again must announce what it announced before; otherwise the scenario keeps something from one execution to
the next, and no search of it means anything. The preemption bound (Musuvathi and Qadeer, PLDI 2007) counts switches
away from a task that could have gone on.
"""

from __future__ import annotations

from emu.explore.execution import Execution
from emu.explore.schedule import Schedule
from emu.explore.schedulers import Replay, the_same
from emu.explore.task import Announced, Task


class _Node:
    """A point with a choice: the tasks still to be tried, best first."""

    __slots__ = ("branches", "depth", "left", "spent")

    def __init__(self, depth: int, left: list[tuple[str, Announced, int]], spent: int) -> None:
        self.depth = depth  # steps before this choice
        self.left = left  # (name, what it announces, preemptions spent including this choice)
        self.spent = spent
        self.branches = len(left) + 1


class DepthFirst:
    """A scheduler that takes another branch in each execution, deepest first (`backtrack`)."""

    def __init__(self, bound: int | None, prefix: Schedule) -> None:
        self._bound = bound
        self._prefix = Replay(prefix)
        self._begun = False  # whether the prefix was followed
        self._spent = 0  # in the prefix
        self._forced: list[str] = list(prefix)  # the steps that the next execution begins with
        self._said: list[Announced] = []  # what they announce
        self._nodes: list[_Node] = []
        self._last: Execution | None = None

    def next_task(self, run: Execution) -> Task:
        position = len(run.taken)
        if position >= len(self._forced):
            return self._choose(run)
        if self._begun:
            return the_same(run, self._forced[position], self._said[position])
        task = self._prefix.strictly(run)
        self._spent += run.current in run.enabled and task is not run.current
        return task

    def ended(self, run: Execution) -> None:
        position = len(run.taken)
        if position < len(self._forced):
            if not self._begun:
                return self._prefix.ended(run)
            the_same(run, self._forced[position], self._said[position])
        self._begun, self._last = True, run

    def backtrack(self) -> bool:
        """Choose the next untried branch, deepest first; False when there is none."""
        assert self._last is not None
        while self._nodes:
            node = self._nodes[-1]
            if node.left:
                name, said, node.spent = node.left.pop()
                self._forced = [*self._last.taken[: node.depth], name]
                self._said = [*self._last.said[: node.depth], said]
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

    def _choose(self, run: Execution) -> Task:
        """Go on with whoever runs; remember the others, as far as the bound allows."""
        if len(run.enabled) == 1:
            return run.enabled[0]
        spent = self._nodes[-1].spent if self._nodes else self._spent
        goes_on = run.current if run.current in run.enabled else None
        first = goes_on or run.enabled[0]
        cost = spent + (goes_on is not None)
        if self._bound is None or cost <= self._bound:
            left = [(task.name, task.announced(), cost) for task in reversed(run.enabled) if task is not first]
            self._nodes.append(_Node(len(run.taken), left, spent))
        return first
