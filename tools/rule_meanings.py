"""Hold a kernel's rule table against disassemblers: the row that decides about a word must be the one meant for it.

A `Meaning` says which row is meant for the instructions that a pattern names, and, where the kernel decides by another
one, which and why (`Mistake`). Words that no disassembler knows belong to a row by their encoding class
(`Unallocated`). So a row that takes too much, or too little, shows up as a word that belongs to another row.
"""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from emu.verdict.rules import WORD_BITS, Rule, RuleTable
from emu.verdict.site import Release
from emu.verdict.wordmap import WordMap, as_words
from tools.check_common import BATCH, SHOWN, Comparison

UNKNOWN = -1  # in place of an entry's number: the disassembler knows no such instruction

Texts = Callable[[Sequence[int]], list[str | None]]


@dataclass(frozen=True)
class Mistake:
    """The kernel decides by another row than the ISA asks for, a pattern of its name; `until` a release, exclusive."""

    row: str
    why: str
    until: Release | None = None

    def in_force(self, release: Release | None) -> bool:
        return self.until is None or (release is not None and release < self.until)


@dataclass(frozen=True)
class Meaning:
    """Patterns, all of whole strings and blind to case: of the row that is right, of mnemonic and operands.

    An empty `row` says that none is: the kernel has no row for what the instruction needs.
    """

    row: str
    mnemonic: str
    operands: str = ".*"
    mistake: Mistake | None = None
    why: str = ""  # it is counted by this, although the row is right


@dataclass(frozen=True)
class Unallocated:
    """An encoding class with words that no disassembler knows, and the row that takes them all the same."""

    row: str
    mask: int
    value: int
    why: str
    mistake: Mistake | None = None


@dataclass
class Meanings:
    """What the instructions of an ISA mean to a rule table; the first entry that fits a text or a word counts.

    `default` is the row of all other words.
    """

    instructions: tuple[Meaning, ...]
    default: str
    unallocated: tuple[Unallocated, ...]
    entries: tuple[Meaning | Unallocated, ...] = field(init=False)
    _numbers: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known = len(self.instructions) + 1
        rest = Unallocated(self.default, 0, 0, "unallocated, or newer than the tools")
        self.entries = (*self.instructions, Meaning(self.default, ".*"), *self.unallocated, rest)

    def number(self, text: str | None) -> int:
        """Which entry a text belongs to; `UNKNOWN` for None."""
        if text is None:
            return UNKNOWN
        mnemonic, _, operands = text.partition(" ")
        if mnemonic not in self._numbers:
            self._numbers[mnemonic] = self._named(mnemonic)
        numbers = self._numbers[mnemonic]
        return next(number for number in numbers if _fits(self._operands(number), operands))

    def _operands(self, number: int) -> str:
        return self.instructions[number].operands if number < len(self.instructions) else ".*"

    def unknown_number(self, word: int) -> int:
        """Which entry a word belongs to that no disassembler knows."""
        classes = enumerate((*self.unallocated, Unallocated("", 0, 0, "")), start=self._known)
        return next(number for number, entry in classes if word & entry.mask == entry.value)

    def judge(self, number: int, row: str, release: Release | None) -> str | None:
        """Why this row decides: empty if it is the right one, a reason if it is explained, None if neither."""
        entry = self.entries[number]
        mistaken = entry.mistake is not None and entry.mistake.in_force(release)
        right, why = (entry.mistake.row, entry.mistake.why) if entry.mistake and mistaken else (entry.row, entry.why)
        if not re.fullmatch(right, row):
            return None
        return f"{row}: {why}" if why else ""

    def judge_word(self, word: int, texts: Collection[str | None], row: str, release: Release | None) -> bool:
        """Whether a word belongs to a row by all that the disassemblers say, None for one that does not know it."""
        numbers = [self.number(text) for text in texts if text is not None] or [self.unknown_number(word)]
        return all(self.judge(number, row, release) is not None for number in numbers)

    def _named(self, mnemonic: str) -> tuple[int, ...]:
        entries = (*self.instructions, Meaning(self.default, ".*"))
        return tuple(number for number, entry in enumerate(entries) if _fits(entry.mnemonic, mnemonic))


def _fits(pattern: str, text: str) -> bool:
    return pattern == ".*" or re.fullmatch(pattern, text, re.IGNORECASE) is not None


@dataclass(frozen=True)
class Ruling:
    """The rules of one release on one kind of CPU, and what they ought to mean."""

    what: str
    words: WordMap
    release: Release | None
    meanings: Meanings

    @classmethod
    def of(cls, what: str, table: RuleTable, meanings: Meanings, release: Release | None, features: str = "") -> Ruling:
        return cls(what, WordMap.build(table, release, features.split()), release, meanings)


def compare(rulings: Sequence[Ruling], tools: Mapping[str, Texts], batches: Iterable[list[int]]) -> list[Comparison]:
    """Each ruling against each tool, and what it says to words that no tool knows."""
    results = [[Comparison(f"{ruling.what}, {said}") for said in (*tools, "words of no tool")] for ruling in rulings]
    for words in batches:
        texts = [tool(words) for tool in tools.values()]
        numbers: dict[int, list[list[int]]] = {}  # by meanings, which releases share
        for ruling, comparisons in zip(rulings, results, strict=True):
            meanings = ruling.meanings
            if id(meanings) not in numbers:
                numbers[id(meanings)] = _all_numbers(meanings, words, texts)
            rows = ruling.words.classify(as_words(words)).tolist()
            for at, comparison in enumerate(comparisons):
                said = texts[at] if at < len(texts) else [None] * len(words)
                pairs = list(zip(words, said, strict=True))
                _count(comparison, ruling, pairs, numbers[id(meanings)][at], rows)
    return [comparison for comparisons in results for comparison in comparisons]


def _all_numbers(meanings: Meanings, words: list[int], texts: list[list[str | None]]) -> list[list[int]]:
    """The entry of each word by each tool, and last those of words that none knows; `UNKNOWN` where it has none."""
    found = [list(map(meanings.number, said)) for said in texts]
    known = [max(numbers) != UNKNOWN for numbers in zip(*found, strict=True)]
    return [*found, [UNKNOWN if at else meanings.unknown_number(word) for word, at in zip(words, known, strict=True)]]


def _count(
    result: Comparison, ruling: Ruling, said: list[tuple[int, str | None]], numbers: list[int], rows: list[int]
) -> None:
    """Add the words that have an entry, all of one entry and row at a time."""
    for (number, row), count in Counter(zip(numbers, rows, strict=True)).items():
        if number == UNKNOWN:
            continue
        result.compared += count
        name = ruling.words.rules[row].name
        reason = ruling.meanings.judge(number, name, ruling.release)
        if reason:
            result.explained[reason] += count
        elif reason is None:
            found = (pair for pair, *at in zip(said, numbers, rows, strict=True) if at == [number, row])
            _differ(result, count, (f"{word:08x} {text or 'no instruction'}: row {name}" for word, text in found))


def _differ(result: Comparison, count: int, examples: Iterator[str]) -> None:
    for example in itertools.islice(examples, min(count, SHOWN)):
        result.disagree(example)
    result.disagreements += count - min(count, SHOWN)


# Which words


def row_words(rules: Iterable[Rule], per_row: int, rng: random.Random) -> Iterator[int]:
    """Words in each row, and words that one bit of its mask keeps out, some with few bits set beside the row's."""
    for rule in rules:
        bits = [1 << bit for bit in range(WORD_BITS) if rule.mask >> bit & 1]
        for number in range(per_row):
            yield _filled(rule, number, rng)
            if bits:
                yield _filled(rule, number, rng) ^ rng.choice(bits)
        yield from (_filled(rule, number, rng) ^ bit for bit in bits for number in range(2))


def _filled(rule: Rule, number: int, rng: random.Random) -> int:
    free = rng.getrandbits(WORD_BITS)
    if number % 2:  # sparse, for encodings that want fields of zeros
        free &= rng.getrandbits(WORD_BITS) & rng.getrandbits(WORD_BITS)
    return rule.value | free & ~rule.mask


def sample(rules: Sequence[Rule], given: Iterable[int], count: int, per_row: int, seed: int) -> Iterator[list[int]]:
    """Batches: the given words, words about each row, then `count` random ones."""
    rng = random.Random(seed)
    yield list(dict.fromkeys([*given, *row_words(rules, per_row, rng)]))
    for start in range(0, count, BATCH):
        yield [rng.getrandbits(WORD_BITS) for _ in range(min(BATCH, count - start))]
