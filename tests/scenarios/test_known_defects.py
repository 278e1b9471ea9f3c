"""Defects of Linux that the facts list (C-SKY section 6 "Defects", MIPS section 3.1), each a scenario of its own."""

import pytest

from emu.lab.cells import Settings, explore_cell
from emu.lab.lab import NotApplicable
from emu.scenarios.registry import find_scenario

DEFECTS = [
    ("csky", "flag_of_stepped_compare", {"hit", "wrong-result"}),  # the whole PSR is put back
    ("csky", "half_of_instruction_copied", {"hit", "wrong-result"}),  # the slot held something else behind it
    ("csky", "literal_load_comes_back", {"hit", "livelock"}),  # lrw16 does not advance the pc
    ("csky", "far_branch", {"hit", "wrong-result"}),  # sign bit one too low: beyond +510 it goes back
    ("csky", "stepped_call", {"hit", "passed-on", "oops"}),  # jsr16's row does not match it; the trace is nobody's
    ("csky", "popped_register", {"hit", "wrong-result"}),  # r28 of the list goes to r29
    ("csky", "relative_address_in_slot", {"hit", "wrong-result"}),  # grs is stepped
    ("mips", "skipped_delay_slot", {"hit", "missed", "wrong-result"}),  # SKIP_DELAYSLOT leaks, current is not reset
    ("mips", "likely_branch", {"hit", "missed", "wrong-result"}),  # the polarity of the skip is reversed
]


def outcomes(arch, scenario, variant):
    report = explore_cell(Settings(find_scenario(scenario), arch, variant)).report
    assert report.complete
    return {name for name in report.outcomes if report.frequency(name) == "always"}


@pytest.mark.parametrize(("arch", "scenario", "expected"), DEFECTS)
def test_the_newest_kernel_has_it(arch, scenario, expected):
    assert outcomes(arch, scenario, "mainline") == expected


@pytest.mark.parametrize(("arch", "scenario", "expected"), DEFECTS)
def test_a_kernel_that_is_mended_has_not(arch, scenario, expected):
    assert outcomes(arch, scenario, "fixed") == {"hit"}


def test_where_there_is_no_such_instruction_the_scenario_does_not_apply():
    with pytest.raises(NotApplicable, match="arm64: its firmware has no probe_likely_site"):
        explore_cell(Settings(find_scenario("likely_branch"), "arm64"))
