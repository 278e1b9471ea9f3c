"""`decide recheck`: is the comparison in the breakpoint handler needed, redundant or harmful, and does it suffice?

The same handler is searched with the comparison (variant `recheck`) and without it (`no-recheck`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from emu.kernel.outcome import Outcome
from emu.lab.cells import Cell, Settings
from emu.lab.compare import Searched, Told, grid, searched
from emu.lab.scenario import NamedScenario


@dataclass(frozen=True)
class Question:
    """The scenarios that decide about a check."""

    race: NamedScenario
    foreign: tuple[NamedScenario, ...]  # without a kprobe: a trap that is claimed there was somebody else's


class Worth(StrEnum):
    """What the check is worth."""

    NEEDED = "needed"  # without the check, something dies that it saves
    REDUNDANT = "redundant"  # its branch is never taken
    HARMFUL = "harmful"  # it swallows what was somebody else's
    NOT_KNOWN = "not-known"  # what was found is not enough, and not everything was searched

    @property
    def text(self) -> str:
        return self.value.replace("-", " ")


@dataclass(frozen=True)
class BothWays:
    """One scenario searched with the check and without, on one architecture, patching policy and preemption setting."""

    without: Cell
    with_check: Cell
    foreign: bool = False  # whether any trap there is somebody else's

    @property
    def settings(self) -> Settings:
        return self.with_check.settings

    @property
    def worth(self) -> Worth:
        """What was found is certain, whatever the bound; that there is no more is known of exact searches only."""
        if not self.with_check.found(Outcome.CLAIMED):
            return Worth.REDUNDANT if self.with_check.exact else Worth.NOT_KNOWN
        if self.foreign and not self.without.found(Outcome.CLAIMED):
            return Worth.HARMFUL if self.without.exact else Worth.NOT_KNOWN
        if self.without.death is not None:
            return Worth.NEEDED
        return Worth.REDUNDANT if self.without.exact else Worth.NOT_KNOWN

    @property
    def sufficient(self) -> bool | None:
        """With the check, nothing dies; None if that is not known."""
        if self.with_check.death is not None:
            return False
        return True if self.with_check.exact else None


@dataclass(frozen=True)
class Decision:
    """What the check is worth in the race, and in each scenario with somebody else's breakpoint; `unknown` are those
    of them that were not searched, so that the check may be harmful there."""

    race: BothWays
    foreign: tuple[BothWays, ...]
    unknown: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return not self.unknown


@dataclass(frozen=True)
class Decisions:
    """What was decided, and the races (variant `recheck`) on which nothing is known: why, the searches say."""

    found: list[Decision]
    undecided: list[Settings]
    searches: Searched


def decide_recheck(
    question: Question,
    archs: Sequence[str],
    patchings: Sequence[str] | None,
    preempts: Sequence[str],
    told: Told,
    bound: int | None = None,
    fix: Sequence[str] = (),
    cpus: int = 2,
) -> Decisions:
    """A decision for each architecture, policy and preemption setting that exists, as far as the searches got."""
    scenarios = (question.race, *question.foreign)
    asked = grid(scenarios, archs, ("recheck", "no-recheck"), patchings, preempts, cpus, fix)
    searches = searched(asked, bound, None, told)
    pairs = [key for key in asked if key.variant == "recheck" and not {key, _other(key)} & searches.inapplicable]
    known = _decided(question, pairs, {cell.settings: cell for cell in searches.cells if cell.report.complete})
    races = [key for key in pairs if key.scenario == question.race]
    found = [_decision(race, pairs, known) for race in races if race in known]
    return Decisions(found, [race for race in races if race not in known], searches)


def _decided(
    question: Question, pairs: Sequence[Settings], cells: Mapping[Settings, Cell]
) -> Mapping[Settings, BothWays]:
    return {
        key: BothWays(cells[_other(key)], cells[key], key.scenario in question.foreign)
        for key in pairs
        if key in cells and _other(key) in cells
    }


def _decision(race: Settings, pairs: Sequence[Settings], known: Mapping[Settings, BothWays]) -> Decision:
    foreign = [key for key in pairs if _same_place(key, race)]
    unknown = tuple(key.scenario.name for key in foreign if key not in known)
    return Decision(known[race], tuple(known[key] for key in foreign if key in known), unknown)


def _other(settings: Settings) -> Settings:
    return replace(settings, variant="no-recheck")


def _same_place(one: Settings, race: Settings) -> bool:
    place = (race.arch, race.patching, race.preempt)
    return one.scenario != race.scenario and (one.arch, one.patching, one.preempt) == place
