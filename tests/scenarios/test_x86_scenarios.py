"""x86: the check that is gone since 6.3, patches of several bytes, and stale views; by every interleaving."""

from __future__ import annotations

import pytest

from arches.x86.breaks import INT3
from emu.errors import UsageError
from emu.explore.schedulers import Replay, RoundRobin
from emu.explore.search import explore
from emu.kernel import text, text_poke
from emu.kernel.outcome import Outcome
from emu.kernel.state import TextPokeArray
from emu.lab.cells import Settings, explore_cell, run_once
from emu.lab.decide import decide_recheck
from emu.lab.lab import NotApplicable
from emu.scenarios.registry import find_scenario, recheck_question

NEVER, SOMETIMES, ALWAYS = "never", "sometimes", "always"


def explored(scenario, variant="mainline", **settings):
    cell = explore_cell(Settings(find_scenario(scenario), "x86", variant, **settings))
    assert cell.report.complete
    return cell


def frequencies(cell):
    """The outcomes that there are."""
    return {name: cell.frequency(name) for name in Outcome if cell.frequency(name) != NEVER}


def events_of(cell, outcome):
    """The timeline of the shortest schedule that ends in an outcome."""
    witness = cell.witness(outcome)
    assert witness is not None
    return run_once(cell.settings, Replay(witness)).events


@pytest.mark.parametrize("preempt", ["none", "full"])
@pytest.mark.parametrize(
    ("patching", "variant", "want"),
    [
        ("text_poke", "mainline", {"hit": SOMETIMES}),
        ("text_poke", "v6.2", {"hit": SOMETIMES}),
        ("text_poke", "seed", {"hit": SOMETIMES}),
        ("text_poke", "v5.12", {"hit": SOMETIMES}),
        ("stop_machine", "mainline", {"hit": SOMETIMES}),
        ("stop_machine", "v6.2", {"hit": SOMETIMES}),
        ("live", "v6.2", {"hit": SOMETIMES, "claimed": SOMETIMES}),
        ("live", "mainline", {"hit": SOMETIMES, "passed-on": SOMETIMES, "oops": SOMETIMES}),
    ],
)
def test_the_lookup_fails_only_without_a_synchronisation(patching, variant, preempt, want):
    """Facts, core section 8: before 5c02ece81848 (`live`) row 3 was possible; since then the interrupt is taken after
    the handler, which runs with IF clear. The check suffices: the code is not read from memory."""
    assert frequencies(explored("unregister_vs_hit", variant, patching=patching, preempt=preempt)) == want


@pytest.mark.parametrize(
    ("patching", "variant", "want"),
    [
        ("text_poke", "mainline", {"passed-on": SOMETIMES}),
        ("text_poke", "v6.2", {"passed-on": SOMETIMES, "claimed": SOMETIMES}),
        ("live", "v6.2", {"passed-on": SOMETIMES, "claimed": SOMETIMES}),
        ("stop_machine", "v6.2", {"passed-on": SOMETIMES}),
    ],
)
def test_the_check_swallows_what_was_somebody_elses(patching, variant, want):
    """8e791f7eba4c: the store of the debugger's removal can come before the compare, only its interrupt cannot."""
    assert frequencies(explored("foreign_removed", variant, patching=patching)) == want


def test_decide_agrees_with_history():
    decisions = decide_recheck(recheck_question(), ["x86"], None, ["none", "full"], lambda done, of: None).found
    verdicts = {
        (one.race.settings.patching, one.race.settings.preempt): (
            one.race.worth,
            one.race.sufficient,
            {foreign.settings.scenario.name: foreign.worth for foreign in one.foreign},
        )
        for one in decisions
    }
    harmful = {"foreign_break": "redundant", "foreign_removed": "harmful"}
    harmless = {"foreign_break": "redundant", "foreign_removed": "redundant"}
    assert verdicts == {
        ("live", "none"): ("needed", True, harmful),
        ("live", "full"): ("needed", True, harmful),
        ("stop_machine", "none"): ("redundant", True, harmless),
        ("stop_machine", "full"): ("redundant", True, harmless),
        ("text_poke", "none"): ("redundant", True, harmful),
        ("text_poke", "full"): ("redundant", True, harmful),
    }


@pytest.mark.parametrize(
    ("variant", "views", "want"),
    [
        ("mainline", None, {"hit": SOMETIMES, "passed-on": SOMETIMES, "oops": SOMETIMES}),
        ("v6.2", None, {"hit": SOMETIMES, "claimed": SOMETIMES}),
        ("mainline", "coherent", {"hit": SOMETIMES}),
        ("v6.2", "coherent", {"hit": SOMETIMES}),
    ],
)
def test_a_stale_view_kills_only_the_kernel_without_the_check(variant, views, want):
    """January 2024: under QEMU's TCG the kernel without the check panicked; the check hid it; KVM was fine."""
    assert frequencies(explored("stale_view_after_ipi", variant, views=views)) == want


LOOKUP = ("cpu0", "load kprobe_table[probe_me]")


def test_the_ghost_comes_after_the_synchronisation():
    """CPU 0 has taken the interrupt when it traps on an int3 that memory does not have, and finds the table empty."""
    events = [(event.task, event.text) for event in events_of(explored("stale_view_after_ipi"), "oops")]
    synchronised, trapped = events.index(("cpu0", "[sync_core]")), events.index(("cpu0", "trap: break at probe_me"))
    removed, looked = events.index(("cpu1", "store kprobe_table[probe_me]")), events.index(LOOKUP)
    assert synchronised < trapped < looked
    assert removed < looked
    assert events[-1] == ("cpu0", "die: int3 at probe_me+0x1")


def test_what_a_stale_view_misses_comes_with_the_next_exception():
    """A claimed trap is not taken again: the CPU goes on with the instruction that memory has."""
    events = [event.text for event in events_of(explored("stale_view_after_ipi", "v6.2"), "claimed")]
    assert events.count("probe_me: int3") == 1
    claimed = events.index("no kprobe, and the word is no breakpoint any more: return")
    assert events[claimed + 1] == "probe_me: add rdi, 3"


@pytest.mark.parametrize("patching", ["text_poke", "live"])
def test_a_stale_view_may_miss_a_new_breakpoint(patching):
    """... and nothing else happens: the guest runs as without a probe."""
    assert frequencies(explored("register_vs_hit", views="stale", patching=patching)) == {}


@pytest.mark.parametrize("preempt", ["none", "full"])
@pytest.mark.parametrize("variant", ["mainline", "v6.2", "v5.12"])
def test_a_nop_becomes_a_jump_and_nobody_notices(variant, preempt):
    assert frequencies(explored("nop5_to_jump", variant, preempt=preempt)) == {}


class Results:
    """A world that keeps what CPU 0 computed."""

    def __init__(self, world, seen):
        self.world, self.tasks, self.seen, self.state = world, world.tasks, seen, world.state

    def finish(self, ending):
        kernel = self.world.lab.kernel
        taken = any("text_poke: emulate" in event.text for event in kernel.events)
        self.seen.add((kernel.machine.memory.load(kernel.machine.symbol("results"), 8), taken))
        return self.world.finish(ending)


def test_every_way_through_the_patch_is_taken():
    """Twice the nop gives 31 * 3 + 4, twice the jump 31 * 65 + 66, the nop and then the jump 31 * 3 + 66; never the
    nop after the jump, 31 * 65 + 4. Each jump can be the real one or the handler's, from the int3."""
    make, seen = Settings(find_scenario("nop5_to_jump"), "x86").laboratory(), set()
    explore(lambda: Results(make(trace=True), seen))
    assert seen == {(97, False), (159, False), (159, True), (2081, False), (2081, True)}


async def no_interrupt(kernel, name, addr, size):
    """on_each_cpu that asks nobody."""


def test_without_its_interrupts_text_poke_bp_kills(monkeypatch):
    """CPU 0 is in the trap of the int3, the patch is finished, its count is 0: the int3 is nobody's."""
    monkeypatch.setattr(text_poke, "on_each_cpu", no_interrupt)
    cell = explored("nop5_to_jump")
    assert cell.frequency("oops") == SOMETIMES
    texts = [(event.task, event.text) for event in events_of(cell, "oops")]
    trapped = texts.index(("cpu0", "trap: break at text_patch_nop5+0x8"))
    assert trapped < texts.index(("cpu1", "update text_poke_array_refs[0]"))
    assert texts[-1] == ("cpu0", "die: int3 at text_patch_nop5+0x9")


def test_without_int3_a_torn_instruction_is_executed():
    cell = explored("nop5_without_int3")
    assert frequencies(cell) == {"oops": SOMETIMES, "unpredictable": SOMETIMES}


def test_which_torn_instructions_there_are():
    """0f 1f 44 00 00 becomes e9 05 00 00 00: in between are e9 1f 44 00 00 and e9 05 44 00 00, jumps to where there is
    nothing; the last two bytes are the same."""
    make, deaths = Settings(find_scenario("nop5_without_int3"), "x86").laboratory(), set()

    class Deaths(Results):
        def finish(self, ending):
            self.seen.update(e.text for e in self.world.lab.kernel.events if e.text.startswith("die"))
            return self.world.finish(ending)

    explore(lambda: Deaths(make(trace=True), deaths))
    world = make()
    world.tasks["cpu0"].close()
    world.tasks["cpu1"].close()
    behind = world.lab.kernel.machine.symbol("nop5_site") + 5
    targets = [f"{behind + distance:#x}" for distance in (0x441F, 0x4405)]
    assert deaths == {f"die: page fault, fetch of {target} at {target}" for target in targets}


@pytest.mark.parametrize(
    ("offset", "size", "head", "torn"),
    [
        (0, 1, b"", True),
        (4, 1, b"", True),
        (-1, 1, b"", False),
        (5, 1, b"", False),
        (-2, 9, b"", True),
        (1, 4, INT3, False),
    ],
)
def test_what_a_fetch_meets(offset, size, head, torn):
    """The five bytes of the nop are one instruction; behind an int3 the last four are none."""
    world = Settings(find_scenario("nop5_to_jump"), "x86").laboratory()()
    kernel = world.lab.kernel
    for task in world.tasks.values():
        task.close()
    site = kernel.machine.symbol("nop5_site")
    if head:
        text.store(kernel, site, head, live=True)
    text.store(kernel, site + offset, b"\x11" * size, live=True)
    text.fetched(kernel, kernel.machine.cpus[0], site)
    assert kernel.outcomes == ({"unpredictable"} if torn else set())


@pytest.mark.parametrize(("refs", "handled"), [(0, False), (1, True)])
def test_the_handler_needs_a_reference(refs, handled):
    """Without one the table may be that of the next patch."""
    world = Settings(find_scenario("nop5_to_jump"), "x86").laboratory()()
    cpu, array, done = world.lab.cpus[0], world.lab.kernel.text_poke_array, []
    for task in world.tasks.values():
        task.close()
    array.vec, array.refs = {0x1234: done.append}, [refs, refs]
    code = text_poke.poke_int3_handler(cpu, "regs", 0x1234)
    with pytest.raises(StopIteration) as ended:
        while True:
            code.send(None)
    assert (ended.value.value, done, array.refs) == (handled, ["regs"] * handled, [refs, refs])


@pytest.mark.parametrize(
    ("data", "steps"),
    [
        ("e905000000", [(0, "cc"), (1, "05000000"), (0, "e9")]),
        ("cc05000000", [(0, "cc"), (1, "05000000")]),
        ("c3", [(0, "cc"), (0, "c3")]),
        ("cc", [(0, "cc")]),
    ],
)
def test_the_three_steps(monkeypatch, data, steps):
    """Without a tail there is no second one, and none to write an int3 over an int3."""
    written = []

    async def write_and_sync(kernel, addr, offset, data):
        written.append((offset, data.hex()))

    monkeypatch.setattr(text_poke, "write_and_sync", write_and_sync)
    world = Settings(find_scenario("nop5_to_jump"), "x86").laboratory()()
    for task in world.tasks.values():
        task.close()
    with pytest.raises(StopIteration):
        text_poke.three_steps(world.lab.kernel, 0x1000, bytes.fromhex(data)).send(None)
    assert written == steps


def test_the_patcher_waits_for_a_handler_that_holds_a_reference():
    world = Settings(find_scenario("nop5_to_jump"), "x86").laboratory()()
    for task in world.tasks.values():
        task.close()
    array = TextPokeArray(refs=[2])
    code = text_poke.drop_reference(array, world.lab.cpus[0])
    code.send(None)
    assert repr(code.send(None)) == "wait text_poke_array_refs[0]"
    assert array.refs == [1]


def test_a_cpu_that_spins_fetches_the_address_again():
    """CPU 0 traps for ever until CPU 1 removes the debugger's int3; then it executes the whole instruction."""
    run = run_once(Settings(find_scenario("foreign_removed"), "x86", patching="stop_machine"), RoundRobin())
    texts = [event.text for event in run.events if event.task == "cpu0"]
    spun = texts.index("retry the same trap at probe_me")
    assert "probe_me: add rdi, 3" in texts[spun:]


@pytest.mark.parametrize("scenario", ["nop5_to_jump", "nop5_without_int3"])
def test_other_architectures_have_no_such_nop(scenario):
    with pytest.raises(NotApplicable, match="arm64: its firmware has no nop5_site"):
        explore_cell(Settings(find_scenario(scenario), "arm64"))


def test_text_poke_bp_needs_a_handler_that_emulates():
    world = Settings(find_scenario("register_vs_hit"), "arm64").laboratory()()
    kernel = world.lab.kernel
    for task in world.tasks.values():
        task.close()
    with pytest.raises(UsageError, match="text_poke_bp on arm64"):
        text_poke.text_poke_bp(kernel, 0x10000, b"\0\0\0\0").send(None)
