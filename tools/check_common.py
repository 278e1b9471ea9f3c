"""What table checkers share: findings, sample words, and comparing texts that differ in spelling only."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from emu.isa.table import Row, Table

SHOWN = 20  # disagreements that are kept and printed
BATCH = 100_000


@dataclass
class Comparison:
    """One comparison with one tool. `explained` counts words by the reason why a difference is right."""

    what: str
    compared: int = 0
    disagreements: int = 0
    examples: list[str] = field(default_factory=list)
    explained: Counter[str] = field(default_factory=Counter)
    skipped: str | None = None

    def disagree(self, example: str) -> None:
        self.disagreements += 1
        if len(self.examples) < SHOWN:
            self.examples.append(example)


def report(comparison: Comparison) -> str:
    """A comparison as lines of text."""
    if comparison.skipped is not None:
        return f"{comparison.what}: skipped: {comparison.skipped}"
    lines = [f"{comparison.what}: {comparison.compared:,} compared, {comparison.disagreements:,} disagreements"]
    lines += [f"  explained: {count:,} {reason}" for reason, count in comparison.explained.most_common()]
    lines += [f"  {example}" for example in comparison.examples]
    return "\n".join(lines)


def edge_words(row: Row) -> set[int]:
    """All fields 0, all at their highest, and each one alone at its highest."""
    words = {row.bits}
    full = row.bits
    for entry in row.fields:
        bits = sum(((1 << piece.width) - 1) << piece.word_low for piece in entry.pieces)
        words.add(row.bits | bits)
        full |= bits
    return words | {full}


def near_words(row: Row) -> set[int]:
    """Words that one fixed bit keeps out of a row."""
    return {row.bits ^ 1 << bit for bit in range(8 * row.size) if row.mask >> bit & 1}


def sample_words(table: Table, size: int, count: int, seed: int) -> Iterator[list[int]]:
    """Batches of words: every row's edges and near misses, then random ones, half of them inside rows."""
    rows = [row for row in table.rows if row.size == size]
    edges = sorted(set().union(*(edge_words(row) | near_words(row) for row in rows)))
    yield edges
    rng = random.Random(seed)
    for start in range(len(edges), count, BATCH):
        yield [_random_word(rows, size, rng) for _ in range(min(BATCH, count - start))]


def _random_word(rows: list[Row], size: int, rng: random.Random) -> int:
    word = rng.getrandbits(8 * size)
    if rng.random() < 0.5:
        return word
    row = rng.choice(rows)
    return word & ~row.mask | row.bits


_TOKEN = re.compile(r"-?0x[0-9a-fA-F]+|-?\d+\b|[A-Za-z_$.%][\w.$]*|[^\s,]")


def normal(text: str | None, bits: int = 64) -> tuple[str | int, ...] | None:
    """A text's tokens without commas and white space, numbers as unsigned integers, to compare spellings."""
    if text is None:
        return None
    return tuple(_token(token, bits) for token in _TOKEN.findall(text))


def _token(token: str, bits: int) -> str | int:
    try:
        return int(token, 0) & (1 << bits) - 1
    except ValueError:
        return token
