"""ARM64's simulation routines against the same instruction executed in place, and the older ones by hand."""

from __future__ import annotations

import itertools
import random
from importlib.resources import files
from typing import Any

import pytest

from arches.arm64 import bugs
from arches.arm64.registers import REGISTERS
from arches.arm64.simulate import ACTIONS, actions
from arches.arm64.unicorn import make_cpu
from emu.errors import MemoryAccessError

REPAIRED = actions(bugs.ALL)
BASE, SIZE = 0x40_0000_0000, 0x20_0000  # instructions in the middle reach all of it with 19 bits
MACHINE = (make_cpu, REGISTERS, BASE, SIZE)  # for the fixture `machine`

# Every encoding of each routine: mask and value of its rows (Arm ARM, C4.1).
ROWS = [
    ("simulate_b_bl", 0x7C000000, 0x14000000),
    ("simulate_b_cond", 0xFF000010, 0x54000000),
    ("simulate_cbz_cbnz", 0x7E000000, 0x34000000),
    ("simulate_tbz_tbnz", 0x7E000000, 0x36000000),
    ("simulate_adr_adrp", 0x1F000000, 0x10000000),
    ("simulate_br_blr", 0xFFFFFC1F, 0xD61F0000),
    ("simulate_br_blr", 0xFFFFFC1F, 0xD63F0000),
    ("simulate_ret", 0xFFFFFC1F, 0xD65F0000),
    ("simulate_br_blr_ret", 0xFFFFFC1F, 0xD61F0000),
    ("simulate_br_blr_ret", 0xFFFFFC1F, 0xD63F0000),
    ("simulate_br_blr_ret", 0xFFFFFC1F, 0xD65F0000),
    ("simulate_ldr_literal", 0xBF000000, 0x18000000),
    ("simulate_ldr_literal_64", 0xBF000000, 0x18000000),
    ("simulate_ldrsw_literal", 0xFF000000, 0x98000000),
    ("simulate_nop", 0xFFFFFFFF, 0xD503201F),
]


@pytest.mark.parametrize(("action", "mask", "value"), ROWS)
def test_routines_do_what_the_instruction_does(machine: Any, action: str, mask: int, value: int) -> None:
    rng = random.Random(value)
    for _ in range(150):
        word = value | rng.getrandbits(32) & ~mask
        machine.check(ACTIONS[action], word, word.to_bytes(4, "little"))


def test_adr_and_adrp_from_inside_a_page(machine: Any) -> None:
    machine.addr += 0xABC
    rng = random.Random(2)
    for _ in range(100):
        word = 0x10000000 | rng.getrandbits(32) & 0xE0FFFFFF
        machine.check(ACTIONS["simulate_adr_adrp"], word, word.to_bytes(4, "little"))


@pytest.mark.parametrize("cond", range(16))
def test_every_condition_under_all_flags(machine: Any, cond: int) -> None:
    word = 0x54000100 | cond  # b.cond +32
    for values in itertools.product((0, 1), repeat=4):
        flags = dict(zip("nzcv", values, strict=True))
        machine.check(ACTIONS["simulate_b_cond"], word, word.to_bytes(4, "little"), machine.random_state() | flags)


@pytest.mark.parametrize(
    ("word", "action", "state", "changed"),
    [
        # blr x30: the old x30 is the target
        (0xD63F03C0, "simulate_br_blr", {"x30": 0x1230}, {"pc": 0x1230, "x30": BASE + SIZE // 2 + 4}),
        # adrp x0, +1 page from an address inside its page
        (0xB0000000, "simulate_adr_adrp", {}, {"x0": (BASE + SIZE // 2 & ~0xFFF) + 0x1000, "pc": BASE + SIZE // 2 + 4}),
        # tbnz x5, #33, +4: bit 33 counts, bit 1 does not
        (0xB7080025, "simulate_tbz_tbnz", {"x5": 1 << 33}, {"pc": BASE + SIZE // 2 + 4}),
        # cbz wzr: always
        (0x3400005F, "simulate_cbz_cbnz", {}, {"pc": BASE + SIZE // 2 + 8}),
        # cbnz w0 sees the lower half only
        (0x35000040, "simulate_cbz_cbnz", {"x0": 1 << 32}, {"pc": BASE + SIZE // 2 + 4}),
    ],
)
def test_by_hand(machine: Any, word: int, action: str, state: dict[str, int], changed: dict[str, int]) -> None:
    before = dict.fromkeys(REGISTERS.gpr, 0) | dict.fromkeys(REGISTERS.flags, 0) | state
    after = machine.simulated(ACTIONS[action], word, before)
    assert after == before | changed


def test_the_old_w_literal_touches_eight_bytes(machine: Any) -> None:
    last = BASE + SIZE - 4  # the last word of the text: what follows is not there
    machine.memory.store(last, 0x80000001, 4)
    word = 0x18000007 | (last - machine.addr) // 4 << 5  # ldr w7, last
    machine.simulated(ACTIONS["simulate_ldr_literal"], word, machine.random_state())
    assert machine.cpu.get("x7") == 0x80000001
    with pytest.raises(MemoryAccessError):
        machine.simulated(ACTIONS["simulate_ldr_literal_64"], word, machine.random_state())
    machine.simulated(REPAIRED["simulate_ldr_literal_64"], word, machine.random_state())
    assert machine.cpu.get("x7") == 0x80000001


def test_every_action_of_the_rules_exists() -> None:
    rules = (files("arches.arm64") / "kprobes.rules").read_text().splitlines()
    actions = {word for line in rules if not line.startswith("#") for word in line.split() if "simulate_" in word}
    assert actions == set(ACTIONS) == {action for action, _, _ in ROWS}
    assert set(REPAIRED) == set(ACTIONS)
