"""The JSON of searches, runs and decisions; the README describes the fields."""

from __future__ import annotations

from typing import Any

from emu.explore.schedule import format_schedule
from emu.lab.cells import Cell, Run
from emu.lab.claims import covers
from emu.lab.compare import Searched
from emu.lab.decide import BothWays, Decision, Decisions


def cell_json(cell: Cell) -> dict[str, Any]:
    report = cell.report
    return {
        "schema": "trapline.explore/1",
        **cell.settings.names(),
        "complete": report.complete,
        "bound": report.bound,
        "limit": report.limit,
        "covers": covers(report),
        "executions": report.executions,
        "states": report.states,
        "outcomes": {name: _outcome(cell, name) for name in cell.outcomes},
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
        "timeline": [
            {"cpu": run.tasks.index(event.task), "text": event.text, "unseen": event.unseen} for event in run.events
        ],
    }


def comparison_json(result: Searched) -> dict[str, Any]:
    return {
        "schema": "trapline.compare/1",
        "complete": not result.missing,
        "cells": [cell_json(cell) for cell in result.cells],
        "not_searched": [settings.names() for settings in result.missing],
    }


def decisions_json(check: str, decisions: Decisions) -> dict[str, Any]:
    missing = decisions.searches.missing
    return {
        "schema": "trapline.decide/1",
        "check": check,
        "complete": not missing,
        "verdicts": [decision_json(decision) for decision in decisions.found],
        "not_searched": [settings.names() for settings in missing],
    }


def decision_json(decision: Decision) -> dict[str, Any]:
    """`complete`: whether all that could show that the check is harmful was searched."""
    foreign = [{"scenario": one.settings.scenario.name, **both_ways_json(one)} for one in decision.foreign]
    return {**both_ways_json(decision.race), "complete": decision.complete, "foreign": foreign}


def both_ways_json(decided: BothWays) -> dict[str, Any]:
    names = decided.settings.names()
    return {
        "arch": names["arch"],
        "patching": names["patching"],
        "preempt": names["preempt"],
        "verdict": decided.worth,
        "sufficient": decided.sufficient,
        "without": cell_json(decided.without),
        "with": cell_json(decided.with_check),
    }
