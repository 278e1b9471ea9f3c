"""The delay slot check of arch_prepare_kprobe reads the word before from memory (facts, MIPS 5.1, item 2)."""

import errno

from emu.kernel.kprobes import register_kprobe, unregister_kprobe
from emu.kernel.probe import Kprobe
from emu.lab.cells import Settings
from emu.scenarios.registry import find_scenario


def run(code):
    try:
        while True:
            code.send(None)
    except StopIteration as stop:
        return stop.value


def register(kernel, symbol):
    probe = Kprobe(symbol_name=symbol)
    return probe, run(register_kprobe(kernel, probe))


def laboratory():
    lab = []

    def scenario(given):
        lab.append(given)
        return {}

    settings = Settings(find_scenario("two_cpus_hit"), "mips")
    made = settings.laboratory()
    made.scenario = scenario
    made()
    return lab[0]


def test_a_delay_slot_is_refused_until_its_branch_is_probed():
    lab = laboratory()
    assert register(lab.kernel, "probe_delay_slot")[1] == -errno.EINVAL
    branch, error = register(lab.kernel, "probe_delay_branch")
    assert error == 0
    slot, error = register(lab.kernel, "probe_delay_slot")
    assert error == 0  # the word before is a break now, and that has no delay slot
    run(unregister_kprobe(lab.kernel, slot))
    run(unregister_kprobe(lab.kernel, branch))
    assert register(lab.kernel, "probe_delay_slot")[1] == -errno.EINVAL
