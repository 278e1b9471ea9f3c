"""Where a MIPS branch goes: against execution in place, a nop in the delay slot; the kernel's mistakes by hand."""

from __future__ import annotations

import random
from importlib.resources import files
from typing import Any

import pytest

from arches.mips import bugs
from arches.mips.registers import REGISTERS
from arches.mips.simulate import ACTIONS, Branch, actions, compute_return_epc_for_insn
from arches.mips.unicorn import make_cpu
from emu.errors import UsageError
from emu.verdict.site import NO_REPAIRS

REPAIRED = actions(bugs.ALL)
BASE, SIZE = 0x8010_0000, 0x1000
MACHINE = (make_cpu, REGISTERS, BASE, SIZE)  # for the fixture `machine`
EPC = BASE + SIZE // 2
NOP = bytes(4)

# Mask and value of every branch of MIPS32 release 2 with a delay slot (MIPS32 manual, volume II).
ROWS = {
    "jr": (0xFC1FFFFF, 0x00000008),
    "jalr": (0xFC1F07FF, 0x00000009),
    "bltz": (0xFC1F0000, 0x04000000),
    "bgez": (0xFC1F0000, 0x04010000),
    "bltzl": (0xFC1F0000, 0x04020000),
    "bgezl": (0xFC1F0000, 0x04030000),
    "bltzal": (0xFC1F0000, 0x04100000),
    "bgezal": (0xFC1F0000, 0x04110000),
    "bltzall": (0xFC1F0000, 0x04120000),
    "bgezall": (0xFC1F0000, 0x04130000),
    "j": (0xFC000000, 0x08000000),
    "jal": (0xFC000000, 0x0C000000),
    "beq": (0xFC000000, 0x10000000),
    "bne": (0xFC000000, 0x14000000),
    "blez": (0xFC1F0000, 0x18000000),
    "bgtz": (0xFC1F0000, 0x1C000000),
    "beql": (0xFC000000, 0x50000000),
    "bnel": (0xFC000000, 0x54000000),
    "blezl": (0xFC1F0000, 0x58000000),
    "bgtzl": (0xFC1F0000, 0x5C000000),
}
LINKS = ("jalr", "bltzal", "bgezal", "bltzall", "bgezall")


def random_words(row: str, count: int = 200) -> list[int]:
    """Words of a row whose result the manual defines: no link register that is also read."""
    mask, value = ROWS[row]
    rng = random.Random(value)
    words = [value | rng.getrandbits(32) & ~mask for _ in range(count)]
    if row in LINKS:
        words = [word for word in words if word >> 21 & 31 != (word >> 11 & 31 if row == "jalr" else 31)]
    return [word for word in words if not never_taken(row, word >> 21 & 31, word >> 16 & 31)]


def never_taken(row: str, rs: int, rt: int) -> bool:
    """The engine makes these nops: their delay slot is a step of its own, and nothing would be compared."""
    return (row == "bne" and rs == rt) or (row in ("bltz", "bgtz") and rs == 0)


def state_for(machine: Any, row: str) -> dict[str, int]:
    return machine.random_state([BASE + 4 * n for n in range(5)] if row in ("jr", "jalr") else None)


@pytest.mark.parametrize("row", ROWS)
def test_the_manuals_rules_are_what_the_cpu_does(machine: Any, row: str) -> None:
    for word in random_words(row):
        state = state_for(machine, row)
        machine.check(REPAIRED["__compute_return_epc_for_insn"], word, word.to_bytes(4, "little") + NOP, state)


@pytest.mark.parametrize("row", ROWS)
def test_the_kernel_agrees_but_on_register_0(machine: Any, row: str) -> None:
    for word in random_words(row):
        if row in LINKS[1:] and word >> 21 & 31 == 0:
            continue
        state = state_for(machine, row)
        machine.check(ACTIONS["__compute_return_epc_for_insn"], word, word.to_bytes(4, "little") + NOP, state)


@pytest.mark.parametrize("row", ["bne", "bltz", "bgtz"])
def test_branches_that_are_never_taken(row: str) -> None:
    for result in both(ROWS[row][1] | 4):  # on register 0
        assert result == Branch(EPC + 8)


@pytest.mark.parametrize("kind", range(4))
def test_floating_point_branches_do_what_the_instruction_does(machine: Any, kind: int) -> None:
    for code in range(8):
        for fcsr in (0, 0xFE800000, 1 << (24 + code if code else 23)):
            machine.cpu.set("fcsr", fcsr)
            word = 0x45000000 | code << 18 | kind << 16 | machine.random.getrandbits(16)
            for routines in (ACTIONS, REPAIRED):
                machine.check(routines["__compute_return_epc_for_insn"], word, word.to_bytes(4, "little") + NOP)


class Frame:
    """Registers without a CPU, so that special ones that an engine may lack can be given."""

    def __init__(self, gpr: dict[int, int] | None = None, **special: int) -> None:
        self.gpr = [0] * 32
        for number, value in (gpr or {}).items():
            self.gpr[number] = value
        self.special = special
        self.pc = EPC

    def get(self, name: str) -> int:
        if name not in self.special:
            raise UsageError(name)
        return self.special[name]


def both(word: int, gpr: dict[int, int] | None = None, epc: int = EPC, **special: int) -> tuple[Branch, Branch]:
    """What the kernel computes, and what the manual says."""
    frames = Frame(gpr, **special), Frame(gpr, **special)
    return compute_return_epc_for_insn(frames[0], word, epc), compute_return_epc_for_insn(
        frames[1], word, epc, bugs.ALL
    )


def test_links_are_written_before_the_register_is_read() -> None:
    kernel, manual = both(0x03E0F809, {31: 0x80001000})  # jalr ra, ra
    assert (kernel.target, manual.target) == (EPC + 8, 0x80001000)
    kernel, manual = both(0x07F10004, {31: 1})  # bgezal ra, +16: the link, in kseg0, is negative
    assert (kernel.target, manual.target) == (EPC + 8, EPC + 20)
    kernel, manual = both(0x07F00004, {31: 1})  # bltzal ra, +16
    assert (kernel.target, manual.target) == (EPC + 20, EPC + 8)


def test_calls_on_register_0_are_always_taken() -> None:
    kernel, manual = both(0x04100004)  # bltzal zero, +16
    assert (kernel, manual) == (Branch(EPC + 20), Branch(EPC + 8))
    kernel, manual = both(0x04120004)  # bltzall zero, +16: not taken, its delay slot is annulled
    assert (kernel, manual) == (Branch(EPC + 20), Branch(EPC + 8, annulled=True))
    kernel, manual = both(0x04130004)  # bgezall zero, +16
    assert (kernel, manual) == (Branch(EPC + 20), Branch(EPC + 20, likely_taken=True))
    kernel, manual = both(0x04110004)  # bal +16
    assert kernel == manual == Branch(EPC + 20)


@pytest.mark.parametrize(
    ("word", "taken", "untaken"),
    [
        (0x50620004, {3: 9, 2: 9}, {3: 9, 2: 8}),  # beql v1, v0
        (0x54620004, {3: 9, 2: 8}, {3: 9, 2: 9}),  # bnel v1, v0
        (0x58600004, {3: 0x80000000}, {3: 1}),  # blezl v1
        (0x5C600004, {3: 1}, {3: 0}),  # bgtzl v1
        (0x04620004, {3: 0x80000000}, {3: 0}),  # bltzl v1
        (0x04630004, {3: 0}, {3: 0xFFFFFFFF}),  # bgezl v1
        (0x04720004, {3: 0x80000000}, {3: 0}),  # bltzall v1
        (0x04730004, {3: 0}, {3: 0xFFFFFFFF}),  # bgezall v1
    ],
)
def test_likely_branches(word: int, taken: dict[int, int], untaken: dict[int, int]) -> None:
    for result in both(word, taken):
        assert result == Branch(EPC + 20, likely_taken=True)
    for result in both(word, untaken):
        assert result == Branch(EPC + 8, annulled=True)


@pytest.mark.parametrize("word", [0x10620004, 0x14620004, 0x18600004, 0x1C600004, 0x04600004, 0x04610004])
def test_ordinary_branches_report_nothing(word: int) -> None:
    for value in (0, 5, 0x80000000):
        for result in both(word, {3: value, 2: 5}):
            assert not result.likely_taken and not result.annulled


@pytest.mark.parametrize("code", range(8))
@pytest.mark.parametrize("value", [0, 1])
def test_floating_point_conditions(code: int, value: int) -> None:
    bit = {0: 23, 1: 25, 2: 26, 3: 27, 4: 28, 5: 29, 6: 30, 7: 31}[code]
    others = ~(1 << bit) & 0xFE800000
    for fcsr in (value << bit, value << bit | others):
        for kind, taken in ((0, not value), (1, value), (2, not value), (3, value)):  # bc1f, bc1t, bc1fl, bc1tl
            kernel, manual = both(0x45000004 | code << 18 | kind << 16, fcsr=fcsr)
            assert kernel.target == manual.target == (EPC + 20 if taken else EPC + 8)
            assert manual.likely_taken == bool(kind & 2 and taken)
            assert kernel.likely_taken == (manual.likely_taken and code == 0)
            assert kernel.annulled == manual.annulled == bool(kind & 2 and not taken)


def test_any_cop1_word_is_taken_for_a_branch() -> None:
    add_s = 0x46020000  # add.s f0, f0, f2: its ft, 2, reads as "bc1fl, condition 0", its lower half as the distance 0
    kernel, manual = both(add_s, fcsr=0)
    assert kernel == Branch(EPC + 4, likely_taken=True)
    assert manual.target == EPC
    assert both(add_s)[0] == kernel  # without an FPU: the thread's saved control word, 0


@pytest.mark.parametrize(("dspcontrol", "target"), [(31, EPC + 8), (32, EPC + 20), (63, EPC + 20), (0xC0, EPC + 8)])
def test_bposge32(dspcontrol: int, target: int) -> None:
    assert both(0x041C0004, dspcontrol=dspcontrol) == (Branch(target), Branch(target))
    assert both(0x041C0004) == (Branch(None), Branch(None))  # no DSP ASE: SIGILL


@pytest.mark.parametrize(
    ("word", "value", "taken"),
    [
        (0xC8600004, 1, False),  # bbit0 v1, 0
        (0xC87F0004, 0x7FFFFFFF, True),  # bbit0 v1, 31
        (0xD8600004, 0xFFFFFFFF, True),  # bbit032 v1, 0: bit 32, which these registers have not
        (0xE8600004, 1, True),  # bbit1 v1, 0
        (0xF8600004, 0xFFFFFFFF, False),  # bbit132 v1, 0
    ],
)
def test_octeon_bit_branches(word: int, value: int, taken: bool) -> None:
    assert both(word, {3: value})[0] == Branch(EPC + 20 if taken else EPC + 8)


def test_jumps_stay_in_the_256_mib_of_the_delay_slot() -> None:
    assert both(0x08000001, epc=0x8FFFFFF8)[0] == Branch(0x80000004)
    assert both(0x08000001, epc=0x8FFFFFFC)[0] == Branch(0x90000004)


def test_addresses_wrap_at_32_bits() -> None:
    frame = Frame()
    assert compute_return_epc_for_insn(frame, 0x04110004, 0xFFFFFFF8) == Branch(12)  # bal +16
    assert frame.gpr[31] == 0
    assert both(0x14000004, epc=0xFFFFFFFC)[0] == Branch(4)  # bne zero, zero: not taken


def test_a_call_with_bits_set_that_it_does_not_use() -> None:
    frame = Frame({3: 0x1000})
    assert compute_return_epc_for_insn(frame, 0x007F17C9, EPC) == Branch(0x1000)  # jalr v0, v1 and hint 31, rt 31
    assert [number for number, value in enumerate(frame.gpr) if value == EPC + 8] == [2]


def test_a_misaligned_epc_fails_and_changes_nothing() -> None:
    frame = Frame({3: 7})
    for repairs in (NO_REPAIRS, bugs.ALL):
        assert compute_return_epc_for_insn(frame, 0x0C000001, EPC + 2, repairs) == Branch(None)
    ACTIONS["__compute_return_epc_for_insn"](frame, 0x0C000001, EPC + 2)
    assert (frame.gpr[31], frame.pc) == (0, EPC)


@pytest.mark.parametrize("word", [0x00000000, 0x041D0004, 0x24020001])  # nop, bposge64, addiu
def test_what_is_no_branch_to_the_kernel_leaves_epc(word: int) -> None:
    assert both(word)[0] == Branch(EPC)


def test_every_action_of_the_rules_exists() -> None:
    rules = (files("arches.mips") / "kprobes.rules").read_text().splitlines()
    actions = {line.split()[5] for line in rules if " simulate " in line and not line.startswith("#")}
    assert actions == set(ACTIONS) == set(REPAIRED)
