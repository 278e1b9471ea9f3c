"""Shipped scenarios searched over their states, and execution by execution where that does not take long."""

import pytest

import arches
from emu.errors import UsageError
from emu.explore.search import explore
from emu.lab.cells import Settings
from emu.lab.lab import NotApplicable
from emu.scenarios.registry import find_scenario, shipped

BY_HAND = {  # mainline, preempt none: live, stop_machine; counted by a search without states, before there was this one
    "arm64": (208, 16_992),
    "csky": (74, 10_464),
    "loongarch": (482, 64_728),
    "mips": (2_609, 64_728),
    "riscv": (208, 16_992),
    "x86": (200, 27_288),
}


def cells(arch, names):
    for name in names:
        for patching in arches.load(arch).port.patchings:
            for preempt in ("none", "full"):
                try:
                    yield Settings(find_scenario(name), arch, "mainline", patching, preempt).laboratory()
                except (NotApplicable, UsageError):
                    continue


def found(laboratory, **how):
    report = explore(laboratory, checked=True, **how)
    return report, {name: (seen.count, seen.witness) for name, seen in report.outcomes.items()}


def compare(arch, names, most):
    """Searches both ways what has at most so many interleavings; how many cells that were."""
    compared = 0
    for laboratory in cells(arch, names):
        try:
            graph, outcomes = found(laboratory)
        except NotApplicable:
            continue
        assert graph.complete
        assert graph.states
        if graph.executions <= most:
            one_by_one, expected = found(laboratory, states=0)
            assert (graph.executions, outcomes) == (one_by_one.executions, expected)
            compared += 1
    return compared


@pytest.mark.parametrize("arch", BY_HAND)
def test_the_seed_scenario_has_as_many_interleavings_as_a_search_without_states_counts(arch):
    for patching, executions in zip(("live", "stop_machine"), BY_HAND[arch], strict=True):
        laboratory = Settings(find_scenario("unregister_vs_hit"), arch, "mainline", patching).laboratory()
        report, _ = found(laboratory)
        assert (report.executions, report.complete) == (executions, True)


@pytest.mark.parametrize("arch", arches.names())
def test_small_cells_give_the_same_without_states(arch):
    assert compare(arch, ("foreign_break", "nested_probe", "stepped_call"), 30) >= 4


@pytest.mark.exhaustive
@pytest.mark.parametrize("arch", arches.names())
def test_every_cell_of_some_thousand_interleavings_gives_the_same_without_states(arch):
    assert compare(arch, shipped(), 5_000) >= 10


@pytest.mark.exhaustive
@pytest.mark.parametrize("arch", ["arm64", "csky"])
@pytest.mark.parametrize("bound", [0, 1, 2, 3])
def test_bounds_of_the_seed_scenario_are_those_of_a_search_without_states(arch, bound):
    """Also where that search would need a reduction to be quick, which is what made bounds wrong."""
    laboratory = Settings(find_scenario("unregister_vs_hit"), arch, "mainline", "live").laboratory()
    graph, outcomes = found(laboratory, bound=bound)
    one_by_one, expected = found(laboratory, bound=bound, states=0)
    assert (graph.executions, outcomes) == (one_by_one.executions, expected)


def test_one_preemption_is_enough_for_mips_to_die_while_a_probe_is_put_back():
    """The bound once said never: `cpu0*2 cpu1*4 cpu0*2` has one preemption, for cpu1 waits when cpu0 goes on."""
    laboratory = Settings(find_scenario("reregister_vs_hit"), "mips", "mainline", "live").laboratory()
    report, outcomes = found(laboratory, bound=1)
    assert report.complete
    assert "oops" in outcomes
