"""What a search saw, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from emu.explore.schedule import Schedule, switches


class Frequency(StrEnum):
    """In how many of the executions an outcome is seen."""

    NEVER = "never"
    SOMETIMES = "sometimes"
    ALWAYS = "always"


@dataclass
class Seen:
    """An outcome: in how many executions, and a shortest schedule that ends in it."""

    count: int = 0
    witness: Schedule | None = None

    def add(self, schedule: Schedule) -> None:
        self.count += 1
        if self.witness is None or length(schedule) < length(self.witness):
            self.witness = schedule


def length(schedule: Schedule) -> tuple[int, int, Schedule]:
    """What makes one witness better than another: fewer steps, then fewer switches."""
    return len(schedule), switches(schedule), schedule


@dataclass
class Report:
    """What a search saw. `complete` means every interleaving (within `bound`, if that is not None).

    `executions` are interleavings; those that differ only in how often they go round a cycle are one. `states` are the
    different states that the world was in, None if executions were searched one by one (`why` says what for).
    """

    bound: int | None = None
    executions: int = 0
    complete: bool = False
    interrupted: bool = False
    limit: int | None = None
    outcomes: dict[str, Seen] = field(default_factory=dict)
    states: int | None = None
    why: str | None = None

    def frequency(self, outcome: str) -> Frequency:
        count = self.outcomes[outcome].count if outcome in self.outcomes else 0
        if count == 0:
            return Frequency.NEVER
        return Frequency.ALWAYS if count == self.executions else Frequency.SOMETIMES

    def witness(self, outcome: str) -> Schedule | None:
        return self.outcomes[outcome].witness if outcome in self.outcomes else None

    def add(self, schedule: Schedule, outcomes: frozenset[str]) -> None:
        self.executions += 1
        for outcome in outcomes:
            self.outcomes.setdefault(outcome, Seen()).add(schedule)


Progress = Callable[[Report, float], None]
"""Called a few times a second with what there is, and an estimate of the share that is done (0 if there is none)."""
