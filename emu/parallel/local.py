"""Workers that are processes of this machine.

They are forked: a worker begins with all that its parent has read. They ignore ^C, SIGTERM and SIGHUP, which reach a
whole terminal or job at once, and end when their parent ends them, or ends, however that came.
"""

from __future__ import annotations

import atexit
import mmap
import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from threading import Thread
from typing import Any

from emu.errors import TraplineError, WorkerError
from emu.parallel.interrupts import ignore_interrupts, interrupts_held
from emu.parallel.pool import Death

NOTE = 1 << 16  # bytes, for a pickled note behind its size
SIZE = 4  # bytes of the size
PATIENCE = 5.0  # seconds for an answer of one that is asked to stop
LOOK = 1.0  # seconds between two looks at the parent, should somebody else hold what tells of its end


class Side:
    """What a worker's function may use: `note` what is about to be done, and end early if it is `stopped`."""

    def __init__(self, connection: Connection, note: mmap.mmap) -> None:
        self._note = note
        self.stopped: Callable[[], bool] = connection.poll

    def note(self, thing: Any) -> None:
        said = pickle.dumps(thing)
        self._note[: SIZE + len(said)] = len(said).to_bytes(SIZE, "little") + said


Make = Callable[[Side], Callable[[Any], Any]]
"""Makes a worker's function, in the worker, when there is its first piece."""


def plain(function: Callable[[Any], Any]) -> Make:
    """For a function that needs nothing of its side."""
    return lambda side: function


class Processes:
    """A crew of at most `count` processes, each made when there is work for it; used in `with`.

    With `stoppable`, work under way is asked for what it has when an interrupt ends it; without, it is given up.
    """

    def __init__(self, make: Make, count: int, stoppable: bool = False) -> None:
        self._make, self._count, self._stoppable = make, count, stoppable
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []
        atexit.register(self.end)  # for one that was not used in `with`

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        atexit.unregister(self.end)
        with interrupts_held():
            for worker in (*self._idle, *self._busy):
                worker.end()
            self._idle, self._busy = [], []

    def free(self) -> bool:
        """Another process is made if need be; where the system has none to give, those that there are must do."""
        dead = wait([worker.connection for worker in self._idle], timeout=0)  # nothing was asked of them
        self._idle = [worker for worker in self._idle if worker.connection not in dead]
        if not self._idle and len(self._busy) < self._count:
            try:
                self._idle.append(_Worker(self._make))
            except OSError as error:
                if not self._busy:
                    raise WorkerError(f"a worker: {error.strerror}: expected one more process") from None
                self._count = len(self._busy)
        return bool(self._idle)

    def busy(self) -> bool:
        return bool(self._busy)

    def begin(self, number: int, piece: Any) -> None:
        worker = self._idle.pop()
        self._busy.append(worker)
        worker.ask(number, piece)

    def wait(self) -> None:
        wait([worker.connection for worker in self._busy])

    def take(self) -> list[tuple[int, Any]]:
        said = wait([worker.connection for worker in self._busy], timeout=0)
        return [self._answer(worker) for worker in list(self._busy) if worker.connection in said]

    def stop(self) -> list[tuple[int, Any]]:
        found: list[tuple[int, Any]] = []
        for worker in self._busy if self._stoppable else ():
            worker.stop()
        deadline = time.monotonic() + PATIENCE
        while self._stoppable and self._busy and (left := deadline - time.monotonic()) > 0:
            wait([worker.connection for worker in self._busy], left)
            found += self.take()
        for worker in self._busy:
            worker.end()
        self._busy = []
        return found

    def _answer(self, worker: _Worker) -> tuple[int, Any]:
        self._busy.remove(worker)
        number, answer = worker.answer()
        if not isinstance(answer, Death):
            self._idle.append(worker)
        return number, answer


class _Worker:
    """A process and the pipe to it."""

    def __init__(self, make: Make) -> None:
        self.connection, theirs = get_context("fork").Pipe()
        self._note = mmap.mmap(-1, NOTE)
        self._number = -1
        serve = partial(_serve, make, theirs, self._note)
        self._process = get_context("fork").Process(target=serve, daemon=True)
        with interrupts_held():
            self._process.start()
        theirs.close()

    def ask(self, number: int, piece: Any) -> None:
        self._number = number
        self._note[:SIZE] = bytes(SIZE)
        self._send(piece)

    def stop(self) -> None:
        self._send(None)

    def _send(self, thing: Any) -> None:
        with suppress(OSError):  # it is dead, as its answer will show
            self.connection.send(thing)

    def answer(self) -> tuple[int, Any]:
        """The number of what it was asked, and the answer: what it gave or raised, or its Death."""
        try:
            return self._number, self.connection.recv()
        except (EOFError, OSError):
            return self._number, self._died()

    def _died(self) -> Death:
        self._process.join()
        length = int.from_bytes(self._note[:SIZE], "little")
        note = pickle.loads(self._note[SIZE : SIZE + length]) if length else None
        self.connection.close()
        return Death(how(self._process.exitcode or 0), note)

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()


def how(code: int) -> str:
    """How a process ended, from its exit code as Python has it."""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}" if code < 0 else f"exit status {code}"


# In the worker


def _serve(make: Make, connection: Connection, note: mmap.mmap) -> None:
    """Answer, until the one that asks is gone."""
    ignore_interrupts()
    Thread(target=_end_with_the_parent, daemon=True).start()
    function = cache(lambda: make(Side(connection, note)))
    with suppress(EOFError, OSError):
        while True:
            piece = connection.recv()
            if piece is not None:  # a stop that came after the answer
                _send(connection, _answer(function, piece))


def _end_with_the_parent() -> None:
    """Also if it was killed, and in the middle of a piece."""
    parent = parent_process()
    assert parent is not None
    while os.getppid() == parent.pid:
        parent.join(LOOK)
    os._exit(1)


def _answer(function: Callable[[], Callable[[Any], Any]], piece: Any) -> Any:
    try:
        return function()(piece)
    except TraplineError as error:
        return error
    except Exception as error:  # a mistake of ours: where, is lost on the way
        error.add_note(traceback.format_exc())
        return error
    except BaseException as error:
        return WorkerError(f"a worker: {type(error).__name__}: {error}: expected no such exception")


def _send(connection: Connection, answer: Any) -> None:
    """An answer that cannot be sent is a mistake; an exception must be one that can be made again from what is sent."""
    try:
        said = pickle.dumps(answer)
        if isinstance(answer, BaseException):
            pickle.loads(said)
    except Exception as error:
        said = pickle.dumps(WorkerError(f"a worker's answer {answer!r:.200}: {error}: expected one that can be sent"))
    connection.send_bytes(said)
