"""What becomes of a trap that no kprobe wants, and when a CPU that traps again and again is stuck."""

import pytest

import arches
from arches.loongarch.breaks import STEP_BREAK as LOONGARCH_STEP_BREAK
from arches.mips.breaks import KPROBE_BREAK as MIPS_BREAK
from arches.mips.breaks import bcode
from emu.errors import GuestError
from emu.explore.ops import load, store, wait
from emu.explore.schedulers import RoundRobin, execute
from emu.kernel import text
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe, unregister_kprobe
from emu.kernel.probe import Kprobe
from emu.kernel.stop_machine import stop_machine_cpuslocked

ARCHS = arches.names()
WARN_SIZES = {"arm64": 4, "riscv": 2, "loongarch": 4, "x86": 2}  # BRK #0x800, c.ebreak, break 1, ud2


def guest(function, count=1, results=None):
    """A scenario of one CPU that calls a function."""

    def scenario(lab):
        async def run():
            result = await run_guest(lab.cpus[0], function, count)
            if results is not None:
                results.append(result)

        return {"cpu0": run()}

    return scenario


@pytest.mark.parametrize("arch", ARCHS)
def test_bug_dies(run_alone, arch):
    outcomes, texts = run_alone(guest("bug_site"), arch, cpus=1)
    assert "oops" in outcomes
    assert texts[-1].startswith("die: ")
    assert texts[-1].endswith("at bug_site")


@pytest.mark.parametrize(("arch", "size"), WARN_SIZES.items())
def test_a_warning_goes_on_behind_its_instruction(run_alone, arch, size):
    """warn_site then adds 2: 31 * (31 * 2 + 3) + 4 for 0, 1 and 2."""
    results = []
    outcomes, texts = run_alone(guest("warn_site", 3, results), arch, cpus=1)
    assert "oops" not in outcomes
    assert texts.count("WARNING at warn_site") == 3
    assert results == [31 * (31 * 2 + 3) + 4]
    after = [text for text in texts if text.startswith(f"warn_site+{size:#x}:")]
    assert len(after) == 3


def test_bug_of_csky_is_bkpt(run_alone):
    _, texts = run_alone(guest("bug_site"), "csky", cpus=1)
    assert "trap: break at bug_site" in texts


@pytest.mark.parametrize(
    ("arch", "variant", "passed_on"),
    [
        ("riscv", "mainline", True),  # notify_die(DIE_TRAP): kgdb
        ("mips", "mainline", True),
        ("x86", "mainline", True),
        ("csky", "mainline", True),
        ("arm64", "mainline", False),  # dispatched by immediate
        ("loongarch", "mainline", False),  # codes 10 and 11 have no notifier since 6.3
        ("loongarch", "seed", True),
    ],
)
def test_who_else_is_asked_about_a_kprobe_breakpoint(run_alone, arch, variant, passed_on):
    outcomes, _ = run_alone(guest("foreign_break"), arch, variant, cpus=1)
    assert ("passed-on" in outcomes) is passed_on
    assert "oops" in outcomes


def test_a_notifier_that_stops_saves_the_kernel(run_alone):
    """Here it skips the break, so that the guest computes x + 21."""
    results = []

    def scenario(lab):
        def debugger(event, cpu, regs):
            regs.pc += 4
            return True

        lab.register_die_notifier("debugger", debugger)
        return guest("foreign_break", 1, results)(lab)

    outcomes, texts = run_alone(scenario, "mips", cpus=1)
    assert (outcomes, results) == ({"passed-on"}, [21])
    assert "notify_die(DIE_BREAK): debugger" in texts


@pytest.mark.parametrize(
    ("word", "code"),
    [  # computed from the formula in the facts, by a script of their own
        (0x000080CD, 515),
        (0x0203000D, 515),
        (0x0000810D, 516),
        (0x0204000D, 516),
        (0x000D000D, 13),
        (0x0001000D, 1),
        (0x020380CD, 527875),
        (0x0000000D, 0),
        (0x000C000D, 12),
        (0x0202000D, 514),
        (0x0000808D, 514),
    ],
)
def test_do_bp_on_mips_swaps_the_halves_of_the_code(word, code):
    assert bcode(word) == code


@pytest.mark.parametrize("function", ["foreign_break", "foreign_break_gas"])
def test_both_spellings_of_break_515_have_the_kprobes_code(run_alone, function):
    _, texts = run_alone(guest(function), "mips", cpus=1)
    assert "do_bp: code 515" in texts


# Livelock


@pytest.mark.parametrize(("arch", "variant"), [("arm64", "seed"), ("csky", "fixed"), ("mips", "mainline")])
def test_a_break_that_is_claimed_in_the_same_state_is_a_livelock(run_alone, arch, variant):
    """MIPS: of the word that gas makes. The third trap is the first that can be compared with one before."""
    function = "foreign_break_gas" if arch == "mips" else "foreign_break"
    outcomes, texts = run_alone(guest(function), arch, variant, cpus=1)
    assert "livelock" in outcomes
    assert "oops" not in outcomes
    assert sum(text.startswith("trap:") for text in texts) == 2


def test_the_breakpoint_of_csky_is_no_instruction_and_shown_as_the_kernel_writes_it(run_alone):
    _, texts = run_alone(guest("foreign_break"), "csky", cpus=1)
    at = "foreign_break+0x2"
    assert [text for text in texts if at in text][:2] == [f"{at}: .insn 0x1464", f"trap: illegal at {at}"]


@pytest.mark.parametrize(("variant", "ends"), [("mainline", "livelock"), ("seed", "livelock"), ("fixed", "oops")])
def test_an_illegal_instruction_in_csky_kernel_code(run_alone, variant, ends):
    """With the inverted test whatever is not 0x1464 gets a SIGTRAP and is executed again, for ever; it should die."""

    def scenario(lab):
        text.store(lab.kernel, lab.symbol("foreign_break_site"), b"\x65\x14", live=False)
        return guest("foreign_break")(lab)

    outcomes, texts = run_alone(scenario, "csky", variant, cpus=1)
    assert "trap: illegal at foreign_break+0x2" in texts
    assert outcomes & {"livelock", "oops"} == {ends}
    assert ("SIGTRAP to current: return" in texts) is (ends == "livelock")


def skipping(arch, until, lab, calls):
    """A probe whose handler returns true without moving pc, so that the break is hit again, `until` says stop."""

    def pre(p, regs):
        calls.append(regs.pc)
        regs.pc = p.addr  # x86 would go on behind int3
        return not until(regs)

    probe = Kprobe(lab.symbol("probe_me"), pre_handler=pre)
    lab.boot(register_kprobe(lab.kernel, probe))


@pytest.mark.parametrize("arch", ARCHS)
def test_a_handler_that_never_lets_go_is_a_livelock(run_alone, arch):
    def scenario(lab):
        skipping(arch, lambda regs: False, lab, [])
        return guest("probe_me")(lab)

    outcomes, _ = run_alone(scenario, arch, cpus=1)
    assert outcomes == {"hit", "livelock"}


@pytest.mark.parametrize("times", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("arch", ARCHS)
def test_a_handler_that_counts_to_eight_is_none(run_alone, arch, times):
    """Nothing that the kernel can see changes until it lets go; the guest's result is right then."""
    results, calls = [], []

    def scenario(lab):
        skipping(arch, lambda regs: len(calls) > times, lab, calls)
        return guest("probe_me", 1, results)(lab)

    outcomes, _ = run_alone(scenario, arch, cpus=1)
    assert (outcomes, results, len(calls)) == ({"hit"}, [6], times + 1)


@pytest.mark.parametrize("arch", ARCHS)
def test_a_loop_with_progress_is_no_livelock(run_alone, arch):
    """A hundred hits at one pc, of which each has another argument."""
    results = []

    def scenario(lab):
        lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))))
        return guest("probe_me", 100, results)(lab)

    outcomes, _ = run_alone(scenario, arch, cpus=1)
    assert outcomes == {"hit"}


@pytest.mark.parametrize("arch", ARCHS)
def test_hits_in_the_same_registers_are_none_if_memory_differs(run_alone, arch):
    """The handler lets go when it has counted down a word of shared memory, far beyond the chances it is given."""

    def scenario(lab):
        counter, size = lab.kernel.machine.symbol("shared_counter"), lab.kernel.isa.registers.bits // 8
        lab.kernel.machine.memory.store(counter, 30, size)

        def exhausted(regs):
            left = regs.load(counter, size)
            regs.store(counter, left - 1 if left else 0, size)
            return left == 0

        skipping(arch, exhausted, lab, [])
        lab.has_reference = False
        return guest("probe_me")(lab)

    outcomes, _ = run_alone(scenario, arch, cpus=1)
    assert outcomes == {"hit"}


@pytest.mark.parametrize("arch", ARCHS)
def test_a_cpu_that_waits_in_a_trap_for_what_another_will_store_is_not_stuck(search, arch):
    """The handler skips until CPU 1 has stored to shared memory: in every interleaving it does."""

    def scenario(lab):
        machine, size = lab.kernel.machine, lab.kernel.isa.registers.bits // 8
        counter = machine.symbol("shared_counter")
        skipping(arch, lambda regs: regs.load(counter, size) == 1, lab, [])
        lab.has_reference = False

        async def other():
            await store(f"shared[{counter:#x}]")
            machine.memory.store(counter, 1, size)

        return {**guest("probe_me")(lab), "cpu1": other()}

    report = search(scenario, arch)
    assert set(report.outcomes) == {"hit"}


def test_a_cpu_that_spins_still_takes_interrupts(search):
    """The stopper comes between two traps, so stopping the machine does not wait for ever: it ends always."""

    def scenario(lab):
        async def fn(cpu):
            pass

        async def stop():
            await stop_machine_cpuslocked(lab.kernel, fn)
            lab.kernel.note("missed")  # stands for: it came to its end

        lab.symbol("foreign_break_site")
        return {**guest("foreign_break")(lab), "cpu1": stop()}

    report = search(scenario, "arm64", "seed")
    assert set(report.outcomes) == {"claimed", "livelock", "missed"}
    assert report.frequency("missed") == "always"
    assert report.executions > 1


# The end


def test_when_the_kernel_dies_nobody_goes_on(search, observed):
    """CPU 0 comes to its entry and to the break, after i and after j >= i of the other's three steps: 10 ways."""
    steps = observed()

    def scenario(lab):
        lab.symbol("bug_site")

        async def other():
            for number in range(3):
                await load("x")
                steps.append((number, "oops" in lab.kernel.outcomes))

        return {**guest("bug_site")(lab), "cpu1": other()}

    report = search(scenario, "arm64")
    assert (report.frequency("oops"), report.executions) == ("always", 10)
    assert set(steps) == {(0, False), (1, False), (2, False)}


@pytest.mark.parametrize("arch", ARCHS)
def test_two_mutexes_taken_in_opposite_orders_are_a_deadlock(search, arch):
    def scenario(lab):
        kernel = lab.kernel

        async def take(first, second):
            async with first, second:
                pass

        return {
            "cpu0": take(kernel.kprobe_mutex, kernel.text_mutex),
            "cpu1": take(kernel.text_mutex, kernel.kprobe_mutex),
        }

    report = search(scenario, arch)
    # a b are CPU 0's two steps, c d CPU 1's: a b c d and c d a b end; a c and c a are stuck.
    assert (report.executions, report.outcomes["deadlock"].count) == (4, 2)
    assert report.frequency("deadlock") == "sometimes"


def test_a_handler_that_waits_for_what_the_stopped_machine_would_do_is_a_deadlock(search):
    """It runs with interrupts off, so the stop never comes."""

    def scenario(lab):
        done = []

        async def pre(p, regs):
            await wait("done", lambda: bool(done))

        async def fn(cpu):
            done.append(cpu)

        lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("probe_me"), pre_handler=pre)))
        return {**guest("probe_me")(lab), "cpu1": stop_machine_cpuslocked(lab.kernel, fn)}

    assert search(scenario, "arm64").frequency("deadlock") == "sometimes"


def test_a_guest_that_never_ends_is_an_error(run_alone):
    with pytest.raises(GuestError, match=r"^cpu0 at .*: no end after 200000 instructions; expected guest_exit$"):
        run_alone(guest("probe_ret", 1_000_000), "loongarch", cpus=1)


@pytest.mark.parametrize("arch", ARCHS)
def test_a_guest_that_jumps_to_data_is_an_error(run_alone, arch):
    with pytest.raises(GuestError, match=r"^cpu0 at 0x10[0-9a-f]*: fetch of 0x10[0-9a-f]*; expected an address in"):
        run_alone(guest("shared_counter"), arch, cpus=1)


@pytest.mark.parametrize("preempt", ["none", "full"])
@pytest.mark.parametrize("arch", ARCHS)
def test_a_claimed_trap_leaves_preemption_and_interrupts_as_they_were(search, observed, arch, preempt):
    """In every interleaving that the guest survives, those in which the comparison claims the trap among them."""
    ends = observed()

    def scenario(lab):
        probe, cpu = Kprobe(lab.symbol("probe_me")), lab.cpus[0]
        lab.boot(register_kprobe(lab.kernel, probe))

        async def guest():
            await run_guest(cpu)
            ends.append(("claimed" in lab.kernel.outcomes, cpu.preempt_count, cpu.irqs_enabled, cpu.trap_depth))

        return {"cpu0": guest(), "cpu1": unregister_kprobe(lab.kernel, probe)}

    search(scenario, arch, "recheck", patching="live", preempt=preempt)
    assert set(ends) == {(True, 0, True, 0), (False, 0, True, 0)}


def test_a_break_in_a_delay_slot_on_mips_is_read_there_and_looked_up_at_the_branch(run_alone):
    """Facts 2.1: the code comes from EPC + 4, but the key is EPC. The word there, the branch's, is no breakpoint, so
    the check claims the trap for ever."""

    def scenario(lab):
        text.store(lab.kernel, lab.symbol("probe_delay_slot"), MIPS_BREAK, live=False)
        return {"cpu0": run_guest(lab.cpus[0], "probe_delay")}

    outcomes, texts = run_alone(scenario, "mips", "recheck", cpus=1)
    assert outcomes == {"claimed", "livelock"}
    first = texts.index("trap: break at probe_delay+0x8")
    assert texts[first + 1] == "do_bp: code 515"
    _, texts = run_alone(scenario, "mips", "no-recheck", cpus=1)
    assert texts[-1] == "die: Break instruction in kernel code, code 515 at probe_delay+0x4"


def test_a_stray_step_break_on_loongarch_drops_a_preempt_count_that_nobody_took(laboratory):
    """Facts 3.2, and then the kernel dies."""

    def scenario(lab):
        text.store(lab.kernel, lab.symbol("probe_me"), LOONGARCH_STEP_BREAK, live=False)
        return {"cpu0": run_guest(lab.cpus[0])}

    world = laboratory(scenario, "loongarch", cpus=1)()
    assert execute(world, RoundRobin())[1] == {"oops"}
    assert world.lab.cpus[0].preempt_count == -1
