"""Policies of patching: what each of them writes, in which order, and what a CPU that fetches meanwhile can meet."""

import pytest

import arches
from emu.errors import UsageError
from emu.explore.schedulers import RoundRobin, execute
from emu.kernel import kallsyms, text
from emu.kernel.configuration import Patching
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe, unregister_kprobe
from emu.kernel.patching import POLICIES
from emu.kernel.probe import Kprobe
from tests.kernel.breakpoints import BREAKPOINTS

ARCHS = arches.names()


def arm_and_disarm(lab):
    probe = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))

    async def both():
        assert await register_kprobe(lab.kernel, probe) == 0
        await unregister_kprobe(lab.kernel, probe)

    return {"cpu1": both()}


@pytest.fixture
def stores(laboratory, monkeypatch):
    """What a policy stores into the text of a probe that comes and goes."""

    def run(arch, patching):
        world, found = laboratory(arm_and_disarm, arch, patching=patching)(), []
        store, where = text.store, world.lab.symbol("probe_me")

        def record(kernel, addr, data, **how):
            if where <= addr < where + 16:
                found.append((addr - where, data))
            store(kernel, addr, data, **how)

        monkeypatch.setattr(text, "store", record)
        world.lab.kernel.machine.memory.watcher = None  # `record` is not the kernel's
        execute(world, RoundRobin())
        return found, kallsyms.memory_at(world.lab.kernel, where, 4)

    return run


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("patching", ["live", "stop_machine", "text_poke"])
def test_one_store_each_way(stores, arch, patching):
    (armed, disarmed), after = stores(arch, patching)
    assert armed == (0, bytes.fromhex(BREAKPOINTS[arch]))
    assert disarmed == (0, after[: len(armed[1])])


@pytest.mark.parametrize("arch", ARCHS)
def test_a_breakpoint_comes_before_the_old_word_too_in_three_steps(stores, arch):
    """Arming ends with the first step, which wrote what was wanted; all of these breakpoints are one store wide."""
    (armed, again, disarmed), after = stores(arch, "text_poke_bp")
    assert armed == again == (0, bytes.fromhex(BREAKPOINTS[arch]))
    assert disarmed == (0, after[: len(armed[1])])


def two_cpus(lab):
    probe = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
    lab.boot(register_kprobe(lab.kernel, probe))
    return {"cpu0": run_guest(lab.cpus[0], "probe_me"), "cpu1": unregister_kprobe(lab.kernel, probe)}


@pytest.mark.parametrize(
    ("arch", "patching", "frequency"),
    [
        ("arm64", "live", "sometimes"),  # add to BRK and back is none of the changes that B2.2.5 allows
        ("arm64", "text_poke", "sometimes"),  # nor does the interrupt help who fetches before it comes
        ("arm64", "text_poke_bp", "sometimes"),
        ("arm64", "stop_machine", "never"),
        ("x86", "text_poke", "never"),
        ("x86", "text_poke_bp", "never"),
    ],
)
def test_between_the_store_and_its_interrupt(search, arch, patching, frequency):
    assert search(two_cpus, arch, patching=patching).frequency("unpredictable") == frequency


def test_a_policy_that_nobody_has():
    with pytest.raises(
        UsageError, match="patching 'magic': expected one of live, stop_machine, text_poke, text_poke_bp"
    ):
        Patching("magic")
    assert list(POLICIES) == list(Patching)
