"""Each architecture has a kprobe_ctlblk of its own, with the fields of its asm/kprobes.h."""

from dataclasses import fields

import pytest

import arches
from emu.kernel.probe import Kprobe, KprobeCtlblk, KprobeStatus
from emu.kernel.traps import trap_state

COMMON = {"status", "saved_status", "prev_kprobe"}
OWN = {"mips": {"saved_epc", "target_epc", "skip_delayslot"}, "csky": {"match_addr"}}
SAVED = {"mips": {"saved_status", "saved_epc"}, "x86": {"saved_status"}}  # of prev_kprobe, beside kp and status
ARCHS = arches.names()


@pytest.mark.parametrize("arch", ARCHS)
def test_the_fields_are_those_of_the_architectures_header(make_lab, arch):
    kcb = make_lab(arch).cpus[0].kprobe_ctlblk
    assert {field.name for field in fields(kcb)} == COMMON | OWN.get(arch, set())


@pytest.mark.parametrize("arch", ARCHS)
def test_each_cpu_has_one(make_lab, arch):
    first, second = (cpu.kprobe_ctlblk for cpu in make_lab(arch).cpus)
    assert first is not second


@pytest.mark.parametrize("arch", ARCHS)
def test_what_is_saved_of_an_interrupted_probe_comes_back(make_lab, arch):
    """Of the fields that a nested hit overwrites, those that the architecture saves; the others stay overwritten."""
    kcb, outer = make_lab(arch).cpus[0].kprobe_ctlblk, Kprobe(symbol_name="probe_me")
    others = COMMON - {"status", "prev_kprobe"} | OWN.get(arch, set())
    kcb.status = KprobeStatus.HIT_ACTIVE
    for name in others:
        setattr(kcb, name, 1)
    kcb.save_previous(outer)
    kcb.status = KprobeStatus.REENTER
    for name in others:
        setattr(kcb, name, 2)
    assert kcb.restore_previous() is outer
    assert kcb.status is KprobeStatus.HIT_ACTIVE
    assert {name for name in others if getattr(kcb, name) == 1} == SAVED.get(arch, set())


@pytest.mark.parametrize(
    ("arch", "name"), [(arch, name) for arch in ARCHS for name in sorted(COMMON | OWN.get(arch, set()))]
)
def test_a_trap_is_in_another_state_if_any_field_is_another(make_lab, arch, name):
    """So a handler that makes progress is not taken to repeat itself."""
    cpu = make_lab(arch).cpus[0]
    before = trap_state(cpu)
    setattr(cpu.kprobe_ctlblk, name, object())
    assert trap_state(cpu) != before


def test_no_field_of_one_architecture_is_in_the_shared_struct():
    assert {field.name for field in fields(KprobeCtlblk)} == COMMON
