"""What kernel code says before a step is what the step touches: text, the kprobe table, and nothing unsaid."""

import pytest

import arches
from emu.explore.ops import Access, Touch
from emu.explore.schedulers import RandomScheduler, execute
from emu.kernel import kallsyms, text
from emu.kernel.state import Kernel
from emu.lab.cells import Settings
from emu.scenarios.registry import find_scenario

SCENARIOS = ("unregister_vs_hit", "register_vs_hit", "reregister_vs_hit", "foreign_removed")
SEEDS = range(8)


class Witness:
    """Compares each access to text and table with the announcement of the step that makes it."""

    def __init__(self, monkeypatch):
        self.said, self.touches, self.unsaid, self.kinds = "", (), set(), set()
        read, store, set_kprobe = text.read, text.store, Kernel.set_kprobe

        def watched_read(kernel, addr, size):
            self.touch(kernel, "load", kallsyms.text_at(kernel, addr), addr)
            return read(kernel, addr, size)

        def watched_store(kernel, addr, data, *, live):
            self.touch(kernel, "store", kallsyms.text_at(kernel, addr), addr)
            store(kernel, addr, data, live=live)

        def watched_set(kernel, addr, p):
            self.touch(kernel, "store", kallsyms.table_at(kernel, addr), addr)
            set_kprobe(kernel, addr, p)

        monkeypatch.setattr(text, "read", watched_read)
        monkeypatch.setattr(text, "store", watched_store)
        monkeypatch.setattr(Kernel, "set_kprobe", watched_set)

    def touch(self, kernel, kind, touched, addr):
        """Slots are written before anybody can be in them, and text that is prepared for a probe under its mutex."""
        stopped = "patch.cpu_count" in self.said  # stop_machine: nobody else runs
        if kernel.booting or kallsyms.in_slot(kernel, addr) or self.said == "wait text_mutex" or stopped:
            return
        self.kinds.add((kind, touched.kind))
        if Touch(touched, Access(kind)) not in self.touches:
            self.unsaid.add((self.said, f"{kind} {touched}"))

    def listen(self, task):
        announced = not task.interrupted() and task.op is not None
        self.said, self.touches = (repr(task.op), task.op.touches) if announced else ("", ())


@pytest.mark.parametrize("patching", ["live", "stop_machine"])
@pytest.mark.parametrize("variant", ["mainline", "recheck"])
@pytest.mark.parametrize("arch", arches.names())
def test_text_and_table_are_touched_where_that_was_said(monkeypatch, arch, variant, patching):
    witness = Witness(monkeypatch)
    for scenario in SCENARIOS:
        laboratory = Settings(find_scenario(scenario), arch, variant, patching, "full").laboratory()
        for seed in SEEDS:
            world = laboratory()
            kernel = world.lab.kernel
            kernel.machine.memory.watcher = kernel.kprobe_table.watcher = None  # the witness stands in between
            execute(world, RandomScheduler(seed), witness.listen)
    assert witness.unsaid == set()
    assert ("store", "kprobe_table") in witness.kinds
    assert (("store", "text") in witness.kinds) is (patching == "live")
