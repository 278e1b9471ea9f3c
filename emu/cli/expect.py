"""What came out, against what `--expect` says."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from emu.cli.status import CONTRADICTED, DONE
from emu.explore.search import Frequency
from emu.lab.cells import Cell, contradictions


def report_contradictions(cells: Sequence[Cell], expected: Sequence[tuple[str, Frequency]]) -> int:
    """A line for each on standard error; the exit status."""
    wrong = [line for cell in cells for line in contradictions(cell, expected)]
    for line in wrong:
        print(f"trapline: {line}", file=sys.stderr)
    return CONTRADICTED if wrong else DONE
