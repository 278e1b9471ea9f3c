"""Every word of 32 bits through the rules of a release: counts per row, and where two releases differ.

The space is cut into chunks of consecutive words. Chunks go to the workers of a crew; what comes back is kept by chunk
number, so that a chunk counts once however often it was tried.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from emu.errors import UsageError, WorkerError
from emu.parallel.interrupts import until_interrupted
from emu.parallel.local import Processes, plain
from emu.parallel.pool import Crew, Here, Lost, answers
from emu.verdict.rules import RuleTable
from emu.verdict.site import Release
from emu.verdict.sweep_journal import ChunkResult, Journal, Shape
from emu.verdict.wordmap import BLOCK, BLOCKS, Comparison, Difference, WordMap, as_words

Crews = Callable[[Callable[[Any], Any]], AbstractContextManager[Crew]]
"""Makes a crew whose workers do a function."""
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

    `seconds` and `words_per_second` are of this run. `resumed` counts the chunks that the journal already had. `words`
    is how many the counts are of, fewer than the job's if it was interrupted, or if chunks were lost with their
    workers, which `lost` then says.
    """

    counts: dict[str, int]
    differing: int
    seconds: float
    words_per_second: float
    resumed: int
    words: int
    lost: str | None = None


def sweep(
    job: SweepJob,
    crews: Crews = Here,
    progress: Progress = lambda done, all: None,
    journal: Path | None = None,
    warn: Callable[[str], None] = lambda message: None,
) -> SweepReport:
    """Classify all words of a job.

    `crews` makes those who do it, by default this process alone. `progress` is told the numbers of words done and of
    all. `journal` is a file that remembers the finished chunks; if it is there, the sweep goes on from it; `warn` is
    told if it cannot be written any more. An interrupt (^C), and the loss of workers, give the report of what is done.
    UsageError for a journal of another job.
    """
    rules = _maps(job)[0].rules  # an unusable table is reported here and not by a worker
    sizes = {chunk: len(job.blocks(chunk)) * BLOCK for chunk in range(job.chunks)}
    record = Journal.open(journal, Shape(job.name, sizes, {rule.name for rule in rules}), warn)
    resumed, words_before, started = len(record.done), record.words, time.perf_counter()
    lost = None
    with until_interrupted():
        lost = _finish(job, crews, record, progress)
    seconds = time.perf_counter() - started
    counts = Counter({rule.name: 0 for rule in rules})
    for result in record.done.values():
        counts.update(result.counts)
    differing = sum(result.differing for result in record.done.values())
    speed = (record.words - words_before) / seconds
    return SweepReport(dict(counts), differing, seconds, speed, resumed, record.words, lost)


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


def processes(count: int) -> Crews:
    """Crews of `count` processes on this machine."""
    return lambda function: Processes(plain(function), count)


@lru_cache(maxsize=1)  # a worker gets one chunk of a job after the other
def _maps(job: SweepJob) -> tuple[WordMap, Comparison | None]:
    words = WordMap.build(job.table, job.releases[-1], job.features)
    if len(job.releases) == 1:
        return words, None
    return words, Comparison(WordMap.build(job.table, job.releases[0], job.features), words, job.actions)


def _finish(job: SweepJob, crews: Crews, record: Journal, tell: Progress) -> str | None:
    """Until every chunk is recorded; which ones were lost, if any."""
    tell(record.words, job.words)
    todo = [chunk for chunk in range(job.chunks) if chunk not in record.done]
    lost: list[str] = []
    try:
        with crews(partial(sweep_chunk, job)) as crew:
            for number, answer in answers(crew, todo):
                if isinstance(answer, Lost):
                    lost.append(f"chunk {todo[number]} ended its worker twice ({answer.how})")
                    continue
                record.add(answer)
                tell(record.words, job.words)
    except WorkerError as error:
        return str(error)
    return f"{lost[0]}, and {len(lost) - 1} more did" if len(lost) > 1 else "".join(lost) or None
