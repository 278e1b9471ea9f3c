"""Insn slots: what is in them, when they are given back, and with which interrupts the copy is stepped."""

import pytest

import arches
from emu.explore.schedulers import RoundRobin, execute
from emu.kernel import kallsyms, slots, text
from emu.kernel.guest import run_guest
from emu.kernel.interrupts import raise_interrupt
from emu.kernel.kprobes import register_kprobe, unregister_kprobe
from emu.kernel.probe import Kprobe
from emu.kernel.state import Interrupt
from tests.arch_rows import Rows, every_arch_has_a_row

ARCHS = arches.names()


def slot_of(lab, probe, size):
    return text.read(lab.kernel, probe.ainsn.slot, size)


COPIES = [
    ("arm64", "probe_me", "000c0091 c00020d4"),  # add x0, x0, #3; BRK #6
    ("loongarch", "probe_me", "840cc002 0b002a00"),  # addi.d $a0, $a0, 3; break 11
    ("riscv", "probe_me", "13053500 73001000"),  # addi a0, a0, 3; ebreak
    ("riscv", "probe_c_addi_site", "8d05 73001000"),  # c.addi a1, 3; the ebreak has 32 bits all the same
    ("mips", "probe_me", "03008424 0d810000"),  # addiu a0, a0, 3; break 516, code at bit 6
    ("mips", "probe_delay_branch", "01008224 0d810000"),  # bnez: not itself, but addiu v0, a0, 1 behind it
    ("mips", "probe_delay_nop", "00000000 0d810000"),
    ("csky", "probe_me", "0220"),  # addi r0, 3; nothing behind it: trace mode
    ("x86", "probe_me", "4883c703 e9"),  # add $3, %rdi; and a jump back, as below
]


def test_every_architecture_has_a_copy():
    every_arch_has_a_row("tests/kernel/test_insn_slots.py: COPIES", (arch for arch, *_ in COPIES))


@pytest.mark.parametrize(("arch", "site", "contents"), COPIES)
def test_a_copy_and_the_break_that_ends_its_step(make_lab, boot, arch, site, contents):
    lab = make_lab(arch)
    probe = Kprobe(lab.symbol(site))
    boot(register_kprobe(lab.kernel, probe))
    expected = bytes.fromhex(contents)
    assert slot_of(lab, probe, len(expected)) == expected
    for cpu in lab.cpus:  # and every CPU would execute it
        assert cpu.core.fetched(probe.ainsn.slot, len(expected)) == expected


@pytest.mark.parametrize(("variant", "contents"), [("mainline", "01e4aaaa"), ("fixed", "01e40101")])
def test_only_the_first_halfword_of_a_csky_copy_is_stored(make_lab, boot, variant, contents):
    """addi r0, r1, 258 is e401 0101; the second halfword is whatever the slot held (never mended in Linux)."""
    lab = make_lab("csky", variant)
    lab.kernel.machine.memory.write(lab.kernel.machine.slots.base, b"\xaa" * 4)
    probe = Kprobe(lab.symbol("probe_step32_site"))
    boot(register_kprobe(lab.kernel, probe))
    assert probe.ainsn.slot == lab.kernel.machine.slots.base
    assert slot_of(lab, probe, 4).hex() == contents


@pytest.mark.parametrize(("preempt", "post"), [("none", False), ("none", True), ("full", False)])
def test_x86_jumps_back_where_no_handler_comes_after_and_nobody_is_preempted(make_lab, boot, preempt, post):
    """add $3, %rdi; then jmp rel32 to the instruction behind the probed one, or int3."""
    lab = make_lab("x86", preempt=preempt)
    probe = Kprobe(lab.symbol("probe_me"), post_handler=(lambda p, regs, flags: None) if post else None)
    boot(register_kprobe(lab.kernel, probe))
    back = probe.addr + 4 - (probe.ainsn.slot + 4 + 5)
    jump = b"\xe9" + back.to_bytes(4, "little", signed=True)
    boosted = preempt == "none" and not post
    assert slot_of(lab, probe, 9) == bytes.fromhex("4883c703") + (jump if boosted else b"\xcc" + bytes(4))


@pytest.mark.parametrize("arch", ["arm64", "riscv", "loongarch", "csky"])
def test_what_is_simulated_has_no_slot(make_lab, boot, arch):
    lab = make_lab(arch)
    probe = Kprobe(lab.symbol("probe_branch_site"))
    boot(register_kprobe(lab.kernel, probe))
    assert (probe.ainsn.slot, probe.ainsn.simulate is not None) == (None, True)


# When a slot is given back


@pytest.mark.parametrize("patching", ["live", "stop_machine"])
@pytest.mark.parametrize("arch", ARCHS)
def test_a_slot_is_not_freed_while_a_cpu_is_in_it(search, monkeypatch, arch, patching):
    """CPU 0 steps the copy while CPU 1 unregisters: synchronize_rcu waits, because interrupts are off meanwhile."""
    inside, freed, free = [], [], slots.free

    def scenario(lab):
        kernel = lab.kernel
        probe = Kprobe(lab.symbol("probe_me"), post_handler=lambda p, regs, flags: None)
        lab.boot(register_kprobe(kernel, probe))

        def checked(kernel, p):
            freed.append(True)
            inside.append(kallsyms.in_slot(kernel, lab.cpus[0].core.pc))
            free(kernel, p)

        monkeypatch.setattr(slots, "free", checked)
        return {"cpu0": run_guest(lab.cpus[0]), "cpu1": unregister_kprobe(kernel, probe)}

    report = search(scenario, arch, "recheck", patching=patching)
    assert report.frequency("hit") == "sometimes"
    assert True not in inside
    assert freed


@pytest.mark.parametrize("arch", ARCHS)
def test_a_cpu_in_the_step_makes_unregistering_wait(laboratory, arch):
    """CPU 0 goes to the copy and stops there; CPU 1 then gets as far as synchronize_rcu, and no further."""

    def scenario(lab):
        probe = Kprobe(lab.symbol("probe_me"))
        lab.boot(register_kprobe(lab.kernel, probe))
        return {"cpu0": run_guest(lab.cpus[0]), "cpu1": unregister_kprobe(lab.kernel, probe)}

    world = laboratory(scenario, arch, patching="live")()
    guest, remover = world.tasks.values()
    guest.start()
    remover.start()
    kernel = world.lab.kernel
    while not kallsyms.in_slot(kernel, kernel.percpu[0].core.pc):
        guest.step()
    if arch == "mips":  # whose flush is an interrupt that CPU 0 cannot take now: not even that far
        while remover.enabled():
            remover.step()
        assert repr(remover.op) == "wait flush_icache.done"
    while not repr(remover.op).endswith("synchronize_rcu"):
        (remover if remover.enabled() else guest).step()
        assert arch == "mips" or kallsyms.in_slot(kernel, kernel.percpu[0].core.pc)
    if arch != "mips":
        assert not remover.enabled()
    while not remover.enabled():
        guest.step()
    assert not kallsyms.in_slot(kernel, kernel.percpu[0].core.pc)
    for task in world.tasks.values():
        task.close()


# The step itself

MASKS = Rows(  # bits of the saved status in which interrupts are off: (mask, value), facts by the manuals
    "tests/kernel/test_insn_slots.py: MASKS",
    {
        "arm64": (0x3C0, 0x3C0),  # DAIF, all four
        "riscv": (0x20, 0),  # sstatus.SPIE
        "loongarch": (0x4, 0),  # CSR.PRMD.PIE
        "mips": (0x1, 0),  # Status.IE
        "csky": (0xC040, 0x4000),  # PSR.IE off, TM 01
        "x86": (0x200, 0),  # EFLAGS.IF
    },
)


def stepping(cpu):
    """Whether its next instruction is one in a slot; a trap's handler still has an address there."""
    return kallsyms.in_slot(cpu.kernel, cpu.core.pc) and cpu.trap_depth == 0


@pytest.mark.parametrize("arch", ARCHS)
def test_interrupts_are_masked_in_the_step_and_come_back_after_it(laboratory, arch):
    def scenario(lab):
        probe = Kprobe(lab.symbol("probe_me"), post_handler=lambda p, regs, flags: None)
        lab.boot(register_kprobe(lab.kernel, probe))
        return {"cpu0": run_guest(lab.cpus[0], "probe_me", 2)}

    mask, value = MASKS[arch]
    world = laboratory(scenario, arch, cpus=1)()
    cpu, kernel = world.lab.cpus[0], world.lab.kernel
    name = kernel.isa.registers.status
    before = cpu.core.get(name)
    assert before & mask != value and cpu.irqs_enabled  # else there is nothing to see
    in_slot = []

    def observe(task):
        if stepping(cpu):
            in_slot.append((cpu.core.get(name) & mask == value, cpu.irqs_enabled))

    _, outcomes = execute(world, RoundRobin(), observe)
    assert outcomes == {"hit"}
    assert in_slot == [(True, False)] * len(in_slot)
    assert len(in_slot) >= 2
    assert (cpu.core.get(name) & mask, cpu.irqs_enabled) == (before & mask, True)
    assert cpu.preempt_count == 0


@pytest.mark.parametrize("arch", ARCHS)
def test_an_interrupt_that_comes_in_the_step_is_taken_after_it(laboratory, arch):
    """After the post_handler; on MIPS before it, because every trap turns interrupts on there."""
    taken = []

    def scenario(lab):
        probe = Kprobe(lab.symbol("probe_me"), post_handler=lambda p, regs, flags: taken.append("post"))
        lab.boot(register_kprobe(lab.kernel, probe))
        return {"cpu0": run_guest(lab.cpus[0])}

    async def handler(cpu):
        executed = cpu.core.get(cpu.kernel.isa.registers.arguments[0]) >= 3  # which the copy adds to 0
        taken.append("interrupt" if executed else "interrupt before the copy")

    world = laboratory(scenario, arch, cpus=1)()
    cpu = world.lab.cpus[0]

    def observe(task):
        if stepping(cpu) and not cpu.interrupts and not taken:
            raise_interrupt(cpu, Interrupt("timer", handler))

    execute(world, RoundRobin(), observe)
    assert taken == (["interrupt", "post"] if arch == "mips" else ["post", "interrupt"])
