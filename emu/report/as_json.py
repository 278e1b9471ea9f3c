"""The JSON of searches, runs and decisions; the README describes the fields."""

from __future__ import annotations

from typing import Any

from emu.explore.schedule import format_schedule
from emu.kernel.outcome import Outcome
from emu.lab.cells import Cell, Run
from emu.lab.decide import Decided, Decision


def cell_json(cell: Cell) -> dict[str, Any]:
    report = cell.report
    return {
        "schema": "trapline.explore/1",
        **cell.settings.names(),
        "complete": report.complete,
        "bound": report.bound,
        "executions": report.executions,
        "outcomes": {name: _outcome(cell, name) for name in Outcome},
    }


def _outcome(cell: Cell, name: str) -> dict[str, Any]:
    seen, witness = cell.report.outcomes.get(name), cell.witness(name)
    return {
        "frequency": cell.frequency(name),
        "count": seen.count if seen is not None else 0,
        "witness": format_schedule(witness) if witness is not None else None,
    }


def run_json(run: Run) -> dict[str, Any]:
    return {
        "schema": "trapline.run/1",
        **run.settings.names(),
        "schedule": format_schedule(run.schedule),
        "outcomes": list(run.outcomes),
        "timeline": [{"cpu": run.tasks.index(event.task), "text": event.text} for event in run.events],
    }


def decision_json(decision: Decision) -> dict[str, Any]:
    foreign = [{"scenario": one.settings.scenario.name, **decided_json(one)} for one in decision.foreign]
    return {**decided_json(decision.race), "foreign": foreign}


def decided_json(decided: Decided) -> dict[str, Any]:
    names = decided.settings.names()
    return {
        "arch": names["arch"],
        "patching": names["patching"],
        "preempt": names["preempt"],
        "verdict": decided.verdict,
        "sufficient": decided.sufficient,
        "without": cell_json(decided.without),
        "with": cell_json(decided.with_check),
    }
