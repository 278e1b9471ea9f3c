"""Searches as text: one cell, and many side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emu.explore.schedule import Schedule, format_schedule
from emu.lab.cells import Cell, Settings
from emu.lab.claims import Claim, at_most, covers
from emu.lab.compare import Searched
from emu.report.command_line import replay_command
from emu.report.text import colour, table


def cell_text(cell: Cell) -> str:
    """The settings, a row for each outcome that was found, what was searched, and how to see each witness again."""
    rows = [
        [colour(name), cell.frequency(name).text, str(count_of(cell, name)), schedule_text(cell.witness(name))]
        for name in cell.outcomes
        if cell.found(name)
    ]
    others = [name for name in cell.outcomes if not cell.found(name)]
    found = table(("outcome", "frequency", "executions", "shortest witness"), rows)
    none = Claim.NEVER if cell.exact else Claim.NOT_FOUND
    searched = f"{cell.report.executions} executions: {covers(cell.report)}"
    lines = [_heading(cell.settings), found, f"{none.text}: {', '.join(others)}", searched, *_replays(cell)]
    return "\n".join(lines)


def _heading(settings: Settings) -> str:
    names = settings.names()
    return f"{names['scenario']} on {names['arch']}: " + ", ".join(
        f"{name} {names[name]}" for name in ("variant", "patching", "preempt", "cpus", "views")
    )


def _replays(cell: Cell) -> list[str]:
    """A command for each schedule, with the outcomes that it ends in."""
    outcomes: dict[Schedule, list[str]] = {}
    for name in cell.outcomes:
        if (witness := cell.witness(name)) is not None:
            outcomes.setdefault(witness, []).append(name)
    return [f"{', '.join(names)}: {replay_command(cell.settings, found)}" for found, names in outcomes.items()]


def count_of(cell: Cell, name: str) -> int:
    return cell.report.outcomes[name].count


def schedule_text(schedule: Schedule | None) -> str:
    return format_schedule(schedule) if schedule is not None else "-"


def comparison_text(result: Searched) -> str:
    """A table per scenario: variant, patching and preemption down, architectures across."""
    texts = {settings: "not searched" for settings in result.applicable}
    texts |= {cell.settings: _short(cell) for cell in result.cells}
    tables = []
    for scenario in dict.fromkeys(settings.scenario for settings in texts):
        here = {settings: text for settings, text in texts.items() if settings.scenario == scenario}
        archs = list(dict.fromkeys(settings.arch for settings in here))
        rows = same_rows_once(_comparison_rows(here, archs))
        tables.append(f"{scenario.name}\n{table(('variant', 'patching', 'preempt', *archs), rows)}\n\n")
    total = sum(cell.report.executions for cell in result.cells)
    return "".join(tables) + f"{len(result.cells)} cells, {total} executions, {comparison_covers(result)}"


def comparison_covers(result: Searched) -> str:
    """What was searched, and what the marks in the table stand for therefore."""
    unfinished = sum(not cell.report.complete for cell in result.cells)
    bounds = {cell.report.bound for cell in result.cells}
    bound = next(iter(bounds), None)
    if not unfinished and not result.missing and bound is None:
        return "every interleaving; outcome! always, outcome sometimes, others never"
    marks = "outcome! in all that were run, outcome sometimes, others not found"
    if not unfinished and not result.missing:
        return f"every interleaving{at_most(bound)}; {marks}"
    left = [f"{len(result.missing)} cells not searched to the end"] if result.missing else []
    left += [f"{unfinished} stopped at the limit"] if unfinished and not result.interrupted else []
    return f"not all interleavings{at_most(bound)}: {', '.join(left)}; {marks}"


def _comparison_rows(texts: Mapping[Settings, str], archs: Sequence[str]) -> list[list[str]]:
    """Variants in the order that the architectures name them, most common ones first."""
    by_key = {(settings.arch, *_row_key(settings)): text for settings, text in texts.items()}
    keys = list(dict.fromkeys(_row_key(settings) for settings in texts))
    variants = list(dict.fromkeys(key[0] for key in keys))
    keys.sort(key=lambda key: (variants.index(key[0]), key[1]))
    return [[*key, *(by_key.get((arch, *key), "-") for arch in archs)] for key in keys]


def same_rows_once(rows: Sequence[list[str]]) -> list[list[str]]:
    """Rows that differ in their third column only, the preemption setting, are one row, where the first of them was."""
    merged: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        same = merged.setdefault((*row[:2], *row[3:]), list(row))
        if same[2] != row[2]:
            same[2] = "any"
    return list(merged.values())


def _row_key(settings: Settings) -> tuple[str, str, str]:
    return settings.setup().variant.name, settings.patching or "", settings.preempt


def _short(cell: Cell) -> str:
    """A cell's outcomes, one a line; `!` marks those that every execution has."""
    names = [
        name + ("" if cell.frequency(name) is Claim.SOMETIMES else "!") for name in cell.outcomes if cell.found(name)
    ]
    if cell.report.interrupted:
        names.append("not to the end")
    elif not cell.report.complete:
        names.append("not complete")
    return "\n".join(names) or "none"
