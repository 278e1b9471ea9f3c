"""x86's handlers: what a probe does to the guest, step by step, and what the int3 of text_poke_bp is replaced by."""

from __future__ import annotations

import errno

import pytest

import arches
from arches.x86.breaks import may_change_live
from arches.x86.kprobes import kprobe_debug_handler, prepare_singlestep, step_ended
from arches.x86.kprobes_poke import jump, poke_emulation
from arches.x86.kprobes_traps import exc_debug
from emu.arch import Setup
from emu.errors import UsageError
from emu.explore.schedulers import RoundRobin, execute
from emu.explore.search import explore
from emu.kernel import kallsyms, text
from emu.kernel.guest import run_guest
from emu.kernel.interrupts import preemptible
from emu.kernel.kprobes import register_kprobe, unregister_kprobe
from emu.kernel.probe import Kprobe, KprobeStatus
from emu.lab.lab import Laboratory
from emu.machine.frame import PtRegs
from emu.machine.memory import Memory

X86 = arches.load("x86")
IF = 0x200
TF = 0x100
COUNT = 3
MASK = (1 << 64) - 1
SITES = {  # what the probed function computes: firmware/README.md
    "probe_me": lambda x: 2 * (x + 3),
    "probe_branch_site": lambda x: x + 1 if x % 2 else x + 17,
    "probe_call_site": lambda x: 2 * x + 11,
    "probe_indirect_site": lambda x: 2 * x + 13,
    "probe_ret_site": lambda x: x + 7,
    "probe_pcrel_site": lambda x: x + 0x1000,
    "probe_load_site": lambda x: x + 8 * ((x + 1) % 4),
    "probe_extable_site": lambda x: x + 8,
    "probe_atomic_load": lambda x: x + 9,
    "atomic_add_site": lambda x: x,
}
MISTAKEN = {("probe_indirect_site", "v6.2"), ("probe_indirect_site", "seed")}  # f5d03da48d06, in 6.8
ALL = [(site, variant) for site in SITES for variant in X86.port.variants]


def laboratory(scenario, variant="mainline", preempt="none", patching="text_poke", cpus=1):
    return Laboratory(scenario, Setup(X86, X86.port.variants[variant], patching, preempt, cpus))


def run(scenario, variant="mainline", preempt="none"):
    """One execution: its kernel, its outcomes and its timeline."""
    world = laboratory(scenario, variant, preempt)(trace=True)
    _, outcomes = execute(world, RoundRobin())
    return world.lab.kernel, outcomes, [event.text for event in world.lab.kernel.events]


def probing(site, **handlers):
    """A scenario that runs the function around `site`, COUNT times, with a probe there."""

    def scenario(lab):
        noted = {"pre_handler": lab.note("hit"), **{name: make(lab) for name, make in handlers.items()}}
        lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol(site), **noted)))
        function = lab.kernel.machine.image.symbol_at(lab.symbol(site))[0].name
        return {"cpu0": run_guest(lab.cpus[0], function, COUNT)}

    return scenario


def result(kernel):
    return kernel.machine.memory.load(kernel.machine.symbol("results"), 8)


def expected(compute):
    """guest_loop's sum."""
    total = 0
    for x in range(COUNT):
        total = (31 * total + compute(x)) & MASK
    return total


@pytest.mark.parametrize("preempt", ["none", "full"])
@pytest.mark.parametrize(("site", "variant"), [pair for pair in ALL if pair not in MISTAKEN])
def test_a_probed_instruction_computes_the_same(site, variant, preempt):
    kernel, outcomes, events = run(probing(site), variant, preempt)
    assert outcomes == {"hit"}
    assert result(kernel) == expected(SITES[site])
    assert sum("kprobe hit" in event for event in events) == COUNT
    assert kernel.percpu[0].current_kprobe is None
    assert kernel.percpu[0].core.get("eflags") & IF


@pytest.mark.parametrize("preempt", ["none", "full"])
@pytest.mark.parametrize(("site", "variant"), sorted(MISTAKEN))
def test_an_indirect_call_returned_two_bytes_too_far(site, variant, preempt):
    """Until f5d03da48d06 (6.8) to the probe + 5. The call at +0xa is 3 bytes, so that is inside of 48 8d 44 00 03
    behind it: 44 00 03, add %r8b,(%rbx), and rbx is the number of the CPU."""
    _, outcomes, events = run(probing(site), variant, preempt)
    assert outcomes == {"hit", "oops"}
    assert "simulate" in events
    assert events[-1] == "die: page fault, read of 0x0 at probe_indirect+0xf"


@pytest.mark.parametrize(
    ("site", "variant", "preempt", "ways"),
    [
        ("probe_me", "mainline", "none", ["break", "boost"]),
        ("probe_me", "mainline", "full", ["break", "break", "single step done"]),
        ("probe_me", "v6.2", "full", ["break", "break", "single step done"]),
        ("probe_me", "v5.12", "none", ["break", "boost"]),
        ("probe_me", "v5.12", "full", ["break", "trace", "single step done"]),
        ("probe_ret_site", "mainline", "none", ["break", "boost"]),  # c3 is boostable: nothing is emulated
        ("probe_ret_site", "mainline", "full", ["break", "simulate"]),
        ("probe_ret_site", "v5.12", "full", ["break", "trace", "single step done"]),
        ("probe_call_site", "mainline", "none", ["break", "simulate"]),  # e8 is not
        ("probe_call_site", "v5.12", "none", ["break", "trace", "single step done"]),
    ],
)
def test_how_a_copy_is_executed(site, variant, preempt, ways):
    _, _, events = run(probing(site), variant, preempt)
    words = [event.removeprefix("trap: ").split(" at ")[0] for event in events]
    assert [
        word for word in words if word in ("break", "trace", "boost", "simulate", "single step done")
    ] == ways * COUNT


def slot_bytes(site, variant, preempt, **handlers):
    world = laboratory(probing(site, **handlers), variant, preempt)()
    kernel = world.lab.kernel
    p = kernel.kprobe_table[kernel.machine.symbol(site)]
    for task in world.tasks.values():
        task.close()
    return text.read(kernel, p.ainsn.slot, 16).hex(), p.where, p.ainsn.slot


def nothing(lab):
    return lambda p, regs, flags: None


def test_slot_with_a_jump_back():
    """add $3,%rdi has 4 bytes; the jump's 5 follow, and go to the instruction behind the probe."""
    text, where, slot = slot_bytes("probe_me", "mainline", "none")
    distance = (where + 4) - (slot + 4 + 5)
    assert text[:18] == "4883c703" + "e9" + distance.to_bytes(4, "little", signed=True).hex()


@pytest.mark.parametrize(
    ("variant", "preempt", "handlers", "end"),
    [
        ("mainline", "full", {}, "cc"),
        ("mainline", "none", {"post_handler": nothing}, "cc"),
        ("v5.12", "full", {}, "00"),  # stepped by the trap flag: nothing behind the copy
    ],
)
def test_slot_without_a_jump_back(variant, preempt, handlers, end):
    text, _, _ = slot_bytes("probe_me", variant, preempt, **handlers)
    assert text[:10] == "4883c703" + end


def stopped_in_slot(variant, preempt):
    """A world whose CPU 0 is about to execute the first instruction of a slot."""
    world = laboratory(probing("probe_me"), variant, preempt)()
    cpu, guest = world.lab.cpus[0], world.tasks["cpu0"]
    guest.start()
    while not kallsyms.in_slot(world.lab.kernel, cpu.core.pc):
        guest.step()
    return world, cpu


@pytest.mark.parametrize("variant", ["mainline", "v6.2", "v5.12"])
def test_interrupts_are_off_while_a_copy_is_stepped(variant):
    world, cpu = stopped_in_slot(variant, "full")
    assert not cpu.core.get("eflags") & IF
    assert (cpu.irqs_enabled, preemptible(cpu), cpu.trap_depth) == (False, False, 0)
    for task in world.tasks.values():
        task.close()


def test_a_boosted_copy_takes_interrupts_but_is_no_place_to_schedule():
    world, cpu = stopped_in_slot("mainline", "none")
    assert cpu.core.get("eflags") & IF
    assert (cpu.irqs_enabled, preemptible(cpu), cpu.trap_depth) == (True, False, 0)
    assert cpu.current_kprobe is None
    for task in world.tasks.values():
        task.close()


def test_the_handlers_see_ip_behind_the_int3_and_behind_the_instruction():
    seen = []

    def pre(lab):
        return lambda p, regs: seen.append(("pre", regs.pc - p.where))

    def post(lab):
        return lambda p, regs, flags: seen.append(("post", regs.pc - p.where, bool(regs.status & IF)))

    run(probing("probe_me", pre_handler=pre, post_handler=post))
    assert seen == [("pre", 1), ("post", 4, True)] * COUNT


def test_a_pre_handler_can_take_over():
    """A true result: nothing is stepped, and the pc is the handler's."""

    def pre(lab):
        def handler(p, regs):
            regs.set("rax", 100)
            regs.pc = p.where + 8  # the ret

            return True

        return handler

    kernel, _, events = run(probing("probe_me", pre_handler=pre), preempt="full")
    assert result(kernel) == 100 * (31 * 31 + 31 + 1)
    assert sum(event.startswith("trap") for event in events) == COUNT
    assert kernel.percpu[0].current_kprobe is None


@pytest.mark.parametrize(
    ("status", "fatal"),
    [("HIT_ACTIVE", False), ("HIT_SS", False), ("HIT_SSDONE", False), ("REENTER", True)],
)
@pytest.mark.parametrize("preempt", ["none", "full"])
def test_only_a_reentered_probe_may_not_be_reentered(status, fatal, preempt):
    def pre(lab):
        inner = Kprobe(lab.symbol("nested_target"))
        lab.boot(register_kprobe(lab.kernel, inner))
        call = lab.call_guest("nested_target")

        async def handler(p, regs):
            lab.cpus[0].kprobe_ctlblk.status = KprobeStatus[status]
            await call(p, regs)
            assert lab.cpus[0].current_kprobe is p
            assert lab.cpus[0].kprobe_ctlblk.status is KprobeStatus[status]
            assert not lab.cpus[0].irqs_enabled

        return handler

    kernel, outcomes, _ = run(probing("probe_me", pre_handler=pre), preempt=preempt)
    assert ("oops" in outcomes) == fatal
    assert "missed" in outcomes or fatal
    if not fatal:
        assert result(kernel) == expected(SITES["probe_me"])
        assert kernel.percpu[0].core.get("eflags") & IF


def test_flags_of_an_interrupted_probe_come_back():
    """save_previous_kprobe has the saved IF too: the inner probe runs with IF clear, the outer one had it set."""
    seen = []

    def pre(lab):
        lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("nested_target"))))
        call = lab.call_guest("nested_target")

        async def handler(p, regs):
            regs.status &= ~IF
            await call(p, regs)
            seen.append(lab.cpus[0].kprobe_ctlblk.saved_status)

        return handler

    kernel, _, _ = run(probing("probe_me", pre_handler=pre), preempt="full")
    assert seen == [IF] * COUNT
    assert kernel.percpu[0].core.get("eflags") & IF


@pytest.mark.parametrize(("status", "saved"), [("HIT_SS", IF), ("REENTER", 0)])
def test_a_reentered_probe_saves_the_flags_of_its_own_hit(status, saved):
    """A first hit saved them before its pre_handler ran."""
    world = laboratory(probing("probe_me"), preempt="full")()
    cpu, p = world.lab.cpus[0], next(iter(world.lab.kernel.kprobe_table.values()))
    cpu.kprobe_ctlblk.status, cpu.kprobe_ctlblk.saved_status = KprobeStatus[status], IF
    regs = PtRegs(cpu.core, world.lab.kernel.machine.memory, "eflags")
    regs.status &= ~IF
    prepare_singlestep(cpu, regs, p)
    assert cpu.kprobe_ctlblk.saved_status == saved
    for task in world.tasks.values():
        task.close()


def answer(code):
    """What kernel code returns that has nobody to wait for."""
    with pytest.raises(StopIteration) as ended:
        while True:
            code.send(None)
    return ended.value.value


@pytest.mark.parametrize(("status", "accepted"), [("HIT_ACTIVE", False), ("HIT_SS", True)])
def test_an_int3_in_the_slot_ends_a_step_only_while_there_is_one(status, accepted):
    """In a pre_handler the probe is current too."""
    world = laboratory(probing("probe_me"), preempt="full")()
    for task in world.tasks.values():
        task.close()
    cpu, p = world.lab.cpus[0], next(iter(world.lab.kernel.kprobe_table.values()))
    cpu.current_kprobe, cpu.kprobe_ctlblk.status = p, KprobeStatus[status]
    regs = PtRegs(cpu.core, world.lab.kernel.machine.memory, "eflags")
    regs.pc = p.ainsn.slot + 5
    assert answer(step_ended(cpu, regs)) is accepted
    assert regs.pc == (p.addr + 4 if accepted else p.ainsn.slot + 5)


@pytest.mark.parametrize(("saved", "claimed"), [(0, True), (TF, False)])
def test_whoever_else_was_stepping_gets_the_trap_of_the_trap_flag_as_well(saved, claimed):
    world = laboratory(probing("probe_me"), "v5.12", preempt="full")()
    for task in world.tasks.values():
        task.close()
    cpu, p = world.lab.cpus[0], next(iter(world.lab.kernel.kprobe_table.values()))
    cpu.current_kprobe, cpu.kprobe_ctlblk.status = p, KprobeStatus.HIT_SS
    cpu.kprobe_ctlblk.saved_status = saved
    regs = PtRegs(cpu.core, world.lab.kernel.machine.memory, "eflags")
    regs.pc = p.ainsn.slot + 4
    assert answer(kprobe_debug_handler(cpu, regs)) is claimed
    assert (regs.pc, regs.status & TF) == (p.addr + 4, saved)


def test_a_step_that_nobody_asked_for_is_turned_off():
    world = laboratory(probing("probe_me"))()
    for task in world.tasks.values():
        task.close()
    cpu = world.lab.cpus[0]
    regs = PtRegs(cpu.core, world.lab.kernel.machine.memory, "eflags")
    regs.status |= TF
    answer(exc_debug(cpu, regs))
    assert not regs.status & TF


def test_a_trap_in_a_handler_returns_with_interrupts_off():
    """... whatever IF the interrupted context had: the probe in the called function was hit with IF clear."""
    seen = []

    def pre(lab):
        lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("nested_target"))))
        lab.symbol("nested_target", 4)  # watched: the guest yields behind the probe
        return lab.call_guest("nested_target")

    world = laboratory(probing("probe_me", pre_handler=pre), preempt="full")()
    cpu, guest, kernel = world.lab.cpus[0], world.tasks["cpu0"], world.lab.kernel
    guest.start()
    behind = kernel.machine.symbol("nested_target") + 4
    while guest.enabled():
        guest.step()
        if cpu.core.pc == behind:
            seen.append((cpu.trap_depth, cpu.irqs_enabled))
    assert seen == [(1, False)] * COUNT


@pytest.mark.parametrize(
    ("variant", "preempt", "calls"),
    [("mainline", "none", 0), ("v6.2", "none", 0), ("v5.12", "none", COUNT), ("mainline", "full", COUNT)],
)
def test_a_post_handler_that_joins_a_boosted_probe_is_not_called(variant, preempt, calls):
    """Since 5.13 whether a probe is boosted is settled with its slot; until then also asked at every hit."""
    seen = []

    def scenario(lab):
        for handlers in ({}, {"post_handler": lambda p, regs, flags: seen.append(regs.pc)}):
            lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("probe_me"), **handlers)))
        return {"cpu0": run_guest(lab.cpus[0], "probe_me", COUNT)}

    kernel, outcomes, _ = run(scenario, variant, preempt)
    assert len(seen) == calls
    assert outcomes == {"hit"}
    assert result(kernel) == expected(SITES["probe_me"])


def guest(function):
    return lambda lab: {"cpu0": run_guest(lab.cpus[0], function)}


@pytest.mark.parametrize("variant", X86.port.variants)
def test_bug_and_warn(variant):
    _, outcomes, events = run(guest("bug_site"), variant)
    assert (outcomes, events[-1]) == ({"oops"}, "die: kernel BUG at bug_site")
    kernel, outcomes, events = run(guest("warn_site"), variant)
    assert (outcomes, result(kernel)) == (set(), 2)
    assert "WARNING at warn_site" in events


@pytest.mark.parametrize("variant", X86.port.variants)
def test_an_int3_of_the_text_dies(variant):
    """It is still there when the check looks, so the check leaves it to the others."""
    _, outcomes, events = run(guest("foreign_break"), variant)
    assert outcomes == {"oops", "passed-on"}
    assert events[-1] == "die: int3 at foreign_break+0x5"


@pytest.mark.parametrize(
    ("symbol", "offset", "error"),
    [
        ("probe_me", 1, -errno.EILSEQ),
        ("probe_me", 4, 0),
        ("foreign_break_site", 0, -errno.EILSEQ),
        ("bug_site", 0, -errno.EINVAL),  # the core, by the bug table
        ("guest_exit", 0, -errno.EINVAL),
    ],
)
def test_where_a_probe_may_go(symbol, offset, error):
    got = []

    def scenario(lab):
        async def register():
            got.append(await register_kprobe(lab.kernel, Kprobe(lab.symbol(symbol, offset))))
            return 0

        lab.boot(register())
        return {}

    laboratory(scenario)()
    assert got == [error]


def unregister_and_register_elsewhere(lab):
    """CPU 0 may be in the slot of the first probe while CPU 1 gives it to a second one."""
    first = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
    second = Kprobe(lab.symbol("leaf_add"))
    lab.boot(register_kprobe(lab.kernel, first))
    slot = first.ainsn.slot

    async def replace():
        await unregister_kprobe(lab.kernel, first)
        await register_kprobe(lab.kernel, second)
        assert second.ainsn.slot == slot

    return {"cpu0": run_guest(lab.cpus[0], "probe_me"), "cpu1": replace()}


@pytest.mark.parametrize("preempt", ["none", "full"])
def test_no_slot_is_given_away_under_a_cpu_that_is_in_it(preempt):
    """Stepped, it has interrupts off; boosted, it is no place where a kernel without preemption schedules."""
    report = explore(laboratory(unregister_and_register_elsewhere, preempt=preempt, cpus=2))
    assert report.complete
    assert report.frequency("hit") == "sometimes"
    assert set(report.outcomes) == {"hit"}


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        ("48", "cc", True),
        ("cc", "48", True),
        ("0f", "e9", False),
        ("0f1f440000", "e905000000", False),
        ("cc1f440000", "cc05000000", False),
        ("0f", "0f", True),
    ],
)
def test_what_may_be_changed_live(old, new, allowed):
    assert may_change_live(0x1000, bytes.fromhex(old), bytes.fromhex(new)) is allowed


ADDR, STACK = 0x1_0000, 0x2_0000
ZF = 0x40


class FakeCpu:
    def __init__(self, eflags):
        self.pc, self.gpr = ADDR + 1, None
        self.values = {"rsp": STACK + 0x800, "eflags": eflags}

    def get(self, name):
        return self.values[name]

    def set(self, name, value):
        self.values[name] = value


def emulated(text, eflags=2):
    """pc, how far the stack moved, and its top, after the handler's emulation."""
    memory = Memory()
    memory.add("stack", STACK, 0x1000)
    memory.store(STACK + 0x800, 0x1234, 8)
    cpu = FakeCpu(eflags)
    regs = PtRegs(cpu, memory, "eflags")
    poke_emulation(bytes.fromhex(text), ADDR)(regs)
    moved = cpu.get("rsp") - STACK - 0x800
    return regs.pc, moved, memory.load(cpu.get("rsp"), 8) if moved < 0 else None


@pytest.mark.parametrize(
    ("text", "eflags", "want"),
    [
        ("e905000000", 2, (ADDR + 10, 0, None)),
        ("e9fbffffff", 2, (ADDR, 0, None)),
        ("eb10", 2, (ADDR + 0x12, 0, None)),
        ("eb10cccccc", 2, (ADDR + 0x12, 0, None)),  # the rest of five bytes is filled
        ("e800010000", 2, (ADDR + 0x105, -8, ADDR + 5)),
        ("c3", 2, (0x1234, 8, None)),
        ("c3cccccccc", 2, (0x1234, 8, None)),
        ("f3c3", 2, (0x1234, 8, None)),  # the opcode decides, whatever stands before it
        ("0f1f440000", 2, (ADDR + 5, 0, None)),
        ("6690", 2, (ADDR + 2, 0, None)),
        ("7406", 2 | ZF, (ADDR + 8, 0, None)),
        ("7406", 2, (ADDR + 2, 0, None)),
        ("0f8400010000", 2 | ZF, (ADDR + 0x106, 0, None)),
        ("0f8400010000", 2, (ADDR + 6, 0, None)),
    ],
)
def test_emulation_of_what_is_being_written(text, eflags, want):
    assert emulated(text, eflags) == want


def test_int3_is_not_emulated():
    assert poke_emulation(b"\xcc", ADDR) is None


@pytest.mark.parametrize("text", ["4889e5", "ffd0", "90", "06", "0f0b", "c3c3", "e90500"])
def test_nothing_else_is_emulated(text):
    with pytest.raises(UsageError, match=f"{text} at 0x10000.*expected ret, call"):
        poke_emulation(bytes.fromhex(text), ADDR)


def test_jump():
    assert jump(0x1000, 0x100A).hex() == "e905000000"
    assert jump(0x1000, 0x1005 - (1 << 31)).hex() == "e900000080"
    with pytest.raises(UsageError, match="32 bits"):
        jump(0x1000, 0x1005 + (1 << 31))
