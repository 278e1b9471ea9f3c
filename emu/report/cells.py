"""Searches as text: one cell, and many side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emu.explore.schedule import Schedule, format_schedule
from emu.explore.search import Frequency, Report
from emu.kernel.outcome import Outcome
from emu.lab.cells import Cell, Settings
from emu.lab.compare import Searched
from emu.report.text import colour, table


def cell_text(cell: Cell) -> str:
    rows = [
        [colour(name), cell.frequency(name), str(count_of(cell, name)), schedule_text(cell.witness(name))]
        for name in Outcome
        if cell.frequency(name) is not Frequency.NEVER
    ]
    never = [name for name in Outcome if cell.frequency(name) is Frequency.NEVER]
    found = table(("outcome", "frequency", "executions", "shortest witness"), rows)
    return f"{found}\nnever: {', '.join(never)}\n{covers(cell.report)}"


def count_of(cell: Cell, name: str) -> int:
    return cell.report.outcomes[name].count


def schedule_text(schedule: Schedule | None) -> str:
    return format_schedule(schedule) if schedule is not None else "-"


def covers(report: Report) -> str:
    """What a verdict covers."""
    bound = "" if report.bound is None else f" with at most {report.bound} preemptions"
    if report.complete:
        return f"{report.executions} executions: every interleaving{bound}"
    why = "interrupted" if report.interrupted else f"stopped at the limit of {report.limit}"
    return f"{report.executions} executions{bound}: not complete, {why}; `never` and `always` are of these only"


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
    complete = not result.missing and all(cell.report.complete for cell in result.cells)
    whole = "every interleaving" if complete else "not all interleavings"
    last = f"{len(result.cells)} cells, {total} executions, {whole}; outcome! always, outcome sometimes, others never"
    return "".join(tables) + last


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
    marks = {Frequency.ALWAYS: "!", Frequency.SOMETIMES: ""}
    names = [name + marks[cell.frequency(name)] for name in Outcome if cell.frequency(name) is not Frequency.NEVER]
    if cell.report.interrupted:
        names.append("not to the end")
    return "\n".join(names) or "none"
