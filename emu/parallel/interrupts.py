"""^C as a KeyboardInterrupt, though not in the middle of what cannot take one: there it comes a moment later."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from emu.machine.unicorn.cpu import in_engine

SOON = 0.001  # seconds


@contextmanager
def interrupts_between_hooks() -> Iterator[None]:
    """Within, no KeyboardInterrupt is raised in a function that the engine calls. It would be lost there, with what the
    engine had to say, and the guest would run on."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGALRM)}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    if not in_engine(frame):
        raise KeyboardInterrupt
    signal.setitimer(signal.ITIMER_REAL, SOON)
