"""A clock that looks at what the main thread does, again and again. It shares SIGALRM with held interrupts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, MethodType

from emu.parallel.interrupts import SOON, Signals

Tick = Callable[[FrameType | None], None]


@contextmanager
def ticking(tick: Tick, every: float) -> Iterator[None]:
    """Within, `tick` is called each `every` seconds with the frame that is running.

    Not in another thread than the main one, and not where SIGALRM is somebody else's: there it is not called.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGALRM) if main else None
    signals = before.__self__ if isinstance(before, MethodType) else None
    if before is not signal.SIG_DFL and not isinstance(signals, Signals):
        yield
        return

    def alarm(number: int, frame: FrameType | None) -> None:
        if isinstance(signals, Signals) and signals.held:
            signals.interrupt(number, frame)
        else:
            tick(frame)

    try:
        signal.signal(signal.SIGALRM, alarm)
        signal.setitimer(signal.ITIMER_REAL, every, every)
        yield
    finally:
        held = isinstance(signals, Signals) and signals.held
        signal.setitimer(signal.ITIMER_REAL, SOON if held else 0)
        signal.signal(signal.SIGALRM, before)
