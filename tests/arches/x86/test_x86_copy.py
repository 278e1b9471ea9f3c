"""Slots byte by byte, and what the end of a step puts right."""

from __future__ import annotations

import pytest

from arches.x86.insns import decode
from arches.x86.kprobes_copy import SlotError, build_slot, resume_execution, resume_singlestep, saved_flags
from arches.x86.simulate import IF, TF
from emu.machine.frame import PtRegs
from emu.machine.memory import Memory

ADDR, SLOT, STACK = 0x10_0000, 0x30_0010, 0x20_0800


class FakeCpu:
    """A program counter, a stack pointer and flags."""

    def __init__(self, pc, eflags):
        self.pc, self.gpr = pc, None
        self.values = {"rsp": STACK, "eflags": eflags}

    def get(self, name):
        return self.values[name]

    def set(self, name, value):
        self.values[name] = value


def frame(pc, eflags=2, top=0):
    memory = Memory()
    memory.add("stack", 0x20_0000, 0x1000)
    memory.store(STACK, top, 8)
    return PtRegs(FakeCpu(pc, eflags), memory, "eflags")


def slot_of(code, **settings):
    return build_slot(decode(bytes.fromhex(code), ADDR), SLOT, **settings)


def test_copy_with_int3():
    slot = slot_of("4889e5")
    assert (slot.addr, slot.code.hex(), slot.boosted) == (SLOT, "4889e5cc", False)
    assert slot_of("4889e5", int3=False).code.hex() == "4889e5"


def test_copy_with_jump_back():
    """The jump ends at SLOT+8 and goes to ADDR+3: -0x20_0015."""
    slot = slot_of("4889e5", boost=True)
    assert (slot.code.hex(), slot.boosted) == ("4889e5" + "e9ebffdfff", True)


def test_jump_back_needs_room():
    assert slot_of("c70425" + "00" * 8, boost=True).boosted is True  # 11 bytes
    assert len(slot_of("c70425" + "00" * 8, boost=True).code) == 16
    long = slot_of("48c70425" + "00" * 8, boost=True)  # 12 bytes
    assert (long.boosted, long.code[-1]) == (False, 0xCC)


def test_longest_instruction_fits_with_its_int3():
    code = "66" * 5 + "c78425" + "00000000" + "0000"  # 14 bytes
    assert len(slot_of("66" + code).code) == 16


@pytest.mark.parametrize(
    ("code", "moved"),
    [
        ("488b0500000000", "488b05f0ffdfff"),  # -0x20_0010: the slot is so much higher
        ("c60578563412aa", "c60568561412aa"),  # the immediate stays behind the displacement
        ("488d0d00002000", "488d0df0ffffff"),
    ],
)
def test_rip_relative_operand_is_moved(code, moved):
    assert slot_of(code).code.hex() == moved + "cc"


@pytest.mark.parametrize(
    ("code", "fits"),
    [("488b05" + "10002080", True), ("488b05" + "0f002080", False), ("488b05ffffff7f", True)],
)
def test_displacement_out_of_range(code, fits):
    if fits:
        assert len(slot_of(code).code) == 8
        return
    with pytest.raises(SlotError, match="does not fit 32 bits") as error:
        slot_of(code)
    assert error.value.errno == "EINVAL"


def test_jump_back_out_of_range():
    with pytest.raises(SlotError):
        build_slot(decode(b"\x90", 1 << 40), SLOT, boost=True)


@pytest.mark.parametrize(("saved", "after"), [(IF, IF | 0x42), (0, 0x42), (IF | TF, IF | 0x42)])
def test_resume_after_int3(saved, after):
    """The slot's int3 of a three-byte instruction left pc at SLOT+4."""
    regs = frame(SLOT + 4, eflags=0x42)
    resume_singlestep(regs, ADDR, SLOT, saved)
    assert (regs.pc, regs.status) == (ADDR + 3, after)


def resumed(code, pc, eflags=2, top=0, old_flags=IF):
    """pc, flags and top of stack after trap-flag stepping."""
    regs = frame(pc, eflags | TF, top)
    resume_execution(regs, decode(bytes.fromhex(code), ADDR), SLOT, old_flags)
    return regs.pc, regs.status, regs.load(STACK, 8)


@pytest.mark.parametrize(
    ("code", "pc", "top", "want_pc", "want_top"),
    [
        ("90", SLOT + 1, 7, ADDR + 1, 7),
        ("e800010000", SLOT + 0x105, SLOT + 5, ADDR + 0x105, ADDR + 5),  # call
        ("48e800010000", SLOT + 0x106, SLOT + 6, ADDR + 0x106, ADDR + 6),
        ("eb10", SLOT + 0x12, 7, ADDR + 0x12, 7),
        ("7410", SLOT + 2, 7, ADDR + 2, 7),
        ("c3", 0x1234, 7, 0x1234, 7),  # returns have the final IP
        ("c20800", 0x1234, 7, 0x1234, 7),
        ("cb", 0x1234, 7, 0x1234, 7),
        ("48cf", 0x1234, 7, 0x1234, 7),
        ("ffd0", 0x1234, SLOT + 2, 0x1234, ADDR + 2),  # indirect call
        ("41ff5308", 0x1234, SLOT + 4, 0x1234, ADDR + 4),  # through memory
        ("ff18", 0x1234, SLOT + 2, 0x1234, ADDR + 2),  # far
        ("ffe0", 0x1234, 7, 0x1234, 7),  # indirect jump
        ("ff28", 0x1234, 7, 0x1234, 7),
        ("fff0", SLOT + 2, 7, ADDR + 2, 7),  # push
        ("ffc0", SLOT + 2, 7, ADDR + 2, 7),  # inc
    ],
)
def test_resume_after_trap_flag(code, pc, top, want_pc, want_top):
    assert resumed(code, pc, top=top) == (want_pc, 2, want_top)


def test_pushed_flags_are_those_before_the_step():
    assert resumed("9c", SLOT + 1, top=TF | 0x42, old_flags=IF) == (ADDR + 1, 2, IF | 0x42)
    assert resumed("9c", SLOT + 1, top=TF | IF | 0x42, old_flags=0) == (ADDR + 1, 2, 0x42)
    assert resumed("669c", SLOT + 2, top=TF | 0x42, old_flags=IF) == (ADDR + 2, 2, IF | 0x42)


@pytest.mark.parametrize(("code", "kept"), [("90", IF), ("fa", 0), ("fb", 0), ("9d", 0), ("48cf", 0), ("9c", IF)])
def test_flags_that_the_step_ends_with(code, kept):
    """An instruction that changes IF itself keeps what it set."""
    assert saved_flags(IF | 0x42, decode(bytes.fromhex(code), ADDR)) == kept
    assert saved_flags(TF | 0x42, decode(bytes.fromhex(code), ADDR)) == TF
