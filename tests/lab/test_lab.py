"""`Lab` and its worlds: what a scenario can ask for, and when a guest's result counts as wrong."""

import pytest

import arches
from emu.arch import Setup
from emu.errors import HandlerError, UsageError
from emu.explore.ops import load
from emu.explore.schedulers import RoundRobin, execute
from emu.kernel.guest import call_guest, run_guest
from emu.kernel.kprobes import register_kprobe
from emu.kernel.probe import Kprobe
from emu.lab.lab import Laboratory, NotApplicable

ARCHS = arches.names()


def laboratory(scenario, name="arm64", cpus=2, variant="mainline"):
    arch = arches.load(name)
    chosen = arch.port.variants[variant]
    return Laboratory(scenario, Setup(arch, chosen, chosen.patching, cpus=cpus))


def outcomes(scenario, name="arm64", cpus=2):
    return execute(laboratory(scenario, name, cpus)(), RoundRobin())[1]


def test_a_symbol_that_is_asked_for_is_watched():
    """Guests yield before they fetch there, so that others can come in between."""
    seen = []

    def scenario(lab):
        seen.append((lab.symbol("probe_me"), lab.symbol("probe_me", 4), set(lab.kernel.watched)))
        return {}

    outcomes(scenario)
    base, behind, watched = seen[0]
    assert behind == base + 4
    assert {base, behind} <= watched


def test_a_symbol_that_there_is_not():
    with pytest.raises(NotApplicable, match="arm64: its firmware has no nop5_site"):
        outcomes(lambda lab: {"cpu0": lab.symbol("nop5_site")})


def test_a_jump_where_there_is_none():
    with pytest.raises(NotApplicable, match="arm64: no jump that takes the place of a nop"):
        outcomes(lambda lab: lab.jump(0, 8))


def test_booting_gives_what_fails_and_what_waits():
    def fails(lab):
        lab.boot(register_kprobe(lab.kernel, Kprobe(symbol_name="no_such_symbol")))

    with pytest.raises(UsageError, match="boot: register_kprobe gave -ENOENT; expected 0"):
        outcomes(fails)


@pytest.mark.parametrize("arch", ARCHS)
def test_results_are_compared_with_those_without_probes(arch):
    """A handler that changes an argument register is seen in `results`; one that puts it back is not."""

    def scenario(change):
        def make(lab):
            argument = lab.kernel.isa.registers.arguments[0]

            def pre(p, regs):
                regs.set(argument, regs.get(argument) + change)

            lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("probe_me"), pre_handler=pre)))
            return {"cpu0": run_guest(lab.cpus[0])}

        return make

    assert outcomes(scenario(1), arch) == {"hit", "wrong-result"}
    assert outcomes(scenario(0), arch) == {"hit"}


def test_shared_counters_are_compared_too():
    """Two guests add 1 each; a kernel that stores over that is noticed."""

    def scenario(disturb):
        def make(lab):
            counter = lab.kernel.machine.symbol("shared_counter")

            async def other():
                await run_guest(lab.cpus[1], "probe_atomic")
                if disturb:
                    lab.kernel.machine.memory.store(counter, 7, 8)

            return {"cpu0": run_guest(lab.cpus[0], "probe_atomic"), "cpu1": other()}

        return make

    assert outcomes(scenario(False)) == set()
    assert outcomes(scenario(True)) == {"wrong-result"}


def test_a_scenario_without_a_reference_says_which_results_are_right():
    def scenario(results):
        return lambda lab: {"cpu0": lab.run_guest(lab.cpus[0], "probe_me", 2, results)}

    right = 31 * 2 * 3 + 2 * 4
    assert outcomes(scenario((right,))) == set()
    assert outcomes(scenario((right + 1,))) == {"wrong-result"}


@pytest.mark.parametrize("arch", ARCHS)
def test_calling_a_guest_function_leaves_the_caller_alone(arch):
    results = []

    def scenario(lab):
        async def pre(p, regs):
            core, machine = lab.cpus[0].core, lab.kernel.machine
            before = machine.save_registers(core)
            results.append(await call_guest(lab.cpus[0], "probe_call", 20))
            results.append(machine.save_registers(core) == before)

        lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("probe_me"), pre_handler=pre)))
        return {"cpu0": run_guest(lab.cpus[0])}

    assert outcomes(scenario, arch) == {"hit"}
    assert results == [2 * 20 + 11, True]


def test_every_world_starts_from_the_same_state():
    made = laboratory(lambda lab: {"cpu0": run_guest(lab.cpus[0], "probe_atomic", 5)})
    states = []
    for _ in range(2):
        world = made()
        machine = world.lab.kernel.machine
        states.append((machine.data(), machine.registers(machine.cpus[0])))
        execute(world, RoundRobin())
        assert machine.data() != states[0][0]
    assert states[0] == states[1]


def test_text_that_a_world_patched_is_whole_in_the_next():
    def scenario(lab):
        lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("probe_me"))))
        return {"cpu0": run_guest(lab.cpus[0])}

    made = laboratory(scenario)
    world = made()
    machine = world.lab.kernel.machine
    addr = machine.symbol("probe_me")
    patched = machine.memory.read(addr, 4), machine.cpus[1].fetched(addr, 4)
    world.tasks["cpu0"].close()
    machine.reset()
    assert patched == (bytes.fromhex("800020d4"),) * 2
    assert (machine.memory.read(addr, 4), machine.cpus[1].fetched(addr, 4)) == (bytes.fromhex("000c0091"),) * 2


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        (lambda lab: None, "gave NoneType; expected a dict of CPU name to coroutine"),
        (lambda lab: {"cpu0": 1}, r"gave 1 for cpu0; expected a coroutine, such as run_guest\(\.\.\.\)"),
        (lambda lab: 1 / 0, "raised ZeroDivisionError: division by zero at "),
    ],
)
def test_what_is_no_scenario(scenario, said):
    with pytest.raises(HandlerError, match=said):
        outcomes(scenario)


def test_what_python_says_is_kept_for_debugging():
    async def code():
        await load("x")
        raise ValueError("here")

    with pytest.raises(HandlerError) as error:
        outcomes(lambda lab: {"cpu0": code()})
    assert isinstance(error.value.__cause__, ValueError)


def test_the_notifiers_that_a_scenario_registers_are_asked():
    asked = []

    def scenario(lab):
        lab.register_die_notifier("last", lambda event, cpu, regs: asked.append("last"), -1)
        lab.register_die_notifier("first", lambda event, cpu, regs: asked.append("first"))
        return {"cpu0": run_guest(lab.cpus[0], "foreign_break")}

    assert outcomes(scenario, "riscv") == {"passed-on", "oops"}
    assert asked == ["first", "last"]
