"""Searching in processes of their own: neither an engine that dies nor a ^C takes anything with it.

A process says which case it runs before it runs it, so that the one that killed it can be named. Its work is then done
again, without that case. After a ^C every process answers with what it has.
"""

from __future__ import annotations

import pickle
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from ctypes import c_char
from dataclasses import dataclass, replace
from functools import cache, partial
from multiprocessing import Pipe, Process, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.sharedctypes import RawArray
from typing import Any

from emu.errors import GuestError, TraplineError
from emu.parallel.processes import interrupts_held
from emu.transparent.case import Case
from emu.transparent.replay import Replay
from emu.transparent.search import Search
from emu.transparent.tally import Finding, Group, Quota, Tally

MakeSearch = Callable[[], Search]
LAST_CASE = 1 << 16  # bytes, for a pickled case behind its size: most are the buffer's
SIZE = 4  # bytes of the size
RETRIES = 8  # of one piece of work, each without one more case


@dataclass(frozen=True)
class Death:
    """A process that ended without an answer: how, and the case that it ran, None if it had begun none."""

    how: str
    case: Case | None


@dataclass(frozen=True)
class Job:
    """One of `Search`'s methods, its argument, and the cases that it must not run."""

    method: str
    argument: Any
    lethal: tuple[Case, ...] = ()


class Pool:
    """Processes with a search each, made when there is work; close it, or use it in `with`."""

    def __init__(self, make: MakeSearch, processes: int) -> None:
        self.deaths: list[Death] = []
        self._make, self._processes = make, processes
        self._workers: list[Worker] = []

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()

    def run(self, quotas: Sequence[Quota]) -> Iterator[Tally]:
        """The tallies in the order of the quotas; after a ^C those that there are, then KeyboardInterrupt."""
        return self._map("tally", quotas)

    def findings(self, groups: Sequence[Group]) -> Iterator[Finding]:
        """The groups with their cases shrunk; after a ^C those that were begun, then KeyboardInterrupt."""
        return self._map("finding", groups)

    def replay(self, case: Case) -> Replay:
        """GuestError if the engine does not survive it."""
        [worker] = self._ready(1)
        worker.ask(0, Job("replay", case))
        answer = worker.answer()
        if isinstance(answer, Death):
            raise GuestError(f"case: the engine does not survive it: {answer.how}")
        found: Replay = answer
        return found

    def _ready(self, wanted: int) -> list[Worker]:
        while len(self._workers) < min(wanted, self._processes):
            self._workers.append(Worker(self._make))
        return self._workers[:wanted]

    def _map(self, method: str, arguments: Sequence[Any]) -> Iterator[Any]:
        """The answers in the order of the arguments; work that kills its process again and again has none."""
        work = Work([Job(method, argument) for argument in arguments])
        idle = self._ready(len(arguments))
        busy: dict[Connection, Worker] = {}
        try:
            while work.todo or busy:
                while work.todo and idle:
                    worker = idle.pop()
                    worker.ask(*work.todo.popleft())
                    busy[worker.connection] = worker
                answered = wait(busy)
                for connection in [one for one in busy if one in answered]:
                    worker = busy.pop(connection)
                    idle.append(worker)
                    self._take(worker, work)
                yield from work.ready()
        except KeyboardInterrupt:
            for worker in busy.values():
                worker.stop()
                self._take(worker, work)
            yield from (work.answers[number] for number in sorted(work.answers))
            raise

    def _take(self, worker: Worker, work: Work) -> None:
        """A worker's answer. After a death the same is to be done without the case that killed it, if one did."""
        number, job = worker.asked()
        answer = worker.answer()
        if not isinstance(answer, Death):
            work.answers[number] = answer
            return
        self.deaths.append(answer)
        if answer.case is not None and len(job.lethal) < RETRIES:
            work.todo.appendleft((number, replace(job, lethal=(*job.lethal, answer.case))))
        else:
            work.given_up.add(number)


class Work:
    """What is to be done, by number, and the answers that have not been handed on yet."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.todo = deque(enumerate(jobs))
        self.answers: dict[int, Any] = {}
        self.given_up: set[int] = set()
        self._following = 0

    def ready(self) -> Iterator[Any]:
        """The answers that come next in order; none twice."""
        while self._following in self.answers or self._following in self.given_up:
            number, self._following = self._following, self._following + 1
            if number in self.answers:
                yield self.answers.pop(number)


class Worker:
    """A process and the pipe to it. One that has died is replaced."""

    def __init__(self, make: MakeSearch) -> None:
        self._make = make
        self._asked: tuple[int, Job] | None = None
        self._start()

    def _start(self) -> None:
        self.connection, theirs = Pipe()
        self._last = RawArray(c_char, LAST_CASE)
        self._process = Process(target=serve, args=(self._make, theirs, self._last), daemon=True)
        with interrupts_held():
            self._process.start()
        theirs.close()

    def ask(self, number: int, job: Job) -> None:
        if self._asked is not None:  # a ^C came before its answer was taken
            self.stop()
            self.answer()
        self._asked = number, job
        self.connection.send(job)

    def asked(self) -> tuple[int, Job]:
        """The work that there is no answer to yet."""
        assert self._asked is not None
        return self._asked

    def stop(self) -> None:
        """It answers at once, with what it has."""
        self.connection.send(None)

    def answer(self) -> Any:
        """What it was asked for; a Death; or the error that it raised, raised here."""
        try:
            answer = self.connection.recv()
        except (EOFError, ConnectionResetError):
            answer = self._died()
        self._asked = None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _died(self) -> Death:
        self._process.join()
        code = self._process.exitcode or 0
        last = bytes(self._last.raw)
        length = int.from_bytes(last[:SIZE], "little")
        case = pickle.loads(last[SIZE : SIZE + length]) if length else None
        self.connection.close()
        self._start()
        return Death(signal.Signals(-code).name if code < 0 else f"exit status {code}", case)

    def end(self) -> None:
        self.connection.close()
        self._process.terminate()
        self._process.join()


def serve(make: MakeSearch, connection: Connection, last: Any) -> None:
    """What a process does: answer, until the one that asks is gone."""
    parent = parent_process()
    assert parent is not None
    search = cache(partial(_search, make, connection, last))
    while parent.sentinel not in wait([connection, parent.sentinel]):
        try:
            job = connection.recv()
        except EOFError:
            return
        if job is not None:  # a stop that came after the answer
            connection.send(_answer(search, job))


def _search(make: MakeSearch, connection: Connection, last: Any) -> Search:
    def about_to(case: Case) -> None:
        said = pickle.dumps(case)
        last[: SIZE + len(said)] = len(said).to_bytes(SIZE, "little") + said

    search = make()
    search.about_to, search.stopped = about_to, connection.poll
    return search


def _answer(search: MakeSearch, job: Job) -> Any:
    try:
        here = search()
        here.lethal = job.lethal
        return getattr(here, job.method)(job.argument)
    except TraplineError as error:
        return error
    except Exception as error:  # a mistake of ours: where, is lost on the way
        error.add_note(traceback.format_exc())
        return error
