"""Every CPU busy: all but the last walk into a probe that the last takes away."""

import pytest

import arches
from emu.explore.search import explore
from emu.lab.cells import Settings, explore_cell
from emu.lab.compare import grid
from emu.scenarios.registry import find_scenario

LIVE_ON_THREE = 465_930  # executions on arm64; 4.7e5 were estimated from a search without states


def report(scenario, arch, patching, cpus, **how):
    laboratory = Settings(find_scenario(scenario), arch, "mainline", patching, cpus=cpus).laboratory()
    found = explore(laboratory, checked=True, **how)
    assert found.complete
    return found


@pytest.mark.parametrize("arch", arches.names())
def test_on_two_cpus_it_is_the_seed_scenario(arch):
    for patching in ("live", "stop_machine"):
        busy, seed = (report(name, arch, patching, 2) for name in ("unregister_vs_hits", "unregister_vs_hit"))
        assert (busy.executions, busy.outcomes) == (seed.executions, seed.outcomes)


def test_three_busy_cpus_are_searched_to_the_end():
    assert report("unregister_vs_hits", "arm64", "live", 3).executions == LIVE_ON_THREE


def test_the_first_steps_of_three_busy_cpus_add_up():
    parts = [report("unregister_vs_hits", "arm64", "live", 3, prefix=(f"cpu{number}",)) for number in range(3)]
    assert sum(part.executions for part in parts) == LIVE_ON_THREE


@pytest.mark.exhaustive
@pytest.mark.parametrize("arch", arches.names())
def test_three_busy_cpus_are_searched_to_the_end_everywhere(arch):
    """Walkers are alike: what one CPU's guest can meet, the other's can, so the seed scenario's outcomes are there."""
    for patching in ("live", "stop_machine"):
        three, two = (report("unregister_vs_hits", arch, patching, cpus) for cpus in (3, 2))
        assert set(three.outcomes) >= set(two.outcomes)


def test_a_grid_has_as_many_cpus_as_are_asked_for():
    cells = grid([find_scenario("unregister_vs_hits")], ["csky"], ["mainline"], ["live"], ["none"], 3)
    assert [cell.cpus for cell in cells] == [3]
    assert explore_cell(cells[0]).report.complete
