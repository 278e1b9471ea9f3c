"""Code of others that never comes back: a loop in Python without an await is ended, with the line that it is at.

The scheduler runs a task until its next await, and would wait for ever. A clock looks at the stack: where the same
step, or the same setting up of a world, is still in code of others after NO_AWAIT seconds, that code is ended. What
guests execute has a limit of its own (`emu.kernel.guest`), and is not counted.
"""

from __future__ import annotations

import sys
import sysconfig
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from emu.blame import Endless, is_ours
from emu.errors import HandlerError
from emu.explore.execution import Execution
from emu.explore.task import Task
from emu.kernel import guest
from emu.lab.lab import Laboratory
from emu.parallel.interrupts import again_soon, waits
from emu.parallel.ticks import ticking

NO_AWAIT = 10.0  # seconds
LOOKS = 10  # in that time; a machine that was suspended counts as one

TASK = frozenset({Task.start.__code__, Task.step.__code__, Task.enabled.__code__, Task.close.__code__})
EXECUTION = frozenset({Execution._advance.__code__, Execution.close.__code__})
SETUP = Laboratory._codes.__code__
GUEST = guest.advance.__code__
LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


@contextmanager
def endless_loops_end(what: str) -> Iterator[None]:
    """Around all that calls code of others: HandlerError for a loop in it that has no end. `what` names the code in
    messages, where no task runs it."""
    watch = _Watch(what, NO_AWAIT, len(_frames(sys._getframe(2))))
    try:
        with ticking(watch.look, NO_AWAIT / LOOKS):
            yield
    except Endless as endless:
        raise HandlerError(str(endless)) from None


class _Watch:
    """How often the same step was seen in code of others; what has called us is not part of it, whoever wrote that."""

    def __init__(self, what: str, limit: float, depth: int) -> None:
        self._what, self._limit, self._depth = what, limit, depth
        self._step: tuple[weakref.ref[Any] | None, int] = None, 0
        self._looks = 0

    def look(self, frame: FrameType | None) -> None:
        """Called by the clock; Endless once it was the same too often."""
        frames = _frames(frame)
        seen = _Stack(frames[: max(0, len(frames) - self._depth)])
        if seen.step != self._step:
            self._step, self._looks = seen.step, 0
        if seen.others is None or seen.in_guest:
            return
        self._looks += 1
        if self._looks < LOOKS:
            return
        if waits(frame):
            again_soon()
        else:
            raise Endless(self._message(seen.others, seen.task))

    def _message(self, frame: FrameType, task: str | None) -> str:
        place, seconds = f"{frame.f_code.co_filename}:{frame.f_lineno}", f"{self._limit:g} s"
        if task is None:
            return f"{place}: {self._what} has been there for {seconds}; expected it to return"
        return (
            f"{place}: {task} has been there for {seconds} without an await; expected it to end or to await something"
        )


class _Stack:
    """What runs: the innermost frame of others, the task, and which step it is (of which execution, after how many)."""

    def __init__(self, frames: list[FrameType]) -> None:
        self.others: FrameType | None = None
        self.in_guest = False
        self.task: str | None = None
        self.step: tuple[weakref.ref[Any] | None, int] = None, 0
        for frame in frames:
            self._add(frame)

    def _add(self, frame: FrameType) -> None:
        code = frame.f_code
        if self.others is None and _is_of_others(frame):
            self.others = frame
        elif code is GUEST:
            self.in_guest |= self.others is None
        elif code in TASK:
            self.task = self.task or frame.f_locals["self"].name
        elif code in EXECUTION:
            run = frame.f_locals["self"]
            self.step = weakref.ref(run), len(run.taken)
        elif code is SETUP:
            self.step = weakref.ref(frame.f_locals["lab"]), 0


def _frames(frame: FrameType | None) -> list[FrameType]:
    """A frame and those that wait for it, innermost first."""
    found = []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found


def _is_of_others(frame: FrameType) -> bool:
    """Whether the code is neither trapline's nor a library's, nor made at run time, as dataclasses make their methods:
    what has no file counts only where it was typed in."""
    file, names = frame.f_code.co_filename, frame.f_globals
    if file.startswith("<"):
        return names.get("__name__") == "__main__" and "__file__" not in names
    return not is_ours(file) and not file.startswith(LIBRARIES)
