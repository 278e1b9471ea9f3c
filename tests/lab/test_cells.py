"""Settings and cells: defaults, names, what --expect is checked against; the grid of a comparison; the registry."""

import json
import pickle

import pytest

from emu.errors import UsageError
from emu.explore.schedulers import RoundRobin
from emu.kernel.outcome import Outcome
from emu.lab.cells import Settings, explore_cell, run_once
from emu.lab.compare import explore_cells, grid, searched
from emu.lab.lab import NotApplicable
from emu.lab.scenario import NamedScenario
from emu.report.as_json import cell_json, run_json
from emu.scenarios.registry import find_scenario, shipped

A, B = NamedScenario("a", lambda lab: {}), NamedScenario("b", lambda lab: {})


def test_defaults():
    """The variant is mainline, the patching that variant's own, the views the scenario's."""
    assert Settings(find_scenario("foreign_break"), "mips").names() == {
        "scenario": "foreign_break",
        "arch": "mips",
        "variant": "mainline",
        "patching": "live",
        "preempt": "none",
        "cpus": 2,
        "views": "coherent",
    }
    assert Settings(find_scenario("foreign_break"), "loongarch64", "v6.3").names()["patching"] == "live"
    assert Settings(find_scenario("foreign_break"), "loongarch").names()["patching"] == "stop_machine"
    assert Settings(find_scenario("stale_view_after_ipi"), "x86").names()["views"] == "stale"
    assert Settings(find_scenario("stale_view_after_ipi"), "x86", views="coherent").names()["views"] == "coherent"


@pytest.mark.parametrize(
    ("arch", "others", "said"),
    [
        ("pdp11", {}, "architecture 'pdp11'"),
        ("mips", {"variant": "v1"}, "variant 'v1' of mips: expected one of mainline, seed, fixed"),
        ("mips", {"fix": ("c-flag",)}, "bug 'c-flag' of mips: expected one of skip-flag-leaks, "),
        ("mips", {"patching": "slow"}, "patching 'slow': expected one of live"),
        ("mips", {"preempt": "half"}, "preempt 'half': expected one of none, full"),
        ("mips", {"views": "odd"}, "views 'odd': expected one of coherent, stale"),
        ("mips", {"cpus": 0}, "cpus 0: expected 1 to 8"),
    ],
)
def test_bad_settings(arch, others, said):
    with pytest.raises(UsageError, match=said):
        Settings(find_scenario("foreign_break"), arch, **others).laboratory()


def test_a_variant_is_named_with_what_is_repaired_in_it():
    def named(variant, *fix):
        return Settings(find_scenario("foreign_break"), "csky", variant, fix=fix).names()["variant"]

    assert named(None, "c-flag") == "mainline+c-flag"
    assert named("seed", "c-flag", "br16-distance", "c-flag") == "seed+c-flag+br16-distance"
    assert named("fixed", "c-flag") == "fixed"  # nothing is left to be repaired


def test_a_cell_is_json_and_so_is_a_run():
    settings = Settings(find_scenario("foreign_break"), "arm64", cpus=1)
    cell = json.loads(json.dumps(cell_json(explore_cell(settings))))
    assert list(cell["outcomes"]) == list(Outcome)
    assert cell["outcomes"]["oops"]["count"] == cell["executions"] == 1
    run = run_once(settings, RoundRobin())
    assert json.loads(json.dumps(run_json(run)))["schedule"] == cell["outcomes"]["oops"]["witness"]
    assert (run.outcomes, run.events[-1].text) == (("oops",), "die: Oops - BRK #0x4 at foreign_break+0x4")


def test_a_grid_has_every_combination_once():
    cells = grid([A, B], ["arm64", "mips"], ["seed", "mainline"], ["live"], ["none", "full"])
    assert len(cells) == len(set(cells)) == 2 * 2 * 2 * 1 * 2
    first = cells[0]
    assert (first.scenario, first.arch, first.variant, first.patching) == (A, "arm64", "mainline", "live")


def test_a_variant_that_one_architecture_lacks_has_no_cell_there_and_one_that_all_lack_is_an_error():
    cells = grid([A], ["arm64", "loongarch"], ["v6.3"], ["live"], ["none"])
    assert [cell.arch for cell in cells] == ["loongarch"]
    with pytest.raises(UsageError, match=r"variant 'v6\.3' of arm64, mips: expected one of "):
        grid([A], ["arm64", "mips"], ["v6.3"])


def test_a_bug_that_one_architecture_lacks_has_no_cell_there_and_one_that_all_lack_is_an_error():
    cells = grid([A], ["csky", "mips"], ["mainline"], ["live"], ["none"], fix=("c-flag",))
    assert [(cell.arch, cell.fix) for cell in cells] == [("csky", ("c-flag",))]
    with pytest.raises(UsageError, match=r"bug 'c-flag' of arm64, mips: expected one of fp-literal-stepped, "):
        grid([A], ["arm64", "mips"], ["mainline"], fix=("c-flag",))
    with pytest.raises(UsageError, match=r"bugs c-flag, gas-break of csky, mips: expected an architecture that has"):
        grid([A], ["csky", "mips"], ["mainline"], fix=("c-flag", "gas-break"))


@pytest.mark.parametrize("cores", [1, 2])
def test_cells_are_the_same_on_one_core_and_on_several(monkeypatch, cores):
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    told = []
    foreign = [find_scenario("foreign_break"), find_scenario("foreign_break_gas")]
    cells = grid(foreign, ["arm64", "mips"], ["mainline"], ["live"], ["none"])
    result = searched(cells, None, None, lambda done, of: told.append((done, of)))
    assert (result.interrupted, result.missing) == (False, [])
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [(cell.settings.scenario.name, cell.settings.arch) for cell in result.cells] == [
        ("foreign_break", "arm64"),
        ("foreign_break", "mips"),
        ("foreign_break_gas", "mips"),
    ]
    assert [cell.frequency("oops") for cell in result.cells] == ["always", "always", "never"]
    assert [settings.arch for settings in result.inapplicable] == ["arm64"]


def test_stopping_the_iteration_stops_the_searches():
    import multiprocessing

    cells = grid([find_scenario("unregister_vs_hit")], ["mips", "loongarch"], None, ["live"], ["none"])
    results = explore_cells(cells, None, 3)
    next(results)
    results.close()
    assert multiprocessing.active_children() == []


def test_every_shipped_scenario_is_a_function_with_a_question():
    assert len(shipped()) >= 8
    for name in shipped():
        scenario = find_scenario(name)
        assert (scenario.name, scenario.function.__name__) == (name, name)
        assert scenario.question.endswith("?")
        assert "\n" not in scenario.question


def test_a_scenario_that_there_is_not():
    with pytest.raises(UsageError, match=r"scenario 'nothing': expected FILE\.py::FUNCTION or one of "):
        find_scenario("nothing")


def test_a_scenario_of_a_file_is_the_same_one_after_it_was_sent_to_another_process(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("def mine(lab):\n    return {}\n")
    found = find_scenario(f"{path}::mine")
    sent = pickle.loads(pickle.dumps(found))
    assert (sent, hash(sent), sent.function(None)) == (found, hash(found), {})
    assert sent.function is not found.function
    assert sent != find_scenario("foreign_break")


def test_where_there_is_no_such_instruction_the_scenario_does_not_apply():
    with pytest.raises(NotApplicable, match="arm64: its firmware has no probe_likely_site"):
        explore_cell(Settings(find_scenario("likely_branch"), "arm64"))
