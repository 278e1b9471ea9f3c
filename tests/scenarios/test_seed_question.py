"""The mailing list's question, answered by running every interleaving; expectations are the thread's and the facts'."""

import pytest

import arches
from emu.explore.ops import ExecutionEnds
from emu.explore.schedule import format_schedule, parse_schedule
from emu.explore.schedulers import Replay, execute
from emu.kernel import text
from emu.lab.cells import Settings, explore_cell, run_once
from emu.lab.compare import grid
from emu.lab.lab import NotApplicable
from emu.scenarios.registry import find_scenario, shipped

NEVER, SOMETIMES, ALWAYS = "never", "sometimes", "always"
LONG = pytest.mark.exhaustive
ARCHS = arches.names()


def explored(scenario, arch, variant="mainline", patching=None, preempt="none"):
    cell = explore_cell(Settings(find_scenario(scenario), arch, variant, patching, preempt))
    assert cell.report.complete
    assert cell.frequency("wrong-result") == NEVER
    assert cell.frequency("deadlock") == NEVER
    return cell


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("variant", ["seed", "mainline", "recheck", "no-recheck"])
def test_under_stop_machine_the_lookup_never_fails(arch, variant):
    """Hiramatsu: with stop_machine the case cannot occur, and the branch is not needed."""
    cell = explored("unregister_vs_hit", arch, variant, "stop_machine")
    for outcome in ("oops", "claimed", "passed-on", "livelock"):
        assert cell.frequency(outcome) == NEVER
    assert cell.frequency("hit") == SOMETIMES


@pytest.mark.parametrize(
    ("arch", "variant", "claimed", "oops"),
    [
        ("riscv", "seed", NEVER, SOMETIMES),  # falls through to die although the word is restored
        ("arm64", "seed", SOMETIMES, NEVER),  # returns, and executes the address again
        ("arm64", "mainline", NEVER, SOMETIMES),  # 3b84efc066f8: an error
        ("mips", "no-recheck", NEVER, SOMETIMES),
        ("mips", "mainline", SOMETIMES, SOMETIMES),  # dies where the code is read from the restored word
        ("loongarch", "no-recheck", NEVER, SOMETIMES),
        ("loongarch", "seed", SOMETIMES, SOMETIMES),
        ("loongarch", "v6.3", SOMETIMES, SOMETIMES),
        ("csky", "mainline", SOMETIMES, NEVER),  # the inverted test sends a stray SIGTRAP and returns
        ("csky", "fixed", NEVER, SOMETIMES),
        ("arm64", "recheck", SOMETIMES, NEVER),  # the code is in the trap: the check suffices
        ("riscv", "recheck", SOMETIMES, NEVER),
    ],
)
def test_under_live_patching_the_lookup_can_fail(arch, variant, claimed, oops):
    cell = explored("unregister_vs_hit", arch, variant, "live")
    assert (cell.frequency("claimed"), cell.frequency("oops")) == (claimed, oops)


@pytest.mark.parametrize("arch", ["mips", "loongarch"])
def test_the_check_cannot_help_where_the_code_is_read_from_the_restored_word(arch):
    """CPU 0 traps; CPU 1 restores the word; CPU 0 reads a code that is no kprobe's and dies, check or no check."""
    cell = explored("unregister_vs_hit", arch, "recheck", "live")
    texts = timeline(cell, "oops")
    restored = texts.index("store text[probe_me]")
    read = texts.index("load text[probe_me]")
    assert texts.index("trap: break at probe_me") < restored < read
    assert texts[-1].startswith("die: ")
    assert "load kprobe_table[probe_me]" not in texts


@pytest.mark.parametrize(("preempt", "claimed"), [("none", NEVER), ("full", SOMETIMES)])
@pytest.mark.parametrize("arch", ["mips", "loongarch"])
def test_only_a_preemptible_kernel_can_be_stopped_inside_their_handlers(arch, preempt, claimed):
    """Both turn interrupts on before the handler runs (facts, core section 8)."""
    cell = explored("unregister_vs_hit", arch, "recheck", "stop_machine", preempt)
    assert cell.frequency("claimed") == claimed
    assert cell.frequency("oops") == claimed


@pytest.mark.parametrize("arch", ["arm64", "riscv", "csky", "x86"])
def test_handlers_with_interrupts_off_do_not_care_about_preemption(arch):
    cell = explored("unregister_vs_hit", arch, "recheck", "stop_machine", "full")
    assert (cell.frequency("claimed"), cell.frequency("oops")) == (NEVER, NEVER)


@pytest.mark.parametrize("patching", ["live", "stop_machine"])
@pytest.mark.parametrize("arch", ARCHS)
def test_registration_never_fails_the_lookup(arch, patching):
    """The hash entry comes before the breakpoint."""
    cell = explored("register_vs_hit", arch, "mainline", patching)
    for outcome in ("oops", "claimed", "passed-on", "missed"):
        assert cell.frequency(outcome) == NEVER
    assert cell.frequency("hit") == SOMETIMES


@pytest.mark.parametrize("arch", [pytest.param(arch, marks=LONG) if arch == "mips" else arch for arch in ARCHS])
def test_two_cpus_in_one_probe_both_hit_it(arch):
    assert explored("two_cpus_hit", arch).frequency("hit") == ALWAYS


@pytest.mark.parametrize("arch", ARCHS)
def test_a_probe_hit_inside_a_handler_is_missed_and_harmless(arch):
    cell = explored("nested_probe", arch)
    assert (cell.frequency("hit"), cell.frequency("missed"), cell.frequency("oops")) == (ALWAYS, ALWAYS, NEVER)


@pytest.mark.parametrize(
    ("arch", "variant", "claimed", "oops", "livelock"),
    [
        ("arm64", "seed", ALWAYS, NEVER, ALWAYS),  # an unknown BRK #4 was retried for ever until v6.2
        ("arm64", "mainline", NEVER, ALWAYS, NEVER),
        ("riscv", "mainline", NEVER, ALWAYS, NEVER),
        ("mips", "mainline", NEVER, ALWAYS, NEVER),
        ("loongarch", "mainline", NEVER, ALWAYS, NEVER),
        ("csky", "mainline", NEVER, ALWAYS, NEVER),  # 0x1464 still in text dies: the inverted test
        ("csky", "fixed", ALWAYS, NEVER, ALWAYS),  # SIGTRAP is queued and the same pc traps again
        ("x86", "mainline", NEVER, ALWAYS, NEVER),
        ("x86", "v6.2", NEVER, ALWAYS, NEVER),
    ],
)
def test_a_breakpoint_word_of_somebody_else(arch, variant, claimed, oops, livelock):
    cell = explored("foreign_break", arch, variant)
    assert (cell.frequency("claimed"), cell.frequency("oops"), cell.frequency("livelock")) == (claimed, oops, livelock)


def test_break_515_as_gas_spells_it_is_claimed_for_ever_on_mips():
    """He's worry the other way round: the word differs, so the check takes it for a breakpoint that is gone."""
    with_check = explored("foreign_break_gas", "mips", "recheck")
    assert (with_check.frequency("claimed"), with_check.frequency("livelock")) == (ALWAYS, ALWAYS)
    without = explored("foreign_break_gas", "mips", "no-recheck")
    assert (without.frequency("claimed"), without.frequency("oops")) == (NEVER, ALWAYS)


@pytest.mark.parametrize("arch", [pytest.param("mips", marks=LONG), "loongarch", "riscv"])
def test_putting_a_probe_back_may_kill_a_cpu_that_the_check_would_have_saved(arch):
    assert explored("reregister_vs_hit", arch, "recheck", "live").frequency("oops") == SOMETIMES


@pytest.mark.parametrize("arch", ARCHS)
def test_a_probe_put_back_between_lookup_and_comparison_is_not_claimed(arch):
    """Facts, core section 8, row 8: NULL and word == break, so the kernel dies although nothing is wrong."""
    world = Settings(find_scenario("reregister_vs_hit"), arch, "recheck", "live").laboratory()()
    kernel, (hitting, patching) = world.lab.kernel, world.tasks.values()
    hitting.start()
    patching.start()
    addr = kernel.machine.symbol("probe_me")
    (probe,) = kernel.kprobe_table.values()
    breakpoint_insn = kernel.isa.breakpoint(probe.opcode)
    go(hitting, until=lambda: repr(hitting.op) == "load kprobe_table[probe_me]")
    go(patching, until=lambda: addr not in kernel.kprobe_table, meanwhile=hitting)
    hitting.step()
    assert repr(hitting.op) == "load text[probe_me]"
    assert text.read(kernel, addr, len(breakpoint_insn)) != breakpoint_insn
    go(patching, until=lambda: text.read(kernel, addr, len(breakpoint_insn)) == breakpoint_insn, meanwhile=hitting)
    with pytest.raises(ExecutionEnds):
        go(hitting, until=lambda: False)
    assert kernel.outcomes >= {"oops"}
    assert "claimed" not in kernel.outcomes


def go(task, *, until, meanwhile=None):
    """Step a task; another one only takes the interrupts that the first waits for."""
    while not until():
        assert task.enabled() or meanwhile.interrupted()
        (task if task.enabled() else meanwhile).step()


def timeline(cell, outcome):
    return [event.text for event in run_once(cell.settings, Replay(cell.witness(outcome))).events]


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("patching", ["live", "stop_machine"])
def test_every_witness_replays_to_its_outcome(arch, patching):
    for scenario in ("unregister_vs_hit", "register_vs_hit", "foreign_removed"):
        replay_witnesses(explore_cell(Settings(find_scenario(scenario), arch, "recheck", patching, "full")))


@pytest.mark.exhaustive
@pytest.mark.parametrize("scenario", shipped())
def test_every_witness_of_every_cell_replays_to_its_outcome(scenario):
    """Those that the first executions show, where there are many."""
    cells = [
        cell
        for settings in grid([find_scenario(scenario)], ARCHS)
        if (cell := explored_if_applicable(settings, limit=100)) is not None
    ]
    assert cells
    for cell in cells:
        replay_witnesses(cell)


def explored_if_applicable(settings, limit):
    try:
        return explore_cell(settings, limit=limit)
    except NotApplicable:
        return None


def replay_witnesses(cell):
    for outcome, seen in cell.report.outcomes.items():
        world = cell.settings.laboratory()()
        taken, outcomes = execute(world, Replay(parse_schedule(format_schedule(seen.witness))))
        assert taken == seen.witness
        assert outcome in outcomes
