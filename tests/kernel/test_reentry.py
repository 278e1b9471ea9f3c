"""A probe that is hit while another one runs on the same CPU, in each state that the other can be in.

Facts, section 3 of each architecture: what is missed, what is fatal, and where a CPU gets stuck.
"""

import pytest

import arches
from arches.mips.kprobes import reenter_kprobe, set_current_kprobe
from emu.explore.schedulers import RoundRobin, execute
from emu.kernel.guest import call_guest, run_guest
from emu.kernel.kprobes import register_kprobe
from emu.kernel.probe import Kprobe, KprobeStatus
from emu.machine.frame import PtRegs

ARCHS = arches.names()


def hit_while(status, results=None):
    """A scenario: nested_target is hit in a handler of probe_me, with the status set to what is asked for.

    The states are those of kprobe_ctlblk; a hit inside of a step cannot be had otherwise, as nothing is called there.
    """

    def scenario(lab):
        inner = Kprobe(lab.symbol("nested_target"))

        async def pre(p, regs):
            lab.cpus[0].kprobe_ctlblk.status = status
            inside = await call_guest(lab.cpus[0], "nested_target", 5)
            lab.cpus[0].kprobe_ctlblk.status = KprobeStatus.HIT_ACTIVE
            if results is not None:
                results.append((inside, inner.nmissed, lab.cpus[0].current_kprobe is p))

        for probe in (Kprobe(lab.symbol("probe_me"), pre_handler=pre), inner):
            lab.boot(register_kprobe(lab.kernel, probe))
        return {"cpu0": run_guest(lab.cpus[0])}

    return scenario


S = KprobeStatus


@pytest.mark.parametrize(
    ("arch", "variant", "status", "outcomes"),
    [
        *((arch, "mainline", S.HIT_ACTIVE, {"hit", "missed"}) for arch in ARCHS),
        *((arch, "mainline", S.HIT_SSDONE, {"hit", "missed"}) for arch in ARCHS),
        *((arch, "mainline", S.HIT_SS, {"hit", "oops"}) for arch in ("arm64", "riscv", "csky", "loongarch")),
        *((arch, "mainline", S.REENTER, {"hit", "oops"}) for arch in ("arm64", "riscv", "csky", "loongarch", "x86")),
        ("x86", "mainline", S.HIT_SS, {"hit", "missed"}),
        ("loongarch", "v6.3", S.HIT_SS, {"hit", "missed"}),  # fatal since 1c856e158fd3
        ("loongarch", "v6.3", S.REENTER, {"hit", "livelock"}),  # it only warned, and returned to the same address
        ("loongarch", "seed", S.HIT_SS, {"hit", "oops"}),  # the vendor tree: BUG()
        ("loongarch", "seed", S.REENTER, {"hit", "oops"}),
        ("mips", "mainline", S.HIT_SS, {"hit", "missed"}),
        ("mips", "mainline", S.REENTER, {"hit", "missed"}),
    ],
)
def test_by_the_state_of_the_probe_that_is_interrupted(run_alone, arch, variant, status, outcomes):
    assert run_alone(hit_while(status), arch, variant, cpus=1)[0] == outcomes


def test_a_third_level_on_loongarch_6_3_leaves_preemption_off(laboratory):
    """Facts 3.2: it warns and returns to the same address, each time with one more preempt_disable than enable."""
    world = laboratory(hit_while(S.REENTER), "loongarch", "v6.3", cpus=1)()
    assert execute(world, RoundRobin())[1] == {"hit", "livelock"}
    assert world.lab.cpus[0].preempt_count > 2


@pytest.mark.parametrize("arch", ARCHS)
def test_what_is_missed_is_executed_and_the_outer_probe_goes_on(run_alone, arch):
    results = []
    outcomes, _ = run_alone(hit_while(S.HIT_ACTIVE, results), arch, cpus=1)
    assert (outcomes, results) == ({"hit", "missed"}, [(2 * (5 + 2), 1, True)])


def test_a_probe_on_the_break_word_itself_is_left_alone_in_a_step_on_mips(run_alone):
    """HIT_SS, and the slot holds a kprobe's break: reenter gives the trap back, and nobody else wants it."""

    def scenario(lab):
        async def pre(p, regs):
            lab.cpus[0].kprobe_ctlblk.status = S.HIT_SS
            await call_guest(lab.cpus[0], "foreign_break", 5)

        for probe in (Kprobe(lab.symbol("probe_me"), pre_handler=pre), Kprobe(lab.symbol("foreign_break_site"))):
            lab.boot(register_kprobe(lab.kernel, probe))
        return {"cpu0": run_guest(lab.cpus[0])}

    outcomes, texts = run_alone(scenario, "mips", cpus=1)
    assert outcomes == {"hit", "passed-on", "oops"}
    assert texts[-1] == "die: Break instruction in kernel code, code 515 at foreign_break+0x4"


# Several inside of one handler, and three levels. The handlers of a missed probe do not run, so nothing of the
# firmware gets to a third level by itself.


def two_inside(lab, done):
    """The outer handler calls probe_call, whose probed call is missed; it calls leaf_add, which has a probe as well."""
    outer = Kprobe(lab.symbol("probe_me"), pre_handler=lab.call_guest("probe_call", 5))
    second, third = Kprobe(lab.symbol("probe_call_site")), Kprobe(lab.symbol("leaf_add"))
    for probe in (outer, second, third):
        lab.boot(register_kprobe(lab.kernel, probe))

    async def guest():
        done.append(await run_guest(lab.cpus[0], "probe_me", 2))
        done.append((second.nmissed, third.nmissed))

    return {"cpu0": guest()}


@pytest.mark.parametrize("arch", ARCHS)
def test_one_after_the_other_inside_of_a_handler(run_alone, arch):
    done = []
    outcomes, _ = run_alone(lambda lab: two_inside(lab, done), arch, cpus=1)
    assert outcomes == {"hit", "missed"}
    assert done == [31 * 6 + 8, (2, 2)]


def test_a_third_level_on_mips_overwrites_the_one_place_to_save(make_lab, boot):
    """Facts 3.1 A: no depth limit, one prev_kprobe; after two returns the first probe is forgotten."""
    lab = make_lab("mips")
    cpu = lab.cpus[0]
    regs = PtRegs(cpu.core, lab.kernel.machine.memory, lab.kernel.isa.registers.status)
    first, second, third = (Kprobe(symbol_name=name) for name in ("probe_me", "nested_target", "leaf_add"))
    for probe in (first, second, third):
        boot(register_kprobe(lab.kernel, probe))
    set_current_kprobe(first, regs, cpu)
    cpu.kprobe_ctlblk.status = S.HIT_ACTIVE
    reenter_kprobe(second, regs, cpu)
    reenter_kprobe(third, regs, cpu)
    cpu.current_kprobe = cpu.kprobe_ctlblk.restore_previous()
    assert (cpu.current_kprobe, cpu.kprobe_ctlblk.status) == (second, S.REENTER)
    cpu.current_kprobe = cpu.kprobe_ctlblk.restore_previous()
    assert cpu.current_kprobe is second  # and not the first


# What is saved with a probe that is interrupted


@pytest.mark.parametrize(
    ("arch", "kept"), [("x86", True), *((a, False) for a in ("arm64", "riscv", "csky", "loongarch"))]
)
def test_only_x86_saves_the_interrupt_state_with_the_probe(make_lab, arch, kept):
    """Elsewhere it is one field of kprobe_ctlblk, which a nested step overwrites (asm/kprobes.h of each)."""
    cpu = make_lab(arch).cpus[0]
    outer, inner = 0x10, 0x20
    cpu.kprobe_ctlblk.saved_status = outer
    cpu.kprobe_ctlblk.save_previous(None)
    cpu.kprobe_ctlblk.saved_status = inner
    cpu.kprobe_ctlblk.restore_previous()
    assert cpu.kprobe_ctlblk.saved_status == (outer if kept else inner)


@pytest.mark.parametrize("arch", ARCHS)
def test_a_miss_leaves_the_interrupt_state_of_the_outer_step_alone(run_alone, arch):
    """The inner step is over before the outer one saves its own: interrupts are on again in the end."""
    states = []

    def scenario(lab):
        scene = hit_while(S.HIT_ACTIVE)(lab)

        async def guest():
            await scene["cpu0"]
            states.append((lab.cpus[0].irqs_enabled, lab.cpus[0].preempt_count))

        return {"cpu0": guest()}

    run_alone(scenario, arch, cpus=1)
    assert states == [(True, 0)]


@pytest.mark.parametrize(("variant", "forgotten"), [("mainline", False), ("fixed", True)])
def test_a_skipped_nop_on_mips_leaves_the_probe_current_and_interrupts_off(run_alone, variant, forgotten):
    """Facts 3.1, behaviour 1, seen on a real kernel too: later hits on this CPU are misses."""
    states = []

    def scenario(lab):
        probe = Kprobe(lab.symbol("probe_delay_nop"))
        lab.boot(register_kprobe(lab.kernel, probe))

        async def guest():
            await run_guest(lab.cpus[0], "probe_delay", 3)
            cpu = lab.cpus[0]
            states.append((cpu.current_kprobe is None, cpu.irqs_enabled, cpu.preempt_count, probe.nmissed))

        return {"cpu0": guest()}

    run_alone(scenario, "mips", variant, cpus=1)
    assert states == [(forgotten, forgotten, 0, 0 if forgotten else 2)]
