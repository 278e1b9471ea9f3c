"""The handlers side by side: which cells a comparison has, searched on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

import arches
from emu.scenarios.cells import Cell, Settings, explore_cell
from emu.scenarios.lab import NotApplicable

Told = Callable[[int, int], None]
"""Called with how many cells are done and how many there are."""


def grid(
    scenarios: Sequence[str],
    archs: Sequence[str],
    variants: Sequence[str] | None = None,
    patchings: Sequence[str] | None = None,
    preempts: Sequence[str] = ("none", "full"),
    cpus: int = 2,
) -> list[Settings]:
    """Every combination; a variant that an architecture lacks has no cell there.

    The policies are by default those that some kernel of the architecture used, and the two that are everybody's.
    """
    return [
        Settings(scenario, arch.name, variant, patching, preempt, cpus)
        for scenario in scenarios
        for arch in (arches.load(name) for name in archs)
        for variant in arch.port.variants
        if variants is None or variant in variants
        for patching in patchings or arch.port.patchings
        for preempt in preempts
    ]


def explore_cells(cells: Sequence[Settings], bound: int | None, limit: int | None, told: Told) -> Iterator[Cell]:
    """The searched cells as they are done, in no order; one that does not apply is left out.

    Work goes to as many processes as there are cores. Stopping the iteration stops the searches.
    """
    workers = min(os.cpu_count() or 1, len(cells))
    pool = ProcessPoolExecutor(workers) if workers > 1 else None
    try:
        if pool is None:
            results = (_explore(settings, bound, limit) for settings in cells)
        else:
            futures = [pool.submit(_explore, settings, bound, limit) for settings in cells]
            results = (future.result() for future in as_completed(futures))
        for done, cell in enumerate(results, start=1):
            told(done, len(cells))
            if cell is not None:
                yield cell
    finally:
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _explore(settings: Settings, bound: int | None, limit: int | None) -> Cell | None:
    try:
        return explore_cell(settings, bound=bound, limit=limit)
    except NotApplicable:
        return None


def in_grid_order(cells: Sequence[Cell], order: Sequence[Settings]) -> list[Cell]:
    """The cells in the order that `grid` gives them."""
    rank = {settings: number for number, settings in enumerate(order)}
    return sorted(cells, key=lambda cell: rank[cell.settings])
