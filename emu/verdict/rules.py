"""What a kernel says to a word, as rows of masks that change from release to release; the first match decides.

A table is text, a row a line, columns separated by two or more spaces, `#` starts a comment line:

    # name   mask           value     verdict   releases     action        why
    ldr_lit  bf000000       18000000  simulate  6.12..       load_literal  PC-relative load
    mops     3b200c00       19000400  reject    6.13..       -             must be consecutive
    c_jr     0000f07f!0f80  00008002  simulate  6.6..        simulate_jr   (word & 0x0f80) must not be zero too
    bbit0    fc000000       c8000000  simulate  all@octeon   branch        only where the CPU has the feature
    other    00000000       00000000  step      all          -             every table ends in a row like this

`6.12..` is 6.12 and later, `..6.12` earlier than 6.12, `6.3..6.9` from 6.3 until before 6.9, `all` all. What a stable
line has taken over has its release there, behind a comma: `6.2,6.1.192..` is 6.2 and later, and 6.1.192 and later of
the line 6.1; `..6.2,6.1.192` all others. A row that an earlier one always hides is an error, so is a release in which a
name stands for two rows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

from emu.errors import DecodeError, TableError, UsageError
from emu.verdict.release import Release, Span
from emu.verdict.site import Verdict

WORD_BITS = 32
WORD_MASK = 0xFFFF_FFFF
VERDICTS: Mapping[str, Verdict] = {verdict.value: verdict for verdict in Verdict}


@dataclass(frozen=True)
class Rule:
    """One row. `span` are the releases that have it, `feature` is None where none is needed.

    `action` is the kernel's simulation routine, a name of its own for each behaviour it had; None unless
    `verdict` is SIMULATE. `line` is the row's line in its file, from 1.
    """

    name: str
    mask: int
    value: int
    nonzero: int
    verdict: Verdict
    span: Span
    feature: str | None
    action: str | None
    why: str
    line: int

    def matches(self, word: int) -> bool:
        """Whether the masks fit a word, releases and features apart."""
        return word & self.mask == self.value and (not self.nonzero or word & self.nonzero != 0)

    def in_force(self, release: Release | None, features: Collection[str] = ()) -> bool:
        """Whether the row holds in a release (None is the newest) on a CPU with these features."""
        if self.feature is not None and self.feature not in features:
            return False
        return self.span.holds(release)

    def hides(self, later: Rule) -> bool:
        """Whether every word that `later` matches is matched by this row, and in every release of `later`.

        Always right where it says yes, and where neither row has a non-zero condition.
        """
        masks = self.mask & ~later.mask == 0 and later.value & self.mask == self.value
        subset = later.nonzero != 0 and later.nonzero & ~self.nonzero == 0
        nonzero = not self.nonzero or self.nonzero & later.value != 0 or subset
        return masks and nonzero and self.feature in (None, later.feature) and self.span.covers(later.span)

    def coexists(self, other: Rule) -> bool:
        """Whether some release has both rows."""
        return self.span.meets(other.span)


@dataclass(frozen=True)
class RuleTable:
    """Rows in the order in which the kernel asks. The last one of every release matches all words."""

    rules: tuple[Rule, ...]
    where: str

    @classmethod
    def parse(cls, text: str, where: str, words: Mapping[str, Verdict] = VERDICTS) -> RuleTable:
        """The table in `text`; `where` names it in errors. TableError with file and line for a bad row.

        `words` are what the column of verdicts has, where that is not the verdicts' own names.
        """
        lines = enumerate(map(str.strip, text.splitlines()), start=1)
        rules = tuple(_parse_row(line, f"{where}:{n}", n, words) for n, line in lines if line and line[0] != "#")
        table = cls(rules, where)
        table._check()
        return table

    @classmethod
    def load(cls, path: Path, words: Mapping[str, Verdict] = VERDICTS) -> RuleTable:
        """The table in a file."""
        return cls.parse(path.read_text(encoding="utf-8"), f"{path.parent.name}/{path.name}", words)

    def in_force(self, release: Release | None, features: Collection[str] = ()) -> tuple[Rule, ...]:
        """The rows of one release (None: the newest) on a CPU with these features, in order."""
        return tuple(rule for rule in self.rules if rule.in_force(release, features))

    def find(self, word: int, release: Release | None, features: Collection[str] = ()) -> Rule:
        """The row that decides about a word of 32 bits; DecodeError for anything wider."""
        if not 0 <= word <= WORD_MASK:
            raise DecodeError(f"word {word:#x}: expected {WORD_BITS} bits")
        return next(rule for rule in self.rules if rule.matches(word) and rule.in_force(release, features))

    @property
    def boundaries(self) -> tuple[Release, ...]:
        """The releases in which some row begins or ends, oldest first: all that one can tell apart."""
        return tuple(sorted({end for rule in self.rules for end in rule.span.ends()}))

    @property
    def features(self) -> frozenset[str]:
        """The features that some row asks for."""
        return frozenset(rule.feature for rule in self.rules if rule.feature is not None)

    @property
    def actions(self) -> tuple[str, ...]:
        """Every simulation routine of every release, in the order of the rows."""
        return tuple(dict.fromkeys(rule.action for rule in self.rules if rule.action is not None))

    def _check(self) -> None:
        if not self.rules or self.rules[-1].mask or self.rules[-1].nonzero or not _unconditional(self.rules[-1]):
            raise TableError(f"{self.where}: expected a last row with mask 0, in force in all releases")
        for first, second in combinations(self.rules, 2):
            place = f"{self.where}:{second.line}: row {second.name!r}"
            if first.hides(second):
                raise TableError(f"{place} can never match: line {first.line} takes all its words")
            if first.name == second.name and first.coexists(second):
                raise TableError(f"{place}: expected another name, line {first.line} has it in the same release")


def _unconditional(rule: Rule) -> bool:
    return rule.span == Span() and rule.feature is None


def _parse_row(line: str, place: str, number: int, words: Mapping[str, Verdict]) -> Rule:
    columns = re.split(r"\s{2,}", line, maxsplit=6)
    if len(columns) != 7:
        raise TableError(f"{place}: {len(columns)} columns: expected name, mask, value, verdict, releases, action, why")
    name, masks, value_text, verdict_text, when, action, why = columns
    mask, nonzero = _parse_masks(masks, place)
    value = _parse_hex(value_text, place)
    if value & ~mask:
        raise TableError(f"{place}: value {value:08x}: expected no bit outside the mask {mask:08x}")
    if nonzero & mask:
        raise TableError(f"{place}: condition !{nonzero:x}: expected no bit of the mask {mask:08x}")
    verdict = _parse_verdict(verdict_text, place, words)
    if (action == "-") is (verdict is Verdict.SIMULATE):
        raise TableError(f"{place}: action {action!r}: expected a routine for simulate, - for anything else")
    span, feature = _parse_when(when, place)
    return Rule(name, mask, value, nonzero, verdict, span, feature, None if action == "-" else action, why, number)


def _parse_masks(text: str, place: str) -> tuple[int, int]:
    mask, bang, nonzero = text.partition("!")
    return _parse_hex(mask, place), _parse_condition(nonzero, place) if bang else 0


def _parse_hex(text: str, place: str) -> int:
    if not re.fullmatch(r"[0-9a-f]{8}", text):
        raise TableError(f"{place}: {text!r}: expected 8 hexadecimal digits")
    return int(text, 16)


def _parse_condition(text: str, place: str) -> int:
    if not re.fullmatch(r"0*[1-9a-f][0-9a-f]*", text) or len(text) > 8:
        raise TableError(f"{place}: condition !{text}: expected the bits that must not all be zero, in hexadecimal")
    return int(text, 16)


def _parse_verdict(text: str, place: str, words: Mapping[str, Verdict]) -> Verdict:
    if text not in words:
        *others, last = words
        raise TableError(f"{place}: verdict {text!r}: expected {', '.join(others)} or {last}")
    return words[text]


def _parse_when(text: str, place: str) -> tuple[Span, str | None]:
    span, at, feature = text.partition("@")
    if at and not re.fullmatch(r"[a-z][\w-]*", feature):
        raise TableError(f"{place}: feature {feature!r}: expected a name such as r6")
    return parse_span(span, place), feature if at else None


def parse_span(text: str, place: str) -> Span:
    """The releases of a row, from the first that has it up to the first that has it no more: `6.3..6.9`. TableError."""
    try:
        return Span.parse(text)
    except UsageError as error:
        raise TableError(f"{place}: releases {text!r}: {error}") from None


def periods(table: RuleTable) -> Iterator[Release | None]:
    """One release for every set of rows there ever was, oldest first; None, the newest, comes last."""
    ends = table.boundaries
    if ends:
        yield (0, 0)
    yield from (first for first, _ in pairwise(ends))
    yield None
