"""Workers of a Dask cluster. The only file that imports `distributed` (extra `trapline[cluster]`).

Dask itself gives the work of a worker that died to others; what it gives up is tried again as for any other crew. A
scheduler that is gone is not: what it was given is lost with it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import Any

from emu.errors import TraplineError, UsageError, WorkerError
from emu.parallel.pool import Death

CONNECT_SECONDS = 10
SILENCE = 8.0  # seconds without a worker, or an answer of the scheduler, before giving up
LOOK = 1.0  # seconds between two looks at the scheduler, while no piece is done
CLOSE_SECONDS = 2


@contextmanager
def cluster(address: str) -> Iterator[Callable[[Callable[[Any], Any]], Cluster]]:
    """Makes crews, each for a function, of the cluster whose scheduler is at an address such as `tcp://host:8786`.

    UsageError where Dask is not installed or no scheduler answers.
    """
    with _dask_is_silent():
        client = _connected(address)
        try:
            yield lambda function: Cluster(client, address, function)
        finally:
            with suppress(Exception):  # it may be gone, and whatever is raised then says nothing new
                client.close(timeout=CLOSE_SECONDS)


def _connected(address: str) -> Any:
    try:
        distributed = import_module("distributed")
    except ImportError:
        raise UsageError("a cluster needs Dask: expected the extra trapline[cluster] to be installed") from None
    try:
        return distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"cluster {address!r}: {error}: expected a Dask scheduler such as tcp://host:8786") from None


@contextmanager
def _dask_is_silent() -> Iterator[None]:
    """It logs what is said here in one line, with tracebacks, once for each of its parts."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


class Cluster:
    """A crew that takes all pieces at once: the scheduler has a queue of its own."""

    def __init__(self, client: Any, address: str, function: Callable[[Any], Any]) -> None:
        self._client, self._address, self._function = client, address, function
        self._futures: dict[int, Any] = {}
        self._said: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        self._taken: list[tuple[int, Any]] = []

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def free(self) -> bool:
        return True

    def busy(self) -> bool:
        return bool(self._futures)

    def begin(self, number: int, piece: Any) -> None:
        future = self._client.submit(self._function, piece, pure=False)  # what is tried again is not the same task
        self._futures[number] = future
        future.add_done_callback(lambda done: self._said.put((number, _outcome(done))))

    def wait(self) -> None:
        began = time.monotonic()
        while not self._taken:
            with suppress(Empty):
                self._taken.append(self._said.get(timeout=LOOK))
                return
            self._look()
            if time.monotonic() - began > SILENCE and not self._workers():
                raise WorkerError(f"cluster {self._address!r}: no worker for {SILENCE:.0f} s: expected one at least")

    def _look(self) -> None:
        if self._client.status != "running":
            raise WorkerError(f"cluster {self._address!r}: its scheduler is gone: expected it to stay")

    def _workers(self) -> int:
        try:
            known = self._client.sync(self._client.scheduler.identity, callback_timeout=SILENCE / 2)
        except Exception as error:  # of Dask, asyncio or the connection
            what = type(error).__name__
            raise WorkerError(f"cluster {self._address!r}: {what}: expected its scheduler to answer") from None
        return len(known["workers"])

    def take(self) -> list[tuple[int, Any]]:
        with suppress(Empty):
            while True:
                self._taken.append(self._said.get_nowait())
        taken, self._taken = self._taken, []
        if self._client.status != "running":  # then it cancels what it has not done: no worker is to blame
            taken = [(number, answer) for number, answer in taken if not isinstance(answer, Death)]
        if not taken:
            self._look()
        for number, _ in taken:
            self._futures.pop(number, None)
        return taken

    def stop(self) -> list[tuple[int, Any]]:
        futures, self._futures = list(self._futures.values()), {}
        with suppress(Exception):  # a cluster that is gone has stopped
            if futures and self._client.status == "running":
                self._client.cancel(futures, force=True)
        return []


def _outcome(future: Any) -> Any:
    """What a future came to; what is raised and not the input's fault counts as the worker's end: KilledWorker, ..."""
    if future.status == "cancelled":
        return Death("cancelled")
    try:
        return future.result()
    except TraplineError as error:
        return error
    except Exception as error:
        return Death(repr(error))
    except BaseException as error:  # CancelledError of asyncio
        return Death(type(error).__name__)
