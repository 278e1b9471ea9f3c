"""What `--expect` finds contradicted."""

from emu.cli.expect import contradictions
from emu.explore.report import Report
from emu.lab.cells import Cell, Settings
from emu.lab.claims import Claim
from emu.scenarios.registry import find_scenario


def test_a_search_that_was_interrupted_before_an_execution_contradicts_nothing():
    """Of no executions none has an oops, which does not say that one is without."""
    cell = Cell(Settings(find_scenario("foreign_break"), "mips"), Report(complete=False, interrupted=True))
    assert cell.report.executions == 0
    assert list(contradictions(cell, [("oops", Claim.ALWAYS), ("hit", Claim.NEVER)])) == []
