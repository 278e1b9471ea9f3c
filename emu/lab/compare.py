"""The handlers side by side: which cells a comparison has, searched on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import arches
from emu.arch import Arch
from emu.errors import HandlerError, UsageError
from emu.explore.report import Report
from emu.kernel.bug import every, find_bugs
from emu.kernel.outcome import OwnOutcome
from emu.lab.cells import Cell, Settings, explore_cell
from emu.lab.lab import NotApplicable
from emu.lab.scenario import NamedScenario
from emu.parallel.interrupts import until_interrupted
from emu.parallel.local import Processes, plain
from emu.parallel.pool import Here, Lost, answers
from emu.spelling import one_of

Told = Callable[[int, int], None]
"""Called with how many cells are done and how many there are."""


def grid(
    scenarios: Sequence[NamedScenario],
    archs: Sequence[str],
    variants: Sequence[str] | None = None,
    patchings: Sequence[str] | None = None,
    preempts: Sequence[str] = ("none", "full"),
    cpus: int = 2,
    fix: Sequence[str] = (),
) -> list[Settings]:
    """Every combination; a variant or a bug that an architecture lacks has no cell there. UsageError for one that all
    lack.

    The policies are by default those that some kernel of the architecture used, and the two that are everybody's.
    """
    known = dict.fromkeys(variant for name in archs for variant in arches.load(name).port.variants)
    for variant in variants or ():
        if variant not in known:
            raise UsageError(f"variant {variant!r} of {', '.join(archs)}: {one_of(variant, known)}")
    return [
        Settings(scenario, arch.name, variant, patching, preempt, cpus, fix=tuple(fix))
        for scenario in scenarios
        for arch in with_bugs(archs, fix)
        for variant in arch.port.variants
        if variants is None or variant in variants
        for patching in patchings or arch.port.patchings
        for preempt in preempts
    ]


def with_bugs(archs: Sequence[str], ids: Sequence[str]) -> list[Arch]:
    """The architectures that have all of these bugs; UsageError if none has."""
    loaded = [arches.load(name) for name in archs]
    having = [arch for arch in loaded if set(ids) <= every(arch.bugs)]
    if not having:
        find_bugs(", ".join(archs), [bug for arch in loaded for bug in arch.bugs], ids)
        raise UsageError(f"bugs {', '.join(ids)} of {', '.join(archs)}: expected an architecture that has them all")
    return having


Answer = tuple[Report, tuple[OwnOutcome, ...]]
"""What a worker gives of a cell: a scenario's function stays where it is."""


@dataclass
class Searched:
    """The cells that were searched, in the order in which they were asked for. A cell that is neither here nor
    inapplicable was not searched: an interrupt came first, or each worker that tried it died, as `lost` says."""

    asked: Sequence[Settings]
    cells: list[Cell] = field(default_factory=list)
    inapplicable: set[Settings] = field(default_factory=set)
    lost: dict[Settings, str] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def applicable(self) -> list[Settings]:
        return [settings for settings in self.asked if settings not in self.inapplicable]

    @property
    def missing(self) -> list[Settings]:
        """What was not searched, or not to its end."""
        known = {cell.settings for cell in self.cells if not cell.report.interrupted}
        return [settings for settings in self.applicable if settings not in known]

    @property
    def loss(self) -> str:
        """What was lost, on one line."""
        (settings, how), *others = self.lost.items()
        more = f" and {len(others)} more cells" if others else ""
        return f"{settings.text()}{more}: not searched: the process that did it died twice ({how})"

    def add(self, settings: Settings, answer: Answer | Lost | None) -> None:
        if answer is None:
            self.inapplicable.add(settings)
        elif isinstance(answer, Lost):
            self.lost[settings] = answer.how
        else:
            self.cells.append(Cell(settings, *answer))
            self.interrupted = answer[0].interrupted


def searched(cells: Sequence[Settings], bound: int | None, limit: int | None, told: Told) -> Searched:
    """Every cell, on all cores; after ^C those that were done by then."""
    result = Searched(cells)
    with until_interrupted() as cut_short:
        for done, (settings, answer) in enumerate(explore_cells(cells, bound, limit), start=1):
            result.add(settings, answer)
            told(done, len(cells))
            if result.interrupted:
                break
    result.interrupted = result.interrupted or bool(cut_short)
    rank = {settings: number for number, settings in enumerate(cells)}
    result.cells.sort(key=lambda cell: rank[cell.settings])
    return result


def explore_cells(
    cells: Sequence[Settings], bound: int | None, limit: int | None
) -> Iterator[tuple[Settings, Answer | Lost | None]]:
    """The cells as they are done, in no order: what was found, lost with its worker, or None for what does not apply.

    Work goes to as many processes as there are cores. Stopping the iteration stops the searches; so does ^C, which
    is raised to the caller.
    """
    workers = min(os.cpu_count() or 1, len(cells))
    function = partial(_explore, cells, bound, limit)
    with Processes(plain(function), workers) if workers > 1 else Here(function) as crew:
        yield from ((cells[number], answer) for number, answer in answers(crew, range(len(cells))))


def _explore(cells: Sequence[Settings], bound: int | None, limit: int | None, number: int) -> Answer | None:
    try:
        cell = explore_cell(cells[number], bound=bound, limit=limit)
        return cell.report, cell.own
    except NotApplicable:
        return None
    except HandlerError as error:  # a scenario may be right in some cells
        raise HandlerError(f"{cells[number].text()}: {error}") from error
