"""Is the comparison needed, redundant or harmful, and does it suffice? Expectations are the facts', core section 8."""

from functools import cache

import pytest

import arches
from emu.lab.cells import Settings, explore_cell
from emu.lab.compare import searched
from emu.lab.decide import BothWays, decide_recheck
from emu.lab.lab import NotApplicable
from emu.report.as_json import both_ways_json, decisions_json
from emu.report.decisions import decisions_text
from emu.scenarios.registry import FOREIGN, RACE, find_scenario, recheck_question

ARCHS = arches.names()
RE_ENABLE = ("mips", "loongarch")  # interrupts on before the kprobe handler, and the code decoded from memory


@cache
def decided(scenario, arch, patching, preempt="none"):
    cells = [
        explore_cell(Settings(find_scenario(scenario), arch, variant, patching, preempt))
        for variant in ("no-recheck", "recheck")
    ]
    assert all(cell.report.complete for cell in cells)
    return BothWays(*cells, scenario in FOREIGN)


@pytest.mark.parametrize(
    ("arch", "patching", "preempt", "verdict", "sufficient"),
    [
        # Rows 3 and 4: the word is restored before the lookup, or even before the code is read
        *((arch, "live", "none", "needed", False) for arch in RE_ENABLE),
        *((arch, "live", "full", "needed", False) for arch in RE_ENABLE),
        # The code is in the trap: nothing is left to go wrong before the lookup
        *((arch, "live", "none", "needed", True) for arch in ("arm64", "riscv", "x86")),
        # do_trap_illinsn's inverted test returns where the word is gone, check or no check
        ("csky", "live", "none", "redundant", True),
        # Nobody is between trap and lookup while the machine is stopped
        *((arch, "stop_machine", "none", "redundant", True) for arch in ARCHS),
        *((arch, "stop_machine", "full", "redundant", True) for arch in ARCHS if arch not in RE_ENABLE),
        # ... but for the kernels that can be preempted there
        *((arch, "stop_machine", "full", "needed", False) for arch in RE_ENABLE),
        # An IPI that the handler's CPU takes only afterwards, since 5c02ece81848
        ("x86", "text_poke", "none", "redundant", True),
    ],
)
def test_the_race(arch, patching, preempt, verdict, sufficient):
    one = decided(RACE, arch, patching, preempt)
    assert (one.worth, one.sufficient) == (verdict, sufficient)


@pytest.mark.parametrize("preempt", ["none", "full"])
@pytest.mark.parametrize("patching", ["live", "stop_machine"])
def test_break_515_as_gas_spells_it_is_swallowed_on_mips(patching, preempt):
    assert decided("foreign_break_gas", "mips", patching, preempt).worth == "harmful"


@pytest.mark.parametrize(
    ("arch", "fix", "race", "harmful"),
    [
        ("mips", (), "needed", {"foreign_break_gas", "foreign_removed"}),
        ("mips", ("gas-break",), "needed", {"foreign_removed"}),  # the words are both compared with
        ("csky", (), "redundant", {"foreign_removed"}),
        ("csky", ("illegal-test-inverted",), "needed", {"foreign_removed"}),  # nothing else returns there then
    ],
)
def test_verdicts_on_a_kernel_with_a_bug_repaired(arch, fix, race, harmful):
    decisions = decide_recheck(recheck_question(), [arch], ["live"], ["none"], lambda done, of: None, fix=fix)
    [decision] = decisions.found
    assert decision.race.worth == race
    assert {one.settings.scenario.name for one in decision.foreign if one.worth == "harmful"} == harmful


@pytest.mark.parametrize("arch", ARCHS)
def test_the_kprobe_word_itself_is_left_to_others(arch):
    """The word in memory is the breakpoint, so the comparison says that it is not ours: He's point."""
    assert decided("foreign_break", arch, "live").worth == "redundant"


@pytest.mark.parametrize(
    ("arch", "patching", "preempt", "verdict"),
    [
        *((arch, "live", "none", "harmful") for arch in ARCHS),
        *((arch, "stop_machine", "none", "redundant") for arch in ARCHS),
        *((arch, "stop_machine", "full", "harmful" if arch in RE_ENABLE else "redundant") for arch in ARCHS),
        ("x86", "text_poke", "none", "harmful"),  # what 8e791f7eba4c was about
    ],
)
def test_a_debuggers_breakpoint_that_is_removed_under_way(arch, patching, preempt, verdict):
    assert decided("foreign_removed", arch, patching, preempt).worth == verdict


def test_no_other_architecture_has_a_second_spelling():
    for arch in set(ARCHS) - {"mips"}:
        with pytest.raises(NotApplicable):
            decided("foreign_break_gas", arch, "live")


def test_what_the_verdict_is_made_of():
    one = decided(RACE, "riscv", "live")
    assert one.without.frequency("oops") == "sometimes"
    assert one.without.frequency("claimed") == one.with_check.frequency("oops") == "never"
    assert one.with_check.frequency("claimed") == "sometimes"
    json = both_ways_json(one)
    assert (json["without"]["variant"], json["with"]["variant"]) == ("no-recheck", "recheck")
    assert (json["arch"], json["patching"], json["preempt"]) == ("riscv", "live", "none")


def test_all_at_once():
    """A decision for each policy and preemption setting, with the scenarios that the architecture can have."""
    told = []
    result = decide_recheck(
        recheck_question(), ["riscv", "arm64"], ["live"], ["none", "full"], lambda done, of: told.append((done, of))
    )
    decisions = result.found
    assert (result.undecided, result.searches.interrupted) == ([], False)
    assert all(decision.complete for decision in decisions)
    places = [(one.race.settings.arch, one.race.settings.preempt) for one in decisions]
    assert places == [("riscv", "none"), ("riscv", "full"), ("arm64", "none"), ("arm64", "full")]
    for decision in decisions:
        assert decision.race.settings.scenario.name == RACE
        foreign = [one.settings.scenario.name for one in decision.foreign]
        assert foreign == [name for name in FOREIGN if name != "foreign_break_gas"]
        assert {one.settings.arch for one in decision.foreign} == {decision.race.settings.arch}
        assert {one.settings.preempt for one in decision.foreign} == {decision.race.settings.preempt}
    scenarios, variants = 4, 2
    assert told == [(n, 2 * 2 * scenarios * variants) for n in range(1, 2 * 2 * scenarios * variants + 1)]


@pytest.mark.parametrize("variant", ["recheck", "no-recheck"])
@pytest.mark.parametrize("scenario", [RACE, "foreign_removed"])
def test_what_was_not_searched_is_not_decided(monkeypatch, scenario, variant):
    """A ^C came before one of the two searches: nothing is known there, and a row that lacks it is not complete."""

    def cut_short(*arguments):
        result = searched(*arguments)
        left_out = [cell for cell in result.cells if (cell.settings.scenario.name, cell.settings.variant) == gone]
        result.cells = [cell for cell in result.cells if cell not in left_out]
        return result

    gone = (scenario, variant)
    monkeypatch.setattr("emu.lab.decide.searched", cut_short)
    result = decide_recheck(recheck_question(), ["riscv"], ["live"], ["none"], lambda done, of: None)
    text, json = decisions_text(result), decisions_json("recheck", result)
    assert json["complete"] is False
    assert [(cell["scenario"], cell["variant"]) for cell in json["not_searched"]] == [gone]
    if scenario == RACE:
        assert (result.found, [race.arch for race in result.undecided]) == ([], ["riscv"])
        assert text.splitlines()[-1].split() == ["riscv", "live", "none", "not", "searched", "?", "?"]
    else:
        [decision] = result.found
        assert (decision.unknown, decision.complete) == (("foreign_removed",), False)
        assert json["verdicts"][0]["complete"] is False
        assert text.splitlines()[2].endswith("foreign_removed?")
