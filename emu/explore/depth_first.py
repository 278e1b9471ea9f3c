"""Depth first over who runs next: each execution is run again from its start, up to where it takes another branch.

What is run again must announce what it announced before, task by task; otherwise the scenario keeps something from one
execution to the next, and no search of it means anything.
"""

from __future__ import annotations

from emu.errors import HandlerError
from emu.explore.execution import Execution
from emu.explore.schedule import Schedule
from emu.explore.schedulers import Replay
from emu.explore.task import Task


def differs(step: int, name: str, now: str, before: str) -> HandlerError:
    """What to raise when an execution is not repeated as it was."""
    return HandlerError(
        f"step {step}: {name} is at {now}, and was at {before} in an execution that began in the same way; expected"
        " all executions to do the same: a scenario may not keep state from one to the next"
    )


class _Node:
    """A point with a choice: the tasks still to be tried, best first."""

    __slots__ = ("branches", "depth", "left", "spent")

    def __init__(self, depth: int, left: list[tuple[str, str, int]], spent: int) -> None:
        self.depth = depth  # steps before this choice
        self.left = left  # (name, what it announces, preemptions spent including this choice)
        self.spent = spent
        self.branches = len(left) + 1


class DepthFirst:
    """A scheduler that takes another branch in each execution, deepest first (`backtrack`)."""

    def __init__(self, bound: int | None, prefix: Schedule, *, reduce: bool) -> None:
        self._reduce = reduce
        self._bound = bound
        self._prefix = Replay(prefix)
        self._forced: list[str] = list(prefix)  # the steps that the next execution begins with
        self._nodes: list[_Node] = []
        self._said: list[str] = []  # what each step announced: those of the last execution, and the forced ones
        self._repeats = False  # whether the next execution is to be the last one again
        self._taken: list[str] = []
        self._current: Task | None = None  # who runs, for the preemptions; a step taken at once leaves it as it is

    def next_task(self, run: Execution) -> Task:
        position = len(run.taken)
        if position == 0:
            self._current = None
        if position < len(self._said) and (position < len(self._forced)):
            self._current = self._again(run, position)
            return self._current
        if self._repeats:
            raise differs(position + 1, run.enabled[0].name, run.enabled[0].announcement(), "its end")
        if position < len(self._forced):
            task = self._current = self._prefix.next_task(run)
        else:
            task = self._choose(run)
        self._said[position:] = [task.announcement()]
        return task

    def ended(self, run: Execution) -> None:
        position = len(run.taken)
        if position < len(self._forced):
            if position >= len(self._said):
                return self._prefix.ended(run)
            raise differs(position + 1, self._forced[position], "its end", self._said[position])
        self._taken, self._repeats = run.taken, False

    def repeat(self) -> None:
        """Run the last execution once more, to see whether it is the same."""
        self._forced, self._repeats = self._taken, True

    def backtrack(self) -> bool:
        """Choose the next untried branch, deepest first; False when there is none."""
        while self._nodes:
            node = self._nodes[-1]
            if node.left:
                name, said, node.spent = node.left.pop()
                self._forced = [*self._taken[: node.depth], name]
                self._said[node.depth :] = [said]
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

    def _again(self, run: Execution, position: int) -> Task:
        """A step that was taken or seen before."""
        name, before = self._forced[position], self._said[position]
        task = run.tasks.get(name)
        if task is None or task not in run.enabled:
            raise differs(position + 1, name, "a point where it cannot run", before)
        if task.announcement() != before:
            raise differs(position + 1, name, task.announcement(), before)
        return task

    def _choose(self, run: Execution) -> Task:
        if len(run.enabled) == 1:
            self._current = run.enabled[0]
            return self._current
        at_once = self._at_once(run)
        return at_once if at_once is not None else self._branch(run)

    def _at_once(self, run: Execution) -> Task | None:
        """A task whose next step commutes with everything: an ample set of its own."""
        if self._reduce:
            for task in run.enabled:
                if task.commutes():
                    return task
        return None

    def _branch(self, run: Execution) -> Task:
        """Go on with whoever runs; remember the others, as far as the bound allows."""
        spent = self._nodes[-1].spent if self._nodes else 0
        goes_on = self._current if self._current in run.enabled else None
        first = goes_on or run.enabled[0]
        cost = spent + (goes_on is not None)
        left = [(task.name, task.announcement(), cost) for task in reversed(run.enabled) if task is not first]
        if left and (self._bound is None or cost <= self._bound):
            self._nodes.append(_Node(len(run.taken), left, spent))
        self._current = first
        return first
