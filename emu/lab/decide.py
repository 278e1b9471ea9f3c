"""`decide recheck`: is the comparison in the breakpoint handler needed, redundant or harmful, and does it suffice?

The same handler is searched with the comparison (variant `recheck`) and without it (`no-recheck`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from emu.explore.search import Frequency
from emu.kernel.outcome import Outcome
from emu.lab.cells import Cell, Settings
from emu.lab.compare import Told, grid, searched
from emu.lab.scenario import NamedScenario


@dataclass(frozen=True)
class Question:
    """The scenarios that decide about a check."""

    race: NamedScenario
    foreign: tuple[NamedScenario, ...]  # without a kprobe: a trap that is claimed there was somebody else's


class Verdict(StrEnum):
    NEEDED = "needed"  # without the check, something dies that it saves
    REDUNDANT = "redundant"  # its branch is never taken
    HARMFUL = "harmful"  # it swallows what was somebody else's


@dataclass(frozen=True)
class Decided:
    """The verdict on one architecture, patching policy and preemption setting, from one scenario's two searches."""

    without: Cell
    with_check: Cell
    foreign: bool = False  # whether any trap there is somebody else's

    @property
    def settings(self) -> Settings:
        return self.with_check.settings

    @property
    def verdict(self) -> Verdict:
        claimed = self.with_check.frequency(Outcome.CLAIMED) is not Frequency.NEVER
        if claimed and self.foreign and self.without.frequency(Outcome.CLAIMED) is Frequency.NEVER:
            return Verdict.HARMFUL
        return Verdict.NEEDED if claimed and self.without.death is not None else Verdict.REDUNDANT

    @property
    def sufficient(self) -> bool:
        """With the check, nothing dies."""
        return self.with_check.death is None


@dataclass(frozen=True)
class Decision:
    """The verdict on the race, and on each scenario with somebody else's breakpoint."""

    race: Decided
    foreign: tuple[Decided, ...]


def decide_recheck(
    question: Question,
    archs: Sequence[str],
    patchings: Sequence[str] | None,
    preempts: Sequence[str],
    told: Told,
    bound: int | None = None,
) -> tuple[list[Decision], bool]:
    """A decision for each architecture, policy and preemption setting that exists; and whether a ^C cut that short,
    so that only what was searched by then is decided."""
    scenarios = (question.race, *question.foreign)
    settings = grid(scenarios, archs, ("recheck", "no-recheck"), patchings, preempts)
    found, interrupted = searched(settings, bound, None, told)
    cells = {cell.settings: cell for cell in found if cell.report.complete}
    decided = [
        Decided(cells[_other(cell.settings)], cell, key.scenario in question.foreign)
        for key in settings
        if (cell := cells.get(key)) is not None and key.variant == "recheck" and _other(key) in cells
    ]
    races = [one for one in decided if not one.foreign]
    foreign = [tuple(one for one in decided if _same_place(one, race)) for race in races]
    return [Decision(*both) for both in zip(races, foreign, strict=True)], interrupted


def _other(settings: Settings) -> Settings:
    return replace(settings, variant="no-recheck")


def _same_place(one: Decided, race: Decided) -> bool:
    a, b = one.settings, race.settings
    return one is not race and (a.arch, a.patching, a.preempt) == (b.arch, b.patching, b.preempt)
