"""Every word of 32 bits through the rules of a release: counts per row, and where two releases differ.

The space is cut into chunks of consecutive words. Chunks go to the workers of any `concurrent.futures.Executor`; what
comes back is kept by chunk number, so that a chunk counts once however often it was tried. A worker that is
lost takes nothing with it: its chunk is tried again.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Thread

from emu.errors import TraplineError, UsageError, WorkerError
from emu.parallel.processes import Spawning
from emu.verdict.rules import RuleTable
from emu.verdict.site import Release
from emu.verdict.sweep_journal import ChunkResult, Journal
from emu.verdict.wordmap import BLOCK, BLOCKS, Comparison, Difference, WordMap, as_words

FRUITLESS_ROUNDS = 3  # rounds in which no chunk at all was finished, before giving up
Executors = Callable[[], Executor]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SweepJob:
    """What is asked about all words.

    `releases` are one, or two to compare, the older one first; counts are of the last. None is the newest. With
    `actions` words differ, too, that both releases simulate, by routines that behave differently. `space` limits the
    words to those whose upper halves are in it, by default there is no limit.
    """

    table: RuleTable
    releases: tuple[Release | None] | tuple[Release | None, Release | None] = (None,)
    features: frozenset[str] = frozenset()
    actions: bool = False
    chunks: int = 256
    space: range = range(BLOCKS)

    def __post_init__(self) -> None:
        if not self.space or self.space.step != 1 or self.space[0] < 0 or self.space[-1] >= BLOCKS:
            raise UsageError(f"{self.space}: expected upper halves from 0 to {BLOCKS - 1:#x}")
        if not 1 <= self.chunks <= len(self.space):
            raise UsageError(f"{self.chunks} chunks: expected 1 to {len(self.space)}")

    @property
    def name(self) -> str:
        """What tells one job from another, the rows themselves included."""
        what = (self.table.rules, self.releases, sorted(self.features), self.actions, self.chunks, self.space)
        return hashlib.sha256(repr(what).encode()).hexdigest()

    def blocks(self, chunk: int) -> range:
        """The upper halves of the words of a chunk."""
        blocks = len(self.space)
        return self.space[blocks * chunk // self.chunks : blocks * (chunk + 1) // self.chunks]

    @property
    def words(self) -> int:
        """How many words that are, 2^32 without a limit."""
        return len(self.space) * BLOCK

    def differences(self) -> Iterator[Difference]:
        """All words about which the two releases differ, as ranges."""
        comparison = _maps(self)[1]
        return iter(()) if comparison is None else comparison.differences(self.space)


@dataclass(frozen=True)
class SweepReport:
    """Counts by row name, 0 included; `differing` is how many words differ.

    `seconds` and `words_per_second` are of this run. `resumed` counts the chunks that the journal already had,
    `retried` those that were lost with a worker and tried again. `words` is how many the counts are of, fewer
    than the job's if it was interrupted.
    """

    counts: dict[str, int]
    differing: int
    seconds: float
    words_per_second: float
    resumed: int
    retried: int
    words: int


def sweep(
    job: SweepJob,
    executors: Executors | None = None,
    progress: Progress | None = None,
    journal: Path | None = None,
) -> SweepReport:
    """Classify all words of a job.

    `executors` makes an executor, and another one when the first is broken (None: all in this process). `progress` is
    told the numbers of words done and of all. `journal` is a file that remembers the finished chunks; if it is there,
    the sweep goes on from it. An interrupt (^C) gives the report of what is done. UsageError for a journal of another
    job, WorkerError when workers are lost again and again.
    """
    rules = _maps(job)[0].rules  # an unusable table is reported here and not by a worker
    record = Journal.open(journal, job.name, {chunk: len(job.blocks(chunk)) * BLOCK for chunk in range(job.chunks)})
    resumed, words_before, started = len(record.done), record.words, time.perf_counter()
    tell, retried = progress or (lambda _done, _all: None), 0
    tell(words_before, job.words)
    with suppress(KeyboardInterrupt):
        retried = _finish(job, executors, record, tell)
    seconds = time.perf_counter() - started
    counts = Counter({rule.name: 0 for rule in rules})
    for result in record.done.values():
        counts.update(result.counts)
    differing = sum(result.differing for result in record.done.values())
    speed = (record.words - words_before) / seconds
    return SweepReport(dict(counts), differing, seconds, speed, resumed, retried, record.words)


def sweep_chunk(job: SweepJob, chunk: int) -> ChunkResult:
    """What a worker does: every word of one chunk."""
    words, comparison = _maps(job)
    blocks = job.blocks(chunk)
    return ChunkResult(chunk, words.count_blocks(blocks), comparison.count_blocks(blocks) if comparison else 0)


def sweep_halfwords(job: SweepJob, halfwords: Iterable[int]) -> tuple[dict[str, int], list[tuple[int, str, str]]]:
    """Counts by row name of 16-bit instructions, and those that differ, each with the two rows that decide.

    A row that looks at bits 31..16 sees zeros there.
    """
    halves = list(halfwords)
    words, comparison = _maps(job)
    return words.count(as_words(halves)), list(comparison.among(halves)) if comparison else []


def processes(count: int) -> Executors:
    """Executors of `count` processes on this machine; spawned, because a fork copies locks that threads hold."""
    return lambda: ProcessPoolExecutor(count, Spawning(), initializer=_follow_the_parent)


def _follow_the_parent() -> None:
    """End when it does: workers of a parent that was killed would wait for ever."""
    Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@lru_cache(maxsize=1)  # a worker gets one chunk of a job after the other
def _maps(job: SweepJob) -> tuple[WordMap, Comparison | None]:
    words = WordMap.build(job.table, job.releases[-1], job.features)
    if len(job.releases) == 1:
        return words, None
    return words, Comparison(WordMap.build(job.table, job.releases[0], job.features), words, job.actions)


def _finish(job: SweepJob, executors: Executors | None, record: Journal, tell: Progress) -> int:
    """Round after round until every chunk is recorded; how many chunks had to be tried again."""
    retried = fruitless = 0
    while todo := [chunk for chunk in range(job.chunks) if chunk not in record.done]:
        if executors is None:
            _here(job, todo, record, tell)
            continue
        failure = _round(job, todo, executors, record, tell)
        left = job.chunks - len(record.done)
        retried += left
        fruitless = fruitless + 1 if left == len(todo) else 0
        if fruitless == FRUITLESS_ROUNDS:
            raise WorkerError(f"chunk {todo[0]} and {left - 1} more failed {fruitless} times in a row: {failure!r}")
    return retried


def _here(job: SweepJob, todo: list[int], record: Journal, tell: Progress) -> None:
    for chunk in todo:
        record.add(sweep_chunk(job, chunk))
        tell(record.words, job.words)


def _round(job: SweepJob, todo: list[int], executors: Executors, record: Journal, tell: Progress) -> Exception | None:
    """Try each chunk once on a new executor; the last failure, None if there was none."""
    failure = None
    with executors() as pool:
        futures = _submit(pool, job, todo)
        try:
            for future in as_completed(futures):
                error = _record(future, job, record, tell)
                failure = error or failure
        except BaseException:
            for future in futures:
                future.cancel()  # or leaving the pool waits for all of them
            raise
    return failure


def _submit(pool: Executor, job: SweepJob, todo: list[int]) -> list[Future[ChunkResult]]:
    futures = []
    for chunk in todo:
        try:
            futures.append(pool.submit(sweep_chunk, job, chunk))
        except BrokenExecutor:  # a worker was lost already: what was not submitted waits for the next round
            break
    return futures


def _record(future: Future[ChunkResult], job: SweepJob, record: Journal, tell: Progress) -> Exception | None:
    try:
        result = future.result()
    except TraplineError:
        raise
    except (
        Exception
    ) as error:  # whatever an executor raises for a worker that is gone: names differ from one to another
        return error
    record.add(result)
    tell(record.words, job.words)
    return None
