"""Searching in processes of their own: neither an engine that dies nor a ^C takes anything with it.

A process notes which case it runs before it runs it, so that the one that killed it can be named. Its work is then done
again, without that case. After a ^C every process answers with what it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from emu.errors import GuestError
from emu.parallel.local import Processes, Side
from emu.parallel.pool import Death, Lost, answers
from emu.transparent.case import Case
from emu.transparent.replay import Replay
from emu.transparent.search import Search
from emu.transparent.tally import Finding, Group, Quota, Tally

MakeSearch = Callable[[], Search]
RETRIES = 8  # of one piece of work, each without one more case


@dataclass(frozen=True)
class Job:
    """One of `Search`'s methods, its argument, and the cases that it must not run."""

    method: str
    argument: Any
    lethal: tuple[Case, ...] = ()


class Pool:
    """Processes with a search each, made when there is work; close it, or use it in `with`. `deaths` are of processes
    that ended without an answer; what each had noted is the case that it ran, None if it had begun none."""

    def __init__(self, make: MakeSearch, processes: int) -> None:
        self.deaths: list[Death] = []
        self._crew = Processes(partial(_worker, make), processes, stoppable=True)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.end()

    def run(self, quotas: Sequence[Quota]) -> Iterator[Tally]:
        """The tallies in the order of the quotas; after a ^C those that there are, then KeyboardInterrupt."""
        return self._map("tally", quotas)

    def findings(self, groups: Sequence[Group]) -> Iterator[Finding]:
        """The groups with their cases shrunk; after a ^C those that were begun, then KeyboardInterrupt."""
        return self._map("finding", groups)

    def replay(self, case: Case) -> Replay:
        """GuestError if the engine does not survive it."""
        [(_, answer)] = answers(self._crew, [Job("replay", case)], lambda job, death, deaths: None)
        if isinstance(answer, Lost):
            raise GuestError(f"case: the engine does not survive it: {answer.how}")
        found: Replay = answer
        return found

    def _map(self, method: str, arguments: Sequence[Any]) -> Iterator[Any]:
        """The answers in the order of the arguments; work that kills its process again and again has none."""
        early: dict[int, Any] = {}
        following = 0
        try:
            for number, answer in answers(self._crew, [Job(method, one) for one in arguments], self._again):
                early[number] = answer
                while following in early:
                    answer, following = early.pop(following), following + 1
                    if not isinstance(answer, Lost):
                        yield answer
        except KeyboardInterrupt:
            yield from (early[number] for number in sorted(early) if not isinstance(early[number], Lost))
            raise

    def _again(self, job: Job, death: Death, deaths: int) -> Job | None:
        """The same without the case that killed the process, if one did."""
        self.deaths.append(death)
        if death.note is None or deaths > RETRIES:
            return None
        return replace(job, lethal=(*job.lethal, death.note))


def _worker(make: MakeSearch, side: Side) -> Callable[[Job], Any]:
    search = make()
    search.about_to, search.stopped = side.note, side.stopped

    def work(job: Job) -> Any:
        search.lethal = job.lethal
        return getattr(search, job.method)(job.argument)

    return work
