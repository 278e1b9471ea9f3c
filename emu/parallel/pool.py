"""Pieces of work, and what is done when a worker dies: the same for processes of this machine and for a cluster.

A worker that is lost costs its own piece only. That is tried once more, and lost if it costs a second worker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from emu.parallel.interrupts import interrupts_held


@dataclass(frozen=True)
class Death:
    """A worker that ended without an answer: how, and what it had noted last, None if it had noted nothing."""

    how: str
    note: Any = None


@dataclass(frozen=True)
class Lost:
    """A piece without an answer, and how the last worker that tried it ended."""

    how: str


class Crew(Protocol):
    """Workers that are given pieces, by number. Each method but `wait` is done as a whole, no interrupt within."""

    def free(self) -> bool:
        """Whether another piece can be begun; WorkerError if nobody ever could."""

    def busy(self) -> bool:
        """Whether any piece has been begun whose answer was not taken."""

    def begin(self, number: int, piece: Any) -> None:
        """Have a piece worked on."""

    def wait(self) -> None:
        """Until there is something to take; WorkerError if that will not come."""

    def take(self) -> list[tuple[int, Any]]:
        """Numbers of pieces with their answers, each once. One may be a Death, or an exception that was raised."""

    def stop(self) -> list[tuple[int, Any]]:
        """Give up what is under way; what there is of it already."""


Again = Callable[[Any, Death, int], Any]
"""The piece as it is to be tried again, None if it is not, from the piece, the death and how many it has cost."""


def once_more(piece: Any, _death: Death, deaths: int) -> Any:
    return piece if deaths == 1 else None


def answers(crew: Crew, pieces: Sequence[Any], again: Again = once_more) -> Iterator[tuple[int, Any]]:
    """The number of each piece with its answer, or with what tells that it is Lost, as they come.

    What a piece raises is raised here. After a ^C come the answers that there are, then the KeyboardInterrupt.
    """
    work = _Work(crew, pieces, again)
    try:
        while work.todo or crew.busy():
            with interrupts_held():
                work.begin()
            crew.wait()
            with interrupts_held():
                work.take()
            yield from work.done()
    except KeyboardInterrupt:
        with interrupts_held():
            work.keep(crew.stop())
        yield from work.done()
        raise
    finally:
        with interrupts_held():
            crew.stop()


class _Work:
    """What is to be done, and the answers that have not been handed on yet."""

    def __init__(self, crew: Crew, pieces: Sequence[Any], again: Again) -> None:
        self.todo = deque(enumerate(pieces))
        self._crew, self._again = crew, again
        self._under_way: dict[int, Any] = {}
        self._deaths: dict[int, int] = {}
        self._done: deque[tuple[int, Any]] = deque()

    def begin(self) -> None:
        while self.todo and self._crew.free():
            number, piece = self.todo[0]
            self._crew.begin(number, piece)
            self._under_way[number] = piece
            self.todo.popleft()

    def take(self) -> None:
        for number, answer in self._crew.take():
            if isinstance(answer, Death):
                self._died(number, answer)
            else:
                self._done.append((number, answer))

    def keep(self, found: Sequence[tuple[int, Any]]) -> None:
        self._done.extend((number, answer) for number, answer in found if not isinstance(answer, Death | Exception))

    def _died(self, number: int, death: Death) -> None:
        deaths = self._deaths[number] = self._deaths.get(number, 0) + 1
        piece = self._again(self._under_way[number], death, deaths)
        if piece is None:
            self._done.append((number, Lost(death.how)))
        else:
            self.todo.appendleft((number, piece))

    def done(self) -> Iterator[tuple[int, Any]]:
        while self._done:
            number, answer = self._done.popleft()
            if isinstance(answer, Exception):
                raise answer
            yield number, answer


class Here:
    """A crew of this process alone: one piece at a time, worked on while it is waited for."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._piece: tuple[int, Any] | None = None
        self._answer: list[tuple[int, Any]] = []

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def free(self) -> bool:
        return self._piece is None

    def busy(self) -> bool:
        return self._piece is not None

    def begin(self, number: int, piece: Any) -> None:
        self._piece = number, piece

    def wait(self) -> None:
        if self._piece is not None:
            number, piece = self._piece
            self._answer = [(number, self._function(piece))]

    def take(self) -> list[tuple[int, Any]]:
        taken, self._answer, self._piece = self._answer, [], None
        return taken

    def stop(self) -> list[tuple[int, Any]]:
        return self.take()
