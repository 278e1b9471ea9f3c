"""What an architecture gives to be tried: rows with random encodings, and what is known to be incomparable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from emu.bits import mask
from emu.errors import UsageError
from emu.isa.table import Field, Row, Table
from emu.spelling import one_of
from emu.verdict.rules import WORD_MASK, Rule, RuleTable
from emu.verdict.site import Release, Verdict

WINDOW = 64  # bytes of text at a place for an instruction, from the instruction on
TRIES = 2000  # random words for a row before it counts as one without any
EDGES = 0.3  # how often a field is zero or has another of its outermost values
SAME = 0.15  # how often two fields have the same value
LITERALS = ("lit", "far")  # fields
NOT_ZERO = ("dist",)
NEAR = 0x8000  # bytes to most literals
LAST_WORD = WINDOW - 4  # bytes from the last site to the last word before memory ends


@dataclass(frozen=True)
class TrialRow:
    """A row of a table, and random encodings of it; `make` gives None where no encoding belongs to the row."""

    table: str
    name: str
    make: Callable[[Random], bytes | None]

    @property
    def label(self) -> str:
        return f"{self.table}:{self.name}"


@dataclass(frozen=True)
class Limit:
    """Instructions that the CPUs here, not the kernel, make incomparable, and why; they are counted, not tried."""

    name: str
    applies: Callable[[bytes], bool]
    why: str


def _nothing(_insn: bytes, _rng: Random) -> bytes:
    return b""


def _alone(_insn: bytes) -> bytes:
    return b""


def _through(_insn: bytes, _way: int) -> bool:
    return False


def _leave(_insn: bytes, _regs: dict[str, int], _rng: Random) -> None:
    return None


def _possible(_insn: bytes, _regs: Mapping[str, int]) -> None:
    return None


@dataclass(frozen=True)
class Trials:
    """One architecture's.

    `rows(release)` are all rows, of the kernel's table and of the ISA's. `canary` is a plain instruction that a second
    probe is on, `partner(insn)` another one where that goes with it (the store of an exclusive pair). `base` is where
    text lies, `literals` whether it has some. `randomised` are registers beyond the general ones and the flags that
    get random values. `following(insn, rng)` is what stands behind it, where that counts (in a delay slot).
    `more(insn, way)`: the CPU is not through with it after a step that moved the pc by so many bytes.
    `steer(insn, regs, rng)` edits the random registers so that the instruction does something that can be compared.
    `beyond(insn, regs)` says why a state is more than the CPU here can do, None if it is not.
    """

    rows: Callable[[Release | None], Sequence[TrialRow]]
    canary: bytes
    partner: Callable[[bytes], bytes] = _alone
    base: int = 0x8020_0000
    literals: bool = False
    randomised: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    following: Callable[[bytes, Random], bytes] = _nothing
    more: Callable[[bytes, int], bool] = _through
    steer: Callable[[bytes, dict[str, int], Random], None] = _leave
    beyond: Callable[[bytes, Mapping[str, int]], str | None] = _possible


def rule_rows(
    table: RuleTable, release: Release | None, to_bytes: Callable[[int], bytes], good: Callable[[bytes], bool]
) -> Iterator[TrialRow]:
    """The rows of a kernel's table that are in force; `good` says whether bytes are an instruction at all."""
    for rule in table.in_force(release):
        yield TrialRow(table.where.rpartition("/")[2], rule.name, _rule_maker(table, rule, release, to_bytes, good))


def _rule_maker(
    table: RuleTable,
    rule: Rule,
    release: Release | None,
    to_bytes: Callable[[int], bytes],
    good: Callable[[bytes], bool],
) -> Callable[[Random], bytes | None]:
    def make(rng: Random) -> bytes | None:
        insn = None
        for _ in range(TRIES):
            free = rng.getrandbits(32)
            for _ in range(rng.randrange(4)):  # some rows have instructions among words with few bits set only
                free &= rng.getrandbits(32)
            insn = to_bytes(free & ~rule.mask & WORD_MASK | rule.value)
            row = table.find(int.from_bytes(insn, "little"), release)
            if row.name == rule.name and (rule.verdict is Verdict.REJECT or good(insn)):
                return insn
        # No instruction at all: a word that is none, which the kernel decides about too.
        return insn if insn is not None and row.name == rule.name else None

    return make


def table_rows(table: Table, name: str) -> Iterator[TrialRow]:
    """The rows of an instruction table."""
    for row in table.rows:

        def belongs(word: int, row: Row = row) -> bool:
            return table.find(word, row.size) is row

        yield TrialRow(name, row.name, _row_maker(row, belongs, table.to_bytes))


def class_rows(rows: Sequence[Row], name: str, good: Callable[[bytes], bool]) -> Iterator[TrialRow]:
    """Rows of four bytes that stand for classes of instructions: `good` says which words are some."""

    def to_bytes(word: int, _size: int) -> bytes:
        return word.to_bytes(4, "little")

    for row in rows:
        yield TrialRow(name, row.name, _row_maker(row, lambda word: good(to_bytes(word, 4)), to_bytes))


def _row_maker(
    row: Row, belongs: Callable[[int], bool], to_bytes: Callable[[int, int], bytes]
) -> Callable[[Random], bytes | None]:
    def make(rng: Random) -> bytes | None:
        for _ in range(TRIES):
            word = random_word(row, rng)
            if row.matches(word) and belongs(word):
                return to_bytes(word, row.size)
        return None

    return make


def random_word(row: Row, rng: Random) -> int:
    """A word with the row's fixed bits; fields have edge values now and then, and pairs of them the same."""
    word = rng.getrandbits(8 * row.size) & ~row.mask | row.bits
    for field in row.fields:
        if field.name in LITERALS:
            word = _replace(word, field, _distance(field, rng))
        elif rng.random() < EDGES:
            value = rng.choice((0, 0, field.low, field.high, 1 << field.scale)) or int(field.name in NOT_ZERO)
            word = _replace(word, field, max(field.low, min(field.high, value)))
    if len(row.fields) > 1 and rng.random() < SAME:
        one, other = rng.sample(row.fields, 2)
        if (one.width, one.scale, one.bias) == (other.width, other.scale, other.bias):
            word = _replace(word, one, other.extract(word) - other.bias)
    return word


def _distance(field: Field, rng: Random) -> int:
    """Mostly one that leads to text, sometimes to its last word, sometimes anywhere."""
    choice = rng.random()
    if choice < 0.1 and field.high > LAST_WORD:
        return LAST_WORD
    reach = NEAR if choice < 0.9 else field.high
    low, high = max(field.low, -reach), min(field.high, reach)
    return rng.randint(low >> field.scale, high >> field.scale) << field.scale


def _replace(word: int, field: Field, stored: int) -> int:
    for piece in field.pieces:
        word &= ~(mask(piece.width) << piece.word_low)
    return word | field.insert(stored + field.bias)


def choose(rows: Sequence[TrialRow], wanted: Sequence[str]) -> list[TrialRow]:
    """The rows of these names, with or without their table's; UsageError for one that no row has."""
    if not wanted:
        return list(rows)
    found = [row for row in rows if row.name in wanted or row.label in wanted]
    for name in wanted:
        if not any(name in (row.name, row.label) for row in found):
            known = [row.label for row in rows] + [row.name for row in rows]
            raise UsageError(f"row {name!r}: {one_of(name, dict.fromkeys(known), 'rows')}")
    return found
