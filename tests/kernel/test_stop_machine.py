"""stop_machine against interleavings counted by hand.

A CPU's stopper takes five steps: its interrupt; then, after a barrier each, PREPARE, DISABLE_IRQ, RUN and EXIT. The
first barrier is open from the start. So the N stoppers' first two steps mix in (2N)! / 2^N ways, and the three
that follow come in N! orders each.
"""

from math import factorial

import pytest

from emu.explore.ops import load
from emu.explore.schedulers import RandomScheduler, execute
from emu.explore.search import explore
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe
from emu.kernel.probe import Kprobe
from emu.kernel.stop_machine import LastArriver, MultiStopData, MultiStopState, stop_machine_cpuslocked

S = MultiStopState


def stops(fn, *, active=None, caller=1):
    """A scenario: one CPU stops the machine, the others are idle."""

    def scenario(lab):
        return {f"cpu{caller}": stop_machine_cpuslocked(lab.kernel, fn(lab), active)}

    return scenario


async def nothing(cpu):
    pass


@pytest.mark.parametrize("cpus", [1, 2, 3, 4])
def test_every_order_in_which_cpus_come(search, cpus):
    """Each CPU is interrupted and arrives: (2n)! / 2^n ways to begin. Three more times they arrive in n! orders."""
    report = search(stops(lambda lab: nothing, caller=0), "arm64", cpus=cpus)
    assert report.executions == factorial(2 * cpus) // 2**cpus * factorial(cpus) ** 3


def arrivals(cpus):
    """The callback that patches text, noting who writes: always when all have arrived."""

    def fn(lab):
        lab.arrived, lab.wrote = [], []

        def write():
            assert len(lab.arrived) == cpus
            lab.wrote.append(lab.arrived[-1])

        arrive = LastArriver(cpus, write)

        async def callback(cpu):
            code = arrive(cpu)
            await code.send(None)  # up to the arrival
            lab.arrived.append(cpu.id)
            try:
                while True:
                    await code.send(None)
            except StopIteration:
                pass

        return callback

    return fn


class Writers:
    """A world whose outcome is who wrote."""

    def __init__(self, world):
        self.world, self.tasks = world, world.tasks

    def state(self):
        return self.world.state(), *self.world.lab.arrived, *self.world.lab.wrote

    def finish(self, ending):
        self.world.finish(ending)
        (writer,) = self.world.lab.wrote
        return frozenset({f"cpu{writer}"})


@pytest.mark.parametrize("cpus", [1, 2, 3, 4])
def test_the_last_to_arrive_writes(laboratory, cpus):
    """Each CPU is last in as many orders as any other."""
    make = laboratory(stops(arrivals(cpus), caller=0), "arm64", cpus=cpus)
    report = explore(lambda: Writers(make()))
    counts = {name: seen.count for name, seen in report.outcomes.items()}
    assert counts == {f"cpu{number}": report.executions // cpus for number in range(cpus)}


def test_arrivals_of_two(laboratory):
    """6 ways to begin and 2 orders of DISABLE_IRQ. In RUN each CPU comes to the counter, and then counts itself: 6
    ways; in 3 of them CPU 0 counts itself last. The other goes on when all is written; 2 orders of EXIT."""
    make = laboratory(stops(arrivals(2)), "arm64")
    report = explore(lambda: Writers(make()))
    assert report.executions == 6 * 2 * 6 * 2
    assert report.outcomes["cpu0"].count == report.outcomes["cpu1"].count == 72


@pytest.mark.parametrize("cpus", [2, 3, 4])
def test_every_cpu_acknowledges_every_state_once_and_the_last_goes_on(laboratory, monkeypatch, cpus):
    acks, ack_state = [], MultiStopData.ack_state

    def recorded(msdata):
        before = msdata.state
        ack_state(msdata)
        acks.append((before, msdata.state))

    monkeypatch.setattr(MultiStopData, "ack_state", recorded)
    states = [S.PREPARE, S.DISABLE_IRQ, S.RUN, S.EXIT]
    expected = []
    for state in states:
        following = S(min(state + 1, S.EXIT))
        expected += [(state, state)] * (cpus - 1) + [(state, following)]
    make = laboratory(stops(lambda lab: nothing), "arm64", cpus=cpus)
    for seed in range(10):
        acks.clear()
        execute(make(), RandomScheduler(seed))
        assert acks == expected


@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_the_function_runs_with_all_interrupts_off_on_all_cpus(search, observed, cpus):
    seen = observed()

    def fn(lab):
        async def run(cpu):
            seen.append((cpu.id, [c.irqs_enabled for c in lab.cpus]))

        return run

    search(stops(fn, caller=0), "arm64", cpus=cpus)
    assert {cpu for cpu, _ in seen} == set(range(cpus))
    assert all(enabled == [False] * cpus for _, enabled in seen)


def test_it_runs_on_the_active_cpus_only_and_interrupts_come_back(laboratory):
    ran = []

    def fn(lab):
        async def run(cpu):
            ran.append(cpu.id)

        return run

    world = laboratory(stops(fn, active=frozenset({2})), "arm64", cpus=3)()
    for task in world.tasks.values():
        task.start()
    for _ in range(100):
        for task in world.tasks.values():
            if task.enabled():
                task.step()
    assert all(task.op is None for task in world.tasks.values())
    assert (ran, [cpu.irqs_enabled for cpu in world.lab.cpus]) == ([2], [True] * 3)


def test_before_the_other_cpus_are_up_it_just_runs(make_lab, boot):
    lab, ran = make_lab("arm64"), []

    async def fn(cpu):
        ran.append(cpu.id)

    boot(stop_machine_cpuslocked(lab.kernel, fn))
    assert ran == [0]


def test_two_callers_come_one_after_the_other(search, observed):
    """stop_cpus_mutex: while one machine stop is under way the other waits, so their functions never mix."""
    orders = observed()

    def scenario(lab):
        runs = []

        def fn(name):
            async def run(cpu):
                runs.append(name)
                await load("x")
                runs.append(name)

            return run

        async def call(name, last):
            await stop_machine_cpuslocked(lab.kernel, fn(name))
            if last(runs):
                orders.append(tuple(runs))

        over = lambda runs: len(runs) == 8  # noqa: E731
        return {"cpu0": call("a", over), "cpu1": call("b", over)}

    report = search(scenario, "arm64")
    assert set(report.outcomes) == set()
    assert set(orders) == {tuple("aaaabbbb"), tuple("bbbbaaaa")}


@pytest.mark.parametrize("cpus", [2, 3])
@pytest.mark.parametrize("arch", ["arm64", "riscv", "csky", "x86"])
def test_a_cpu_in_a_probes_handler_is_waited_for(search, observed, arch, cpus):
    """The handler has two preemption points of its own; interrupts are off on CPU 0 from the trap on."""
    inside_at_call, inside_at_run = observed(), observed()

    def scenario(lab):
        inside = []

        async def pre(p, regs):
            inside.append(True)
            await load("x")
            await load("x")
            inside.pop()

        async def fn(cpu):
            inside_at_run.append(bool(inside))

        async def stop():
            await load("x")
            inside_at_call.append(bool(inside))
            await stop_machine_cpuslocked(lab.kernel, fn)

        lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("probe_me"), pre_handler=pre)))
        return {"cpu0": run_guest(lab.cpus[0]), f"cpu{cpus - 1}": stop()}

    search(scenario, arch, cpus=cpus)
    assert set(inside_at_call) == {False, True}
    assert set(inside_at_run) == {False}


@pytest.mark.parametrize(
    ("arch", "preempt", "in_a_trap"),
    [
        *((arch, "full", {False}) for arch in ("arm64", "riscv", "csky", "x86")),
        *((arch, "none", {False}) for arch in ("mips", "loongarch")),
        *((arch, "full", {False, True}) for arch in ("mips", "loongarch")),
    ],
)
def test_only_a_preemptible_kernel_is_stopped_between_a_trap_and_preempt_disable(
    search, observed, arch, preempt, in_a_trap
):
    """MIPS and LoongArch turn interrupts on before the kprobe handler does anything (facts, core section 8)."""
    seen = observed()

    def scenario(lab):
        async def fn(cpu):
            seen.append(lab.cpus[0].trap_depth > 0)
            assert lab.cpus[0].preempt_count == 0

        lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("probe_me"))))
        return {"cpu0": run_guest(lab.cpus[0]), "cpu1": stop_machine_cpuslocked(lab.kernel, fn)}

    search(scenario, arch, preempt=preempt)
    assert set(seen) == in_a_trap


@pytest.mark.parametrize("arch", ["arm64", "riscv"])
def test_a_miss_inside_of_a_handler_does_not_open_it_to_interrupts(search, observed, arch):
    """The handler calls a function with two probed instructions: between them interrupts are off, as in the handler."""
    seen = observed()

    def scenario(lab):
        async def fn(cpu):
            seen.append(lab.cpus[0].trap_depth)

        outer = Kprobe(lab.symbol("probe_me"), pre_handler=lab.call_guest("probe_call", 5))
        for probe in (outer, Kprobe(lab.symbol("probe_call_site")), Kprobe(lab.symbol("leaf_add"))):
            lab.boot(register_kprobe(lab.kernel, probe))
        return {"cpu0": run_guest(lab.cpus[0]), "cpu1": stop_machine_cpuslocked(lab.kernel, fn)}

    assert search(scenario, arch, preempt="full").frequency("missed") == "always"
    assert set(seen) == {0}
