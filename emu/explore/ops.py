"""What a task says before it touches something shared.

`await load("kprobe_table[0x10010]")` is a preemption point: the task stops, the scheduler sees the
announcement, and everything up to the task's next `await` happens at once when it is resumed. An
announcement is exact: it names all that other tasks can see of the step that follows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import Enum


class Access(Enum):
    LOAD = "load"
    STORE = "store"
    UPDATE = "update"  # an atomic read-modify-write, or both at once
    FETCH = "fetch"
    WAIT = "wait"
    OWN = "own"  # nothing shared: a point where this task can still be interrupted
    RETRY = "retry"  # a task that spins: the same step again, until somebody changes something


class Op:
    """One announcement. `ready` says whether the task can go on; None means always.

    `commutes` promises that the step gives the same as any step that another task can take before it, in
    either order, so that the search need not try both.
    """

    __slots__ = ("access", "commutes", "ready", "what")

    def __init__(
        self, access: Access, what: str, ready: Callable[[], bool] | None = None, commutes: bool = False
    ) -> None:
        self.access = access
        self.what = what
        self.ready = ready
        self.commutes = commutes

    def __await__(self) -> Generator[Op, None, None]:
        yield self

    def __repr__(self) -> str:
        return f"{self.access.value} {self.what}"


def load(what: str) -> Op:
    return Op(Access.LOAD, what)


def store(what: str) -> Op:
    return Op(Access.STORE, what)


def update(what: str) -> Op:
    return Op(Access.UPDATE, what)


def fetch(what: str) -> Op:
    return Op(Access.FETCH, what)


def own(what: str) -> Op:
    """The last point before a task shuts interrupts or other threads out, so that they can still come before it."""
    return Op(Access.OWN, what)


def wait(what: str, ready: Callable[[], bool]) -> Op:
    """Blocks until `ready()`; the predicate must depend on shared state only."""
    return Op(Access.WAIT, what, ready)


def join(what: str, ready: Callable[[], bool]) -> Op:
    """A wait after which a task only counts itself in, as at a barrier: such steps commute with everything."""
    return Op(Access.WAIT, what, ready, commutes=True)


def retry(what: str, ready: Callable[[], bool]) -> Op:
    """As `wait`, for a task that does not sleep but repeats itself: if nobody frees it, that is a livelock."""
    return Op(Access.RETRY, what, ready)


class ExecutionEnds(Exception):
    """Raised inside a task: the whole machine stops here (a kernel that dies)."""
