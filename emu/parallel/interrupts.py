"""^C, SIGTERM and SIGHUP: one exception, held back where it would do harm, and one exit status for each.

A function that foreign code calls back, an engine's hook for instance, must not raise: what it raised would be lost,
with what the engine had to say. A module whose functions call such code says so by `INTERRUPTS_WAIT = True`: an
interrupt that comes in what they call is raised a moment later.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
USUAL = (signal.SIG_DFL, signal.default_int_handler)  # nobody else wants them
MARK = "INTERRUPTS_WAIT"
SOON = 0.001  # seconds until a held interrupt is tried again
SAME = 1.0  # seconds in which a second signal is the first one again: `timeout` and terminals send theirs twice
BY_SIGNAL = 128  # what a shell adds to the number of the signal that ended a command


class Interrupted(KeyboardInterrupt):
    """A signal asks for the end."""


class Signals:
    """Which signal came first."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.over = False
        self.held = False  # whether one waits until nothing is harmed
        self._when = 0.0

    def status(self, otherwise: int) -> int:
        """The exit status of what a signal has ended."""
        return otherwise if self.first is None else BY_SIGNAL + self.first

    def came(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.first is not None and now - self._when < SAME:
            return
        self.first, self._when = self.first or number, now
        self.interrupt(number, frame)

    def interrupt(self, _number: int, frame: FrameType | None) -> None:
        if self.over:
            return
        self.held = waits(frame)
        if not self.held:
            raise Interrupted
        again_soon()


@contextmanager
def signals_interrupt(signals: Signals, to_the_end: bool = False) -> Iterator[None]:
    """Within, each of ENDING raises Interrupted, but for those that this process was started to ignore (nohup).

    `to_the_end` is for a process that does nothing else. It may have been started with these signals blocked, so that
    none comes before; and none does anything afterwards: the process is about to end, with a status that is known.
    """
    main = threading.current_thread() is threading.main_thread()
    taken = [number for number in (*ENDING, signal.SIGALRM) if main and signal.getsignal(number) in USUAL]
    pythons = [number for number in taken if signal.getsignal(number) is signal.default_int_handler]
    try:
        for number in taken:
            signal.signal(number, signals.interrupt if number == signal.SIGALRM else signals.came)
        if to_the_end:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        yield
    finally:
        signals.over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in taken:
            otherwise = signal.default_int_handler if number in pythons else signal.SIG_DFL
            signal.signal(number, signal.SIG_IGN if to_the_end else otherwise)


def again_soon() -> None:
    """SIGALRM comes in a moment; one that comes at intervals goes on with them."""
    _, interval = signal.getitimer(signal.ITIMER_REAL)
    signal.setitimer(signal.ITIMER_REAL, SOON, interval)


def waits(frame: FrameType | None) -> bool:
    """Whether a marked module waits for another one's function, which may be one that foreign code called; or a
    `__del__` runs, of which Python drops what it raises."""
    marked = True
    while frame is not None:
        called, marked = marked, bool(frame.f_globals.get(MARK))
        if (marked and not called) or frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


@contextmanager
def interrupts_held() -> Iterator[None]:
    """None of ENDING reaches this thread within, and none the processes that are started within; afterwards it does."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # raises what came just before, which must not stay blocked
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class CutShort:
    """Whether an interrupt came."""

    came = False

    def __bool__(self) -> bool:
        return self.came


@contextmanager
def until_interrupted() -> Iterator[CutShort]:
    """What is under way within ends at an interrupt; what it has by then is kept by those who look afterwards."""
    cut_short = CutShort()
    try:
        yield cut_short
    except KeyboardInterrupt:
        cut_short.came = True


def is_interrupt(error: BaseException) -> bool:
    """Whether it is a signal's, and not raised by a user's own code: that raises KeyboardInterrupt, if anything, and
    where signals raise Interrupted, or nothing as in a worker, such a one is no signal's."""
    ours = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    return isinstance(error, Interrupted if ours else KeyboardInterrupt)


def ignore_interrupts() -> None:
    """For a process whose parent sees to its end: a terminal's ^C goes to both at once."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
