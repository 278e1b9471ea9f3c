"""Processes that leave interrupts to the one that starts them: a terminal's ^C goes to all of them at once.

SIGINT is blocked while a process is started, so that it is blocked in that process from its first instruction on; one
that comes meanwhile reaches the parent afterwards.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import ForkContext, ForkProcess, SpawnContext, SpawnProcess


@contextmanager
def interrupts_held() -> Iterator[None]:
    """No SIGINT reaches this thread within, and none the processes that are started within."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Forked(ForkProcess):
    def start(self) -> None:
        with interrupts_held():
            super().start()


class _Spawned(SpawnProcess):
    def start(self) -> None:
        resource_tracker.ensure_running()  # which unblocks SIGINT when it starts its own process
        with interrupts_held():
            super().start()


class Forking(ForkContext):
    """A multiprocessing context of such processes, which begin as a copy of this one."""

    Process = _Forked


class Spawning(SpawnContext):
    """A multiprocessing context of such processes, which begin afresh: no locks of other threads are copied."""

    Process = _Spawned
