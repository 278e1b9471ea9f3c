"""The stepping bench: a state that is loaded over a clean one, and what is told of changes."""

import pytest

import arches
from emu.machine.bench import CpuBench, changed_runs, runs
from emu.machine.memory import Memory

TEXT = 0x10000


@pytest.fixture
def bench(request):
    arch = arches.load(request.param)
    memory = Memory()
    memory.add("text", TEXT, 0x1000, executable=True)
    return CpuBench(arch.make_cpu()(0, memory), arch.isa.registers)


@pytest.mark.parametrize(
    ("places", "found"),
    [
        ([], []),
        ([5], [range(5, 6)]),
        ([0, 8], [range(0, 9)]),  # eight apart
        ([0, 9], [range(0, 1), range(9, 10)]),
        ([1, 2, 3, 20, 21, 40], [range(1, 4), range(20, 22), range(40, 41)]),
    ],
)
def test_numbers_that_are_near_are_one_run(places, found):
    assert list(runs(places)) == found


def test_memory_that_changed_is_told_as_it_is_now():
    before, after = b"\1" * 32, b"\1\2\1\1\3" + b"\1" * 20 + b"\4" + b"\1" * 6
    assert list(changed_runs(0x100, before, after)) == [(0x101, b"\2\1\1\3"), (0x119, b"\4")]
    assert list(changed_runs(0x100, before, before)) == []


@pytest.mark.parametrize("bench", arches.names(), indirect=True)
def test_what_is_loaded_is_what_has_changed_and_a_clean_state_has_none_of_it(bench):
    clean, name = bench.read(), bench.names[5]
    bench.load({name: 7}, TEXT + 8)
    assert bench.changed(clean) == {name: 7}
    assert bench.values()[name] == 7
    assert bench.cpu.pc == TEXT + 8
    bench.cpu.restore(bench.clean)
    assert bench.changed(clean) == {}
