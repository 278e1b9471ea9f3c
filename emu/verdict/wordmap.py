"""Which row decides about a word, for as many words as one likes: the rules of one release as a table of bytes.

The upper half of a word picks a page of 65,536 bytes, the lower half the row's number on it. Upper halves about
which the rules say the same share a page, so a whole architecture fits in a few megabytes, and looking a word up is
two array accesses whatever the number of rules. The only file that imports NumPy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from emu.errors import TableError
from emu.verdict.rules import Rule, RuleTable
from emu.verdict.site import Release

HALF_BITS = 16
BLOCK = 1 << HALF_BITS  # words with one upper half
BLOCKS = 1 << HALF_BITS
MAX_RULES = 255  # rows are numbered in a byte

Words = NDArray[np.uint32]
Bytes = NDArray[np.uint8]
_HALVES = np.arange(BLOCK, dtype=np.uint32)


@dataclass(frozen=True, eq=False)
class WordMap:
    """The rules of one release, and for every word the index in `rules` of the first that matches.

    `page_of[upper half]` is a page number, `pages[page, lower half]` the index.
    """

    rules: tuple[Rule, ...]
    page_of: NDArray[np.intp]
    pages: Bytes

    @classmethod
    def build(cls, table: RuleTable, release: Release | None, features: Collection[str] = ()) -> WordMap:
        """The map of a table's rows in a release (None: the newest); TableError for more than 255 rows."""
        rules = table.in_force(release, features)
        if len(rules) > MAX_RULES:
            raise TableError(f"{table.where}: {len(rules)} rows in one release: expected at most {MAX_RULES}")
        numbers: dict[bytes, int] = {}  # of pages, by what the rules make of an upper half
        page_of = [numbers.setdefault(states, len(numbers)) for states in _states_of_upper_halves(rules)]
        return cls(rules, np.array(page_of, dtype=np.intp), np.stack([_page(rules, states) for states in numbers]))

    def classify(self, words: Words) -> Bytes:
        """For each word the index of its row in `rules`, in an array of the same shape."""
        at = self.page_of[words >> np.uint32(HALF_BITS)]
        at <<= HALF_BITS
        at |= words & np.uint32(BLOCK - 1)
        rows: Bytes = self.pages.reshape(-1)[at]
        return rows

    def count(self, words: Words) -> dict[str, int]:
        """How many of the words each row decides, by the row's name, 0 included."""
        return self._named(np.bincount(self.classify(words).reshape(-1), minlength=len(self.rules)))

    def count_blocks(self, blocks: range) -> dict[str, int]:
        """`count` of all words whose upper halves are in `blocks`, one block at a time."""
        total = np.zeros(len(self.rules), dtype=np.int64)
        for upper in blocks:
            total += np.bincount(self.pages[self.page_of[upper]], minlength=len(self.rules))
        return self._named(total)

    def _named(self, counts: NDArray[np.intp]) -> dict[str, int]:
        return {rule.name: int(count) for rule, count in zip(self.rules, counts, strict=True)}


def _states_of_upper_halves(rules: Sequence[Rule]) -> Iterator[bytes]:
    """For each upper half what each rule makes of it, a byte per rule.

    0: it cannot match, or a rule before it takes the whole block. 1: it depends on the lower half. 2: so it does,
    but a bit of the upper half already meets the non-zero condition.
    """
    states = np.zeros((len(rules), BLOCKS), dtype=np.uint8)
    taken = np.zeros(BLOCKS, dtype=bool)
    for state, rule in zip(states, rules, strict=True):
        fits = (_HALVES & (rule.mask >> HALF_BITS)) == rule.value >> HALF_BITS
        met = (_HALVES & (rule.nonzero >> HALF_BITS)) != 0 if rule.nonzero else np.ones(BLOCKS, dtype=bool)
        state[:] = np.where(fits & ~taken, np.where(met, 2, 1), 0)
        if not rule.mask % BLOCK:
            taken |= fits & met
    columns, height = states.T.tobytes(), len(rules)
    return (columns[at : at + height] for at in range(0, len(columns), height))


def _page(rules: Sequence[Rule], states: bytes) -> Bytes:
    """The index of the first rule that matches each lower half, given what the rules made of the upper one."""
    page = np.full(BLOCK, MAX_RULES, dtype=np.uint8)
    for index, rule in reversed(list(enumerate(rules))):
        if not states[index]:
            continue
        fits = (_HALVES & (rule.mask % BLOCK)) == rule.value % BLOCK
        if states[index] == 1:
            fits &= (_HALVES & (rule.nonzero % BLOCK)) != 0
        page[fits] = index
    return page


@dataclass(frozen=True)
class Difference:
    """Words about which two releases differ: every upper half in `upper` with every lower half in `lower`.

    Ranges are inclusive pairs. `old` and `new` are the names of the rows that decide.
    """

    upper: tuple[int, int]
    lower: tuple[int, int]
    old: str
    new: str

    @property
    def count(self) -> int:
        """How many words these are."""
        return (self.upper[1] - self.upper[0] + 1) * (self.lower[1] - self.lower[0] + 1)

    def words(self) -> Iterator[int]:
        """The words, ascending."""
        for upper in range(self.upper[0], self.upper[1] + 1):
            yield from range(upper << HALF_BITS | self.lower[0], (upper << HALF_BITS | self.lower[1]) + 1)


Run = tuple[tuple[int, int], str, str]  # first and last lower half, the rows that decide


class Comparison:
    """Two releases side by side.

    Words differ whose verdicts differ, or with `actions` also those that another routine simulates.
    """

    def __init__(self, old: WordMap, new: WordMap, actions: bool = False) -> None:
        answers = [(rule.verdict, rule.action if actions else None) for rule in (*old.rules, *new.rules)]
        numbers = np.array([answers.index(answer) for answer in answers])
        self.old, self.new = old, new
        self._old_answers = numbers[: len(old.rules)].astype(np.uint16)[old.pages]
        self._new_answers = numbers[len(old.rules) :].astype(np.uint16)[new.pages]

    def count_blocks(self, blocks: range) -> int:
        """How many words differ of those whose upper halves are in `blocks`, one block at a time."""
        return sum(int(np.count_nonzero(self._differing(upper))) for upper in blocks)

    def differences(self, blocks: range) -> Iterator[Difference]:
        """The words in `blocks` about which the releases differ; upper halves alike in that are taken together."""
        known: dict[tuple[int, int], tuple[Run, ...]] = {}
        for runs, group in groupby(blocks, key=lambda upper: self._runs(upper, known)):
            uppers = list(group)
            for run in runs:
                yield Difference((uppers[0], uppers[-1]), *run)

    def among(self, words: Iterable[int]) -> Iterator[tuple[int, str, str]]:
        """The given words that differ, each with the names of the rows that decide."""
        for word in words:
            upper, lower = divmod(word, BLOCK)
            if self._differing(upper)[lower]:
                yield word, *self._names(word)

    def _differing(self, upper: int) -> NDArray[np.bool_]:
        differ: NDArray[np.bool_] = (
            self._old_answers[self.old.page_of[upper]] != self._new_answers[self.new.page_of[upper]]
        )
        return differ

    def _runs(self, upper: int, known: dict[tuple[int, int], tuple[Run, ...]]) -> tuple[Run, ...]:
        """The runs of lower halves that differ in a block, looked up in `known` by its pages."""
        pages = int(self.old.page_of[upper]), int(self.new.page_of[upper])
        if pages not in known:
            runs = _runs(self._differing(upper), self._rows(upper))
            known[pages] = tuple((run, *self._names(upper << HALF_BITS | run[0])) for run in runs)
        return known[pages]

    def _rows(self, upper: int) -> NDArray[np.uint16]:
        old, new = self.old.pages[self.old.page_of[upper]], self.new.pages[self.new.page_of[upper]]
        both: NDArray[np.uint16] = old.astype(np.uint16) << 8 | new
        return both

    def _names(self, word: int) -> tuple[str, str]:
        at = as_words([word])
        return self.old.rules[self.old.classify(at)[0]].name, self.new.rules[self.new.classify(at)[0]].name


def _runs(wanted: NDArray[np.bool_], rows: NDArray[np.uint16]) -> Iterator[tuple[int, int]]:
    """First and last index of each run of wanted elements in one row."""
    starts = np.concatenate(([0], np.flatnonzero(np.diff(rows)) + 1))
    ends = np.concatenate((starts[1:], [len(rows)])) - 1
    chosen = wanted[starts]
    yield from zip(starts[chosen].tolist(), ends[chosen].tolist(), strict=True)


def as_words(words: Iterable[int]) -> Words:
    """Words of up to 32 bits as the array that `classify` takes."""
    return np.fromiter(words, dtype=np.uint32)
