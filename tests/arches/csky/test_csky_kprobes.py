"""C-SKY handlers in states that no scenario brings about: the trace trap, whoever is current, the PSR behind it."""

import pytest

import arches
from arches.csky.kprobes import kprobe_single_step_handler, prepare_singlestep, restore_psr
from arches.csky.registers import BOOT_PSR, PSR_C, PSR_IE, PSR_TM, PSR_TM_STEP
from emu.arch import Setup
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe
from emu.kernel.probe import Kprobe
from emu.lab.lab import Laboratory
from emu.machine.frame import PtRegs

CSKY = arches.load("csky")


@pytest.fixture
def stepping(request):
    """A CPU whose copy of probe_me is about to be stepped: CPU, frame, probe."""
    variant = CSKY.port.variants[getattr(request, "param", "mainline")]

    def scenario(lab):
        lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol("probe_me"))))
        return {"cpu0": run_guest(lab.cpus[0], "probe_me")}

    world = Laboratory(scenario, Setup(CSKY, variant, "stop_machine", "none", 1))()
    for task in world.tasks.values():
        task.close()
    cpu, p = world.lab.cpus[0], next(iter(world.lab.kernel.kprobe_table.values()))
    regs = PtRegs(cpu.core, world.lab.kernel.machine.memory, "psr")
    regs.status = BOOT_PSR
    prepare_singlestep(cpu, regs, p)
    return cpu, regs, p


def handled(cpu, regs):
    with pytest.raises(StopIteration) as ended:
        kprobe_single_step_handler(cpu, regs).send(None)
    return ended.value.value


def test_the_step_has_trace_mode_and_no_interrupts(stepping):
    cpu, regs, p = stepping
    assert regs.pc == p.ainsn.slot
    assert regs.status == BOOT_PSR & ~PSR_IE | PSR_TM_STEP
    assert cpu.kprobe_ctlblk.saved_status == BOOT_PSR


def test_a_step_is_accepted_once_and_only_behind_the_copy(stepping):
    """current is not asked: without one the PSR comes back, and no post_handler runs."""
    cpu, regs, p = stepping
    assert not handled(cpu, regs)
    regs.pc = p.ainsn.slot + p.ainsn.length
    assert cpu.current_kprobe is None
    assert handled(cpu, regs)
    assert regs.status == BOOT_PSR
    assert not handled(cpu, regs)


@pytest.mark.parametrize(
    ("stepping", "before", "after"),
    [("mainline", 0, 0), ("mainline", PSR_C, PSR_C), ("fixed", 0, PSR_C), ("fixed", PSR_C, PSR_C)],
    indirect=["stepping"],
)
def test_what_is_left_of_the_psr(stepping, before, after):
    """The saved image but for its trace mode; the flag that the step has set is kept by `fixed` alone."""
    cpu, regs, _ = stepping
    cpu.kprobe_ctlblk.saved_status = BOOT_PSR | PSR_TM | before
    regs.status |= PSR_C
    restore_psr(cpu, regs)
    assert regs.status == BOOT_PSR | after
