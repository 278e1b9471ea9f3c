"""Registered, enabled, disabled, aggregated, gone: what is in text and table, whose handlers run, and when."""

import pytest

import arches
from emu.kernel import kallsyms, text
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import disable_kprobe, enable_kprobe, get_kprobe, register_kprobe, unregister_kprobe
from emu.kernel.probe import Kprobe, KprobeFlag, KprobeStatus
from tests.kernel.breakpoints import BREAKPOINTS

ARCHS = arches.names()
PATCHINGS = ["live", "stop_machine"]


def text_at(lab, addr, size):
    return text.read(lab.kernel, addr, size).hex()


@pytest.mark.parametrize("arch", ARCHS)
def test_the_breakpoint_is_as_wide_as_the_architecture_makes_it(make_lab, boot, arch):
    lab = make_lab(arch)
    addr, word = lab.symbol("probe_me"), BREAKPOINTS[arch]
    before = text_at(lab, addr, 8)
    boot(register_kprobe(lab.kernel, Kprobe(addr)))
    assert text_at(lab, addr, 8) == word + before[len(word) :]


def test_sixteen_bits_are_replaced_by_sixteen_on_riscv(make_lab, boot):
    lab = make_lab("riscv")
    addr = lab.symbol("probe_c_addi_site")
    before = text_at(lab, addr, 4)
    boot(register_kprobe(lab.kernel, Kprobe(addr)))
    assert text_at(lab, addr, 4) == "0290" + before[4:]


@pytest.mark.parametrize("arch", ARCHS)
def test_enabled_disabled_and_gone_from_text_and_table(make_lab, boot, arch):
    lab = make_lab(arch)
    kernel, addr, word = lab.kernel, lab.symbol("probe_me"), BREAKPOINTS[arch]
    original = text_at(lab, addr, len(word) // 2)
    probe = Kprobe(addr, flags=KprobeFlag.DISABLED)

    def state():
        return text_at(lab, addr, len(word) // 2), boot(get_kprobe(kernel, addr))

    assert boot(register_kprobe(kernel, probe)) == 0
    assert state() == (original, probe)
    assert boot(enable_kprobe(kernel, probe)) == boot(enable_kprobe(kernel, probe)) == 0
    assert state() == (word, probe)
    assert boot(disable_kprobe(kernel, probe)) == boot(disable_kprobe(kernel, probe)) == 0
    assert state() == (original, probe)
    assert boot(enable_kprobe(kernel, probe)) == 0
    boot(unregister_kprobe(kernel, probe))
    assert state() == (original, None)


@pytest.mark.parametrize("arch", ARCHS)
def test_who_is_not_registered(make_lab, errno_of, boot, arch):
    kernel = make_lab(arch).kernel
    stranger, guest = Kprobe(symbol_name="probe_me"), Kprobe(symbol_name="probe_me")
    boot(register_kprobe(kernel, guest))
    stranger.addr = guest.addr  # at the address, but not this struct
    assert errno_of(enable_kprobe(kernel, stranger)) == "EINVAL"
    assert errno_of(disable_kprobe(kernel, stranger)) == "EINVAL"
    boot(unregister_kprobe(kernel, stranger))
    assert stranger.addr is None
    assert boot(get_kprobe(kernel, guest.addr)) is guest
    boot(unregister_kprobe(kernel, guest))
    assert errno_of(disable_kprobe(kernel, guest)) == "EINVAL"


def test_what_is_gone_cannot_be_enabled(make_lab, errno_of, boot):
    kernel = make_lab("arm64").kernel
    probe = Kprobe(symbol_name="probe_me")
    boot(register_kprobe(kernel, probe))
    probe.flags |= KprobeFlag.GONE
    assert errno_of(enable_kprobe(kernel, probe)) == "EINVAL"


# The order of shared accesses


def announced(code):
    """What kernel code says before each of its steps, when nobody is in its way."""
    said = []
    try:
        while True:
            said.append(repr(code.send(None)))
    except StopIteration:
        return said


def test_the_hash_entry_comes_before_the_breakpoint(make_lab):
    lab = make_lab("arm64", patching="live")
    lab.kernel.booting = False
    assert announced(register_kprobe(lab.kernel, Kprobe(lab.symbol("probe_me")))) == [
        "wait kprobe_mutex",
        "load kprobe_table[probe_me]",
        "wait text_mutex",  # arch_prepare_kprobe
        "store kprobe_table[probe_me]",
        "wait text_mutex",  # arm_kprobe
        "store text[probe_me]",
        "store icache[probe_me]",
    ]


def test_the_breakpoint_goes_before_the_hash_entry_and_rcu_is_waited_for_last(make_lab, boot):
    lab = make_lab("arm64", patching="live")
    probe = Kprobe(lab.symbol("probe_me"))
    boot(register_kprobe(lab.kernel, probe))
    lab.kernel.booting = False
    assert announced(unregister_kprobe(lab.kernel, probe)) == [
        "wait kprobe_mutex",
        "wait text_mutex",
        "store text[probe_me]",
        "store icache[probe_me]",
        "store kprobe_table[probe_me]",
        "wait synchronize_rcu",
    ]


def test_disabling_waits_for_nobody(make_lab, boot):
    lab = make_lab("arm64", patching="live")
    probe = Kprobe(lab.symbol("probe_me"))
    boot(register_kprobe(lab.kernel, probe))
    lab.kernel.booting = False
    assert announced(disable_kprobe(lab.kernel, probe)) == [
        "wait kprobe_mutex",
        "wait text_mutex",
        "store text[probe_me]",
        "store icache[probe_me]",
    ]


def test_what_is_announced_of_aggregates(make_lab, boot):
    """The replacement in the hash, and the list that other CPUs walk; a probe alone has no list."""
    lab = make_lab("arm64", patching="live")
    old, new = (Kprobe(lab.symbol("probe_me")) for _ in range(2))
    boot(register_kprobe(lab.kernel, old))
    lab.kernel.booting = False
    take, table, change = "wait kprobe_mutex", "kprobe_table[probe_me]", "store kprobe_table[probe_me].list"
    joins = announced(register_kprobe(lab.kernel, new))
    assert joins == [take, f"load {table}", f"store {table}", change]
    assert announced(disable_kprobe(lab.kernel, old)) == [take, change]
    assert announced(enable_kprobe(lab.kernel, old)) == [take, change]
    assert announced(unregister_kprobe(lab.kernel, new)) == [take, change, change, "wait synchronize_rcu"]


# Handlers. The guest calls probe_me, which adds 3 to its argument and doubles the sum.


class Recorder:
    """Handlers that write down when they are called and with which pc."""

    def __init__(self):
        self.calls = []

    def probe(self, where, name="", *, stop=False, post=True):
        def pre(p, regs):
            self.calls.append(f"pre{name}")
            return stop

        def after(p, regs, flags):
            self.calls.append(f"post{name}" if flags == 0 else f"post{name} flags={flags}")

        return Kprobe(where, pre_handler=pre, post_handler=after if post else None)


@pytest.fixture
def hit(run_alone):
    """Run guest code on one CPU with these probes there; the outcomes."""

    def run(arch, probes_of, variant="mainline", function="probe_me", count=1):
        def scenario(lab):
            for probe in probes_of(lab):
                lab.boot(register_kprobe(lab.kernel, probe))
            return {"cpu0": run_guest(lab.cpus[0], function, count)}

        return run_alone(scenario, arch, variant, cpus=1)[0]

    return run


@pytest.mark.parametrize("arch", ARCHS)
def test_pre_handler_step_post_handler_each_time(hit, arch):
    recorder = Recorder()
    assert hit(arch, lambda lab: [recorder.probe(lab.symbol("probe_me"))], count=2) == {"hit"}
    assert recorder.calls == ["pre", "post"] * 2


@pytest.mark.parametrize("arch", ARCHS)
def test_what_the_handlers_see_of_pc_and_of_the_instruction(hit, arch):
    """pc is at the breakpoint (x86: behind int3), then behind the instruction (MIPS: still in the slot); probe_me's
    first instruction adds 3 to the argument."""
    seen = []

    def probes(lab):
        kernel, addr = lab.kernel, lab.symbol("probe_me")
        argument = kernel.isa.registers.arguments[0]
        size = kernel.isa.insn_size(kallsyms.site(kernel, addr).insn)

        def pre(p, regs):
            seen.append((regs.pc - addr, regs.get(argument)))

        def post(p, regs, flags):
            seen.append((regs.pc - addr - size, regs.get(argument)))
            seen.append(regs.pc == p.ainsn.slot + 4 if arch == "mips" else None)

        return [Kprobe(addr, pre_handler=pre, post_handler=post)]

    hit(arch, probes)
    (pre_pc, before), (post_pc, after), in_slot = seen
    assert (pre_pc, before, after) == (1 if arch == "x86" else 0, 0, 3)
    assert in_slot if arch == "mips" else post_pc == 0


@pytest.mark.parametrize("arch", ARCHS)
def test_a_probe_without_handlers_only_steps(hit, arch):
    assert hit(arch, lambda lab: [Kprobe(lab.symbol("probe_me"))], count=2) == {"hit"}


@pytest.mark.parametrize("arch", ARCHS)
def test_async_handlers_are_awaited(hit, arch):
    calls = []

    def probes(lab):
        async def pre(p, regs):
            calls.append("pre")
            return False

        async def post(p, regs, flags):
            calls.append("post")

        return [Kprobe(lab.symbol("probe_me"), pre_handler=pre, post_handler=post)]

    assert hit(arch, probes) == {"hit"}
    assert calls == ["pre", "post"]


@pytest.mark.parametrize("arch", ARCHS)
def test_a_pre_handler_that_changes_pc_and_returns_true_skips_the_instruction(make_lab, run_alone, arch):
    """Without the addition, 31 * 2 * 0 + 2 * 1: and the second call is a hit again, not a miss. What the handler has
    disabled is enabled again."""
    results, posts, left = [], [], []

    def scenario(lab):
        addr = lab.symbol("probe_me")
        size = lab.kernel.isa.insn_size(kallsyms.site(lab.kernel, addr).insn)

        def skip(p, regs):
            regs.pc = addr + size
            return True

        probe = Kprobe(addr, pre_handler=skip, post_handler=lambda p, regs, flags: posts.append(flags))
        lab.boot(register_kprobe(lab.kernel, probe))

        async def guest():
            results.append(await run_guest(lab.cpus[0], "probe_me", 2))
            left.append((lab.cpus[0].preempt_count, lab.cpus[0].irqs_enabled))

        return {"cpu0": guest()}

    outcomes, _ = run_alone(scenario, arch, cpus=1)
    assert (results, posts, outcomes) == ([2], [], {"hit", "wrong-result"})
    assert left == [(0, True)]


@pytest.mark.parametrize("arch", ARCHS)
def test_a_disabled_probe_is_not_hit_at_all(hit, arch):
    recorder = Recorder()

    def probes(lab):
        probe = recorder.probe(lab.symbol("probe_me"))
        probe.flags = KprobeFlag.DISABLED
        return [probe]

    assert hit(arch, probes) == set()
    assert recorder.calls == []


# Several probes at one address


@pytest.mark.parametrize("arch", ARCHS)
def test_the_newest_of_several_comes_first(hit, arch):
    """list_add_rcu puts each new one in front; `kprobes/list` of a running kernel has them in that order too."""
    recorder = Recorder()
    outcomes = hit(arch, lambda lab: [recorder.probe(lab.symbol("probe_me"), name) for name in "abc"])
    assert outcomes == {"hit"}
    assert recorder.calls == ["prec", "preb", "prea", "postc", "postb", "posta"]


@pytest.mark.parametrize("arch", ARCHS)
def test_the_first_that_returns_true_ends_it(make_lab, run_alone, arch):
    recorder, results = Recorder(), []

    def scenario(lab):
        addr = lab.symbol("probe_me")
        size = lab.kernel.isa.insn_size(kallsyms.site(lab.kernel, addr).insn)

        def skip(p, regs):
            recorder.calls.append("skip")
            regs.pc = addr + size
            return 1

        probes = [recorder.probe(addr, "a"), Kprobe(addr, pre_handler=skip), recorder.probe(addr, "c")]
        for probe in probes:
            lab.boot(register_kprobe(lab.kernel, probe))

        async def guest():
            results.append(await run_guest(lab.cpus[0], "probe_me", 2))

        return {"cpu0": guest()}

    run_alone(scenario, arch, cpus=1)
    assert recorder.calls == ["prec", "skip"] * 2
    assert results == [2]


@pytest.mark.parametrize("arch", ARCHS)
def test_only_the_enabled_ones_of_an_aggregate_run(hit, boot, arch):
    recorder = Recorder()

    def probes(lab):
        kept, disabled, removed = (recorder.probe(lab.symbol("probe_me"), name) for name in "abc")
        for probe in (kept, disabled, removed):
            boot(register_kprobe(lab.kernel, probe))
        boot(disable_kprobe(lab.kernel, disabled))
        boot(unregister_kprobe(lab.kernel, removed))
        return []

    assert hit(arch, probes) == {"hit"}
    assert recorder.calls == ["prea", "posta"]


@pytest.mark.parametrize("arch", ARCHS)
def test_text_keeps_its_breakpoint_as_long_as_one_of_several_wants_it(make_lab, boot, arch):
    lab = make_lab(arch)
    kernel, addr, word = lab.kernel, lab.symbol("probe_me"), BREAKPOINTS[arch]
    original = text_at(lab, addr, len(word) // 2)
    a, b = Kprobe(addr), Kprobe(addr)
    steps = [
        (register_kprobe(kernel, a), word),
        (register_kprobe(kernel, b), word),
        (disable_kprobe(kernel, a), word),
        (disable_kprobe(kernel, b), original),
        (enable_kprobe(kernel, a), word),
        (unregister_kprobe(kernel, a), original),  # b is left, disabled
        (enable_kprobe(kernel, b), word),
        (unregister_kprobe(kernel, b), original),
    ]
    for code, expected in steps:
        assert boot(code) in (0, None)
        assert text_at(lab, addr, len(word) // 2) == expected
    assert kernel.kprobe_table == {}


def test_an_enabled_probe_that_joins_a_disabled_one_arms_it(make_lab, boot):
    lab = make_lab("arm64")
    addr, word = lab.symbol("probe_me"), BREAKPOINTS["arm64"]
    boot(register_kprobe(lab.kernel, Kprobe(addr, flags=KprobeFlag.DISABLED)))
    assert text_at(lab, addr, 4) != word
    boot(register_kprobe(lab.kernel, Kprobe(addr, flags=KprobeFlag.DISABLED)))
    assert text_at(lab, addr, 4) != word
    boot(register_kprobe(lab.kernel, Kprobe(addr)))
    assert text_at(lab, addr, 4) == word


@pytest.mark.parametrize("arch", ARCHS)
def test_the_slot_is_taken_over_by_the_aggregate_and_freed_with_the_last(make_lab, boot, arch):
    kernel = make_lab(arch).kernel
    a, b, other = (Kprobe(symbol_name=name) for name in ("probe_me", "probe_me", "nested_target"))
    boot(register_kprobe(kernel, a))
    slot = a.ainsn.slot
    boot(register_kprobe(kernel, b))
    assert b.ainsn.slot == slot
    boot(unregister_kprobe(kernel, a))
    assert (b.ainsn.slot, boot(get_kprobe(kernel, b.addr)).ainsn.slot) == (slot, slot)
    boot(unregister_kprobe(kernel, b))
    boot(register_kprobe(kernel, other))
    assert (other.ainsn.slot == slot) is (arch != "riscv")


# Concurrently


@pytest.mark.parametrize("patching", PATCHINGS)
@pytest.mark.parametrize("arch", ARCHS)
def test_a_handler_may_run_after_disable_kprobe_returned_but_not_after_unregister_kprobe(
    search, observed, arch, patching
):
    """Only unregistering waits for RCU. Under stop_machine the CPU that has trapped delays the disarming itself."""

    def scenario(remove, late):
        def make(lab):
            returned = []

            def pre(p, regs):
                if returned:
                    late.append(True)

            probe = Kprobe(lab.symbol("probe_me"), pre_handler=pre)
            lab.boot(register_kprobe(lab.kernel, probe))

            async def take_away():
                await remove(lab.kernel, probe)
                returned.append(True)

            return {"cpu0": run_guest(lab.cpus[0]), "cpu1": take_away()}

        return make

    after_disable, after_unregister = observed(), observed()
    search(scenario(disable_kprobe, after_disable), arch, "recheck", patching=patching)
    search(scenario(unregister_kprobe, after_unregister), arch, "recheck", patching=patching)
    assert bool(after_disable) is (patching == "live")
    assert after_unregister == []


@pytest.mark.parametrize("arch", ARCHS)
def test_while_a_second_probe_joins_the_lookup_never_fails(search, arch):
    """One RCU replacement: a CPU finds the old object or the new one, never nothing."""

    def scenario(lab):
        addr = lab.symbol("probe_me")
        first, second = (Kprobe(addr, pre_handler=lab.note("hit")) for _ in range(2))
        lab.boot(register_kprobe(lab.kernel, first))
        return {"cpu0": run_guest(lab.cpus[0]), "cpu1": register_kprobe(lab.kernel, second)}

    report = search(scenario, arch, "no-recheck", patching="live")
    assert set(report.outcomes) == {"hit"}
    assert report.frequency("hit") == "always"


@pytest.mark.parametrize("arch", ARCHS)
def test_a_probe_that_is_removed_from_an_aggregate_may_be_met_until_it_is_disabled(search, observed, arch):
    """CPU 0 walks the list while CPU 1 takes the older probe out, before CPU 0 has met the newer one, between the two,
    or after both. Each entry: whether the older was disabled when the newer ran, and who ran."""
    ran = observed()

    def scenario(lab):
        addr, calls = lab.symbol("probe_me"), []
        old = Kprobe(addr, pre_handler=lambda p, regs: calls.append("old"))
        new = Kprobe(addr, pre_handler=lambda p, regs: calls.append((old.disabled, "new")))
        for probe in (old, new):
            lab.boot(register_kprobe(lab.kernel, probe))

        async def guest():
            await run_guest(lab.cpus[0])
            ran.append(tuple(calls))

        return {"cpu0": guest(), "cpu1": unregister_kprobe(lab.kernel, old)}

    report = search(scenario, arch, patching="live")
    assert set(report.outcomes) == {"hit"}
    assert set(ran) == {((True, "new"),), ((False, "new"),), ((False, "new"), "old")}


# Re-entry


@pytest.mark.parametrize("arch", ARCHS)
def test_every_child_of_an_aggregate_misses(run_alone, arch):
    """An aggregate is hit inside of a handler: its handlers do not run, each child counts it, the step is made."""
    recorder, inner = Recorder(), []

    def scenario(lab):
        inner[:] = [recorder.probe(lab.symbol("nested_target"), name) for name in "ab"]
        outer = Kprobe(lab.symbol("probe_me"), pre_handler=lab.call_guest("nested_target", 5))
        for probe in (outer, *inner):
            lab.boot(register_kprobe(lab.kernel, probe))
        return {"cpu0": run_guest(lab.cpus[0], "probe_me", 3)}

    outcomes, _ = run_alone(scenario, arch, cpus=1)
    assert outcomes == {"hit", "missed"}
    assert recorder.calls == []
    assert [probe.nmissed for probe in inner] == [3, 3]


@pytest.mark.parametrize("arch", ARCHS)
def test_a_probe_hit_in_a_post_handler_is_missed_too(run_alone, arch):
    """HIT_SSDONE; on MIPS the post_handler runs in that state as well."""
    recorder, results, status = Recorder(), [], []

    def scenario(lab):
        nested = lab.call_guest("nested_target", 5)

        async def post(p, regs, flags):
            status.append(lab.cpus[0].kprobe_ctlblk.status)
            await nested(p, regs)

        inner = recorder.probe(lab.symbol("nested_target"))
        for probe in (Kprobe(lab.symbol("probe_me"), post_handler=post), inner):
            lab.boot(register_kprobe(lab.kernel, probe))

        async def guest():
            results.append(await run_guest(lab.cpus[0], "probe_me", 2))
            results.append(inner.nmissed)

        return {"cpu0": guest()}

    outcomes, _ = run_alone(scenario, arch, cpus=1)
    assert (outcomes, recorder.calls) == ({"hit", "missed"}, [])
    assert results == [31 * 6 + 8, 2]
    assert set(status) == {KprobeStatus.HIT_SSDONE}
