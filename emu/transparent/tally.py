"""What a search has tried and found: counts, differences in groups of one kind, and how they are reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from emu.transparent.case import Case
from emu.transparent.compare import Difference

MANY = 4  # rules of one routine with the same kind of difference


@dataclass(frozen=True)
class Quota:
    """How many encodings of one row, and from which random numbers; `round` goes on where a round before ended."""

    row: str
    encodings: int
    seed: int
    round: int = 0


Key = tuple[str, int, str]
"""Rule, size, kind of difference."""


@dataclass
class Group:
    """Differences of one kind under one rule of the kernel, with instructions of one size: the first of them."""

    rule: str
    action: str | None
    size: int
    why: str
    case: Case
    difference: Difference
    rows: Counter[str] = field(default_factory=Counter)
    rules: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return self.rule, self.size, self.difference.kind

    def add(self, other: Group) -> None:
        """Of two examples one whose value is off by the way to the slot is better: that says most of why."""
        if other.difference.relative and not self.difference.relative:
            self.case, self.difference = other.case, other.difference
        self.rows.update(other.rows)


@dataclass
class Tally:
    """What was tried: by row the encodings compared and refused; by reason those skipped; what differed, by group."""

    compared: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)  # (row, why it was skipped)
    groups: dict[Key, Group] = field(default_factory=dict)
    interrupted: bool = False

    def skip(self, row: str, why: str) -> None:
        """An encoding or a state of it that nothing can be said about."""
        self.skipped[why] += 1
        self.reasons[row, why] += 1

    def covered(self, row: str) -> bool:
        """Whether something is known of the row: an encoding was compared, or the kernel refuses them."""
        return bool(self.compared[row] or self.refused[row])

    def why_not(self, row: str) -> str:
        """Why a row is not covered: the commonest reason."""
        found = [(count, why) for (label, why), count in self.reasons.items() if label == row]
        return max(found)[1] if found else "not tried"

    def add(self, other: Tally) -> None:
        for name in ("compared", "refused", "tried", "skipped", "reasons"):
            getattr(self, name).update(getattr(other, name))
        for key, group in other.groups.items():
            if key in self.groups:
                self.groups[key].add(group)
            else:
                self.groups[key] = group


@dataclass(frozen=True)
class Finding:
    """A group as it is reported: with its case shrunk, and what that shows."""

    group: Group
    case: str
    word: str
    text: str
    difference: str

    def json(self) -> dict[str, Any]:
        group = self.group
        return {
            "word": self.word,
            "text": self.text,
            "rules": list(group.rules),
            "action": group.action,
            "kind": group.difference.kind,
            "difference": self.difference,
            "why": group.why,
            "case": self.case,
            "count": group.rows.total(),
            "rows": dict(group.rows.most_common()),
        }


def merged(groups: Iterable[Group]) -> list[Group]:
    """The groups, with those of many rules that one routine simulates, of the same kind, as one: it is the routine's.

    Its example is that of the rule with most of them.
    """
    by_routine: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        name = group.action or f"{group.rule}/{group.size}"
        by_routine.setdefault((name, group.difference.kind), []).append(group)
    found: list[Group] = []
    for together in by_routine.values():
        together.sort(key=lambda group: -group.rows.total())
        if len(together) < MANY:
            found += [replace(group, rules=(group.rule,)) for group in together]
            continue
        rows = sum((group.rows for group in together), Counter[str]())
        found.append(replace(together[0], rows=rows, rules=tuple(group.rule for group in together)))
    return sorted(found, key=lambda group: (group.rules, group.size, group.difference.kind))
