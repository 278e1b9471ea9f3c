"""What a task says before it touches something shared.

`await load("kprobe_table[0x10010]")` is a preemption point: the task stops, the scheduler sees the
announcement, and everything up to the task's next `await` happens at once when it is resumed. An
announcement is exact: it names all that other tasks can see of the step that follows, as data (`Touch`). What is
printed is made from that.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Generator
from enum import Enum
from typing import NamedTuple

from emu.explore.canonical import Walk


class Access(Enum):
    LOAD = "load"
    STORE = "store"
    UPDATE = "update"  # an atomic read-modify-write, or both at once
    FETCH = "fetch"
    WAIT = "wait"
    OWN = "own"  # nothing shared: a point where this task can still be interrupted
    RETRY = "retry"  # a task that spins: the same step again, until somebody changes something


class SharedObject(NamedTuple):
    """Something that several tasks may touch: what kind of thing, which one of that kind, and its printed name.

    Without `where` it is all that there is of the kind.
    """

    kind: str
    where: int | str | None = None
    name: str = ""  # the kind, if there is nothing more to say

    def __str__(self) -> str:
        return self.name or self.kind

    def meets(self, other: SharedObject) -> bool:
        """Whether the two are the same, or one is all of the other's kind."""
        return self.kind == other.kind and (self.where == other.where or self.where is None or other.where is None)


class Touch(NamedTuple):
    """One shared object, and what is done to it."""

    object: SharedObject
    access: Access

    @property
    def writes(self) -> bool:
        return self.access in (Access.STORE, Access.UPDATE)


Named = SharedObject | str
"""A shared object, or the name of one of a scenario's own."""


class Op:
    """One announcement. `ready` says whether the task can go on; None means always.

    >>> from trapline import Op, load
    >>> async def reads_n():
    ...     await load("n")
    >>> code = reads_n()
    >>> op = code.send(None)  # as a scheduler does
    >>> isinstance(op, Op), op
    (True, load n)
    >>> code.close()

    `label` is printed instead of the names of what is touched: what a task waits for need not be one of the objects
    that it looks at.
    """

    __slots__ = ("access", "awaited", "label", "made_at", "ready", "touches")

    def __init__(
        self,
        access: Access,
        touches: tuple[Touch, ...],
        ready: Callable[[], bool] | None = None,
        *,
        label: str = "",
    ) -> None:
        self.access = access
        self.touches = touches
        self.ready = ready
        self.label = label
        self.awaited = False
        self.made_at: tuple[str, int] | None = None  # file and line, of one that the functions below have made

    @property
    def what(self) -> str:
        """What is touched or waited for, as it is printed."""
        return self.label or " and ".join(str(touch.object) for touch in self.touches)

    def __await__(self) -> Generator[Op, None, None]:
        self.awaited = True
        yield self

    def __del__(self) -> None:
        """As Python does for coroutines: who forgets `await` has announced nothing (see `emu.explore.forgotten`)."""
        made_at: tuple[str, int] | None = getattr(self, "made_at", None)  # an interrupt may have come first
        if made_at is not None and not self.awaited:
            warnings.warn_explicit(f"operation {self!r} was never awaited", RuntimeWarning, *made_at)

    def walk(self, walk: Walk) -> None:
        """Nothing of it changes, but what decides whether the task can go on."""
        number = walk.kinds.number
        walk.out += (number(self.access), self.label)
        for one, access in self.touches:
            walk.out += (*one, number(access))
        walk.visit(self.ready)

    def __repr__(self) -> str:
        return f"{self.access.value} {self.what}"


def independent(a: Op, b: Op) -> bool:
    """Whether no object is in both announcements with a write in one of them."""
    return not any(
        (mine.writes or theirs.writes) and mine.object.meets(theirs.object)
        for mine in a.touches
        for theirs in b.touches
    )


def load(what: Named) -> Op:
    """Before something is read that others may write.

    >>> from trapline import explore, load
    >>> async def one():
    ...     await load("n")
    >>> explore(lambda lab: {"cpu0": one(), "cpu1": one()}, "mips").report.complete
    True
    """
    return _made(Op(Access.LOAD, (Touch(named(what), Access.LOAD),)))


def store(what: Named) -> Op:
    """Before something is written that others may read or write.

    >>> from trapline import explore, store
    >>> async def one():
    ...     await store("n")
    >>> explore(lambda lab: {"cpu0": one(), "cpu1": one()}, "mips").report.complete
    True
    """
    return _made(Op(Access.STORE, (Touch(named(what), Access.STORE),)))


def update(what: Named) -> Op:
    """Before something is read and written at once, as an atomic instruction does.

    >>> from trapline import explore, update
    >>> async def one():
    ...     await update("n")
    >>> explore(lambda lab: {"cpu0": one(), "cpu1": one()}, "mips").report.complete
    True
    """
    return _made(Op(Access.UPDATE, (Touch(named(what), Access.UPDATE),)))


def fetch(what: Named) -> Op:
    return _made(Op(Access.FETCH, (Touch(named(what), Access.FETCH),)))


def own(what: str) -> Op:
    """The last point before a task shuts interrupts or other threads out, so that they can still come before it.

    >>> from trapline import explore, own
    >>> async def one():
    ...     await own("local_irq_disable")
    >>> explore(lambda lab: {"cpu0": one(), "cpu1": one()}, "mips").report.complete
    True
    """
    return _made(Op(Access.OWN, (), label=what))


def wait(what: Named, ready: Callable[[], bool], reads: tuple[SharedObject, ...] | None = None) -> Op:
    """Blocks until `ready()`; the predicate must depend on shared state only.

    `reads` are the objects that it depends on, and that the step behind it reads. Without them that is `what`, and
    the step may write there too, as one that takes a lock.

    >>> from trapline import explore, wait
    >>> async def one():
    ...     await wait("n", lambda: False)
    >>> str(explore(lambda lab: {"cpu0": one()}, "mips").frequency("deadlock"))
    'always'
    """
    return _made(_waiting(Access.WAIT, what, ready, reads))


def join(what: Named, ready: Callable[[], bool], reads: tuple[SharedObject, ...] | None = None) -> Op:
    """A wait where tasks meet, as at a barrier: all that are there go on."""
    return _made(_waiting(Access.WAIT, what, ready, reads))


def retry(what: Named, ready: Callable[[], bool], reads: tuple[SharedObject, ...] | None = None) -> Op:
    """As `wait`, for a task that does not sleep but repeats itself: if nobody frees it, that is a livelock.

    >>> from trapline import explore, retry
    >>> async def one():
    ...     await retry("n", lambda: False)
    >>> str(explore(lambda lab: {"cpu0": one()}, "mips").frequency("livelock"))
    'always'
    """
    return _made(_waiting(Access.RETRY, what, ready, reads))


def _made(op: Op) -> Op:
    """The operation with the place in the caller's caller that made it."""
    frame = sys._getframe(2)
    op.made_at = frame.f_code.co_filename, frame.f_lineno
    return op


def named(what: Named) -> SharedObject:
    return SharedObject("named", what, what) if isinstance(what, str) else what


def _waiting(
    access: Access,
    what: Named,
    ready: Callable[[], bool],
    reads: tuple[SharedObject, ...] | None,
) -> Op:
    if reads is None:
        return Op(access, (Touch(named(what), Access.UPDATE),), ready)
    touches = tuple(Touch(one, Access.LOAD) for one in reads)
    return Op(access, touches, ready, label=str(what))


class ExecutionEnds(Exception):
    """Raised inside a task: the whole machine stops here (a kernel that dies)."""
