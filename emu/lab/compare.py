"""The handlers side by side: which cells a comparison has, searched on all cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

import arches
from emu.errors import UsageError
from emu.lab.cells import Cell, Settings, explore_cell
from emu.lab.lab import NotApplicable
from emu.lab.scenario import NamedScenario
from emu.parallel.processes import Forking

Told = Callable[[int, int], None]
"""Called with how many cells are done and how many there are."""


def grid(
    scenarios: Sequence[NamedScenario],
    archs: Sequence[str],
    variants: Sequence[str] | None = None,
    patchings: Sequence[str] | None = None,
    preempts: Sequence[str] = ("none", "full"),
    cpus: int = 2,
) -> list[Settings]:
    """Every combination; a variant that an architecture lacks has no cell there. UsageError for one that all lack.

    The policies are by default those that some kernel of the architecture used, and the two that are everybody's.
    """
    known = dict.fromkeys(variant for name in archs for variant in arches.load(name).port.variants)
    for variant in variants or ():
        if variant not in known:
            raise UsageError(f"variant {variant!r} of {', '.join(archs)}: expected one of {', '.join(known)}")
    return [
        Settings(scenario, arch.name, variant, patching, preempt, cpus)
        for scenario in scenarios
        for arch in (arches.load(name) for name in archs)
        for variant in arch.port.variants
        if variants is None or variant in variants
        for patching in patchings or arch.port.patchings
        for preempt in preempts
    ]


def searched(cells: Sequence[Settings], bound: int | None, limit: int | None, told: Told) -> tuple[list[Cell], bool]:
    """The searched cells in the order of `cells`, and whether ^C cut it short: then these are those done by then."""
    found: list[Cell] = []
    interrupted = False
    try:
        found.extend(explore_cells(cells, bound, limit, told))
    except KeyboardInterrupt:
        interrupted = True
    rank = {settings: number for number, settings in enumerate(cells)}
    return sorted(found, key=lambda cell: rank[cell.settings]), interrupted


def explore_cells(cells: Sequence[Settings], bound: int | None, limit: int | None, told: Told) -> Iterator[Cell]:
    """The searched cells as they are done, in no order; one that does not apply is left out.

    Work goes to as many processes as there are cores. Stopping the iteration stops the searches; so does ^C, which
    is raised to the caller.
    """
    workers = min(os.cpu_count() or 1, len(cells))
    results = _in_processes(cells, bound, limit, workers) if workers > 1 else _here(cells, bound, limit)
    for done, cell in enumerate(results, start=1):
        told(done, len(cells))
        if cell is not None:
            yield cell


def _here(cells: Sequence[Settings], bound: int | None, limit: int | None) -> Iterator[Cell | None]:
    for settings in cells:
        cell = _explore(settings, bound, limit)
        yield cell
        if cell is not None and cell.report.interrupted:
            raise KeyboardInterrupt


def _in_processes(
    cells: Sequence[Settings], bound: int | None, limit: int | None, workers: int
) -> Iterator[Cell | None]:
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(workers, Forking())
    futures = [pool.submit(_explore, settings, bound, limit) for settings in cells]
    try:
        yield from (future.result() for future in as_completed(futures))
    except BaseException:
        for worker in multiprocessing.active_children():
            if worker not in others:
                worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _explore(settings: Settings, bound: int | None, limit: int | None) -> Cell | None:
    try:
        return explore_cell(settings, bound=bound, limit=limit)
    except NotApplicable:
        return None
