"""What came out, against what `--expect` says."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from emu.cli.status import CONTRADICTED, DONE, NOT_KNOWN
from emu.lab.cells import Cell
from emu.lab.claims import COULD_BE, Claim, covers
from emu.report.command_line import replay_command

Expected = tuple[str, Claim]


def report_contradictions(cells: Sequence[Cell], expected: Sequence[Expected]) -> int:
    """A line on standard error for each that is not so, and one for all that is not known; the exit status."""
    wrong = say_contradictions(cells, expected)
    not_known = [line for cell in cells for line in unknowns(cell, expected)]
    if not_known:
        more = f" (and {len(not_known) - 1} more)" if len(not_known) > 1 else ""
        print(f"trapline: {not_known[0]}{more}", file=sys.stderr)
    return CONTRADICTED if wrong else NOT_KNOWN if not_known else DONE


def say_contradictions(cells: Sequence[Cell], expected: Sequence[Expected]) -> bool:
    """A line on standard error for each that is not so, also where a search ended early; whether there was one."""
    wrong = [line for cell in cells for line in contradictions(cell, expected)]
    for line in wrong:
        print(f"trapline: {line}", file=sys.stderr)
    return bool(wrong)


def contradictions(cell: Cell, expected: Sequence[Expected]) -> Iterator[str]:
    """What is not so in this cell, with how to see it."""
    for outcome, wanted in expected if cell.report.executions else ():
        found = cell.frequency(outcome)
        if wanted not in (found, *COULD_BE.get(found, ())):
            witness = cell.witness(outcome)
            shown = f": {replay_command(cell.settings, witness)}" if witness is not None else ""
            yield f"{cell.settings.text()}: {outcome} is {found.text}, expected {wanted}{shown}"
    for failed in cell.failed:
        if failed not in dict(expected):  # who asserts expects it never to fail
            shown = replay_command(cell.settings, cell.witness(failed) or ())
            yield f"{cell.settings.text()}: {failed}: {cell.frequency(failed).text}: {shown}"


def unknowns(cell: Cell, expected: Sequence[Expected]) -> Iterator[str]:
    """What this cell's search leaves open."""
    for outcome, wanted in expected:
        found = cell.frequency(outcome)
        if wanted in COULD_BE.get(found, ()):
            where, what = cell.settings.text(), covers(cell.report)
            yield f"{where}: {outcome} is {found.text}, expected {wanted}: not known ({what})"
