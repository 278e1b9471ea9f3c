"""C-SKY's simulation routines: the fixed ones against execution in place, the kernel's by hand where they differ."""

from __future__ import annotations

import random
from importlib.resources import files
from typing import Any

import pytest

from arches.csky import bugs
from arches.csky.registers import REGISTERS
from arches.csky.semantics import make_cpu
from arches.csky.simulate import ACTIONS, actions

REPAIRED = actions(bugs.ALL)
BASE, SIZE = 0x8010_0000, 0x10_0000
MACHINE = (make_cpu, REGISTERS, BASE, SIZE)  # for the fixture `machine`
ADDR = BASE + SIZE // 2

# Mask and value of every row that is simulated, in the form of a little-endian 32-bit load: the first halfword in
# bits 15:0 (C-SKY CPU manual; encodings confirmed with GNU as). jsr16 is the real one, not the kernel's row.
ROWS = {
    "br16": (0xFFFFFC00, 0x0400),
    "bt16": (0xFFFFFC00, 0x0800),
    "bf16": (0xFFFFFC00, 0x0C00),
    "jmp16": (0xFFFFFFC3, 0x7800),
    "jsr16": (0xFFFFFFC3, 0x7BC1),
    "lrw16": (0xFFFFFC00, 0x1000),
    "pop16": (0xFFFFFFE0, 0x1480),
    "br32": (0x0000FFFF, 0xE800),
    "bt32": (0x0000FFFF, 0xE860),
    "bf32": (0x0000FFFF, 0xE840),
    "jmp32": (0xFFFFFFE0, 0xE8C0),
    "jsr32": (0xFFFFFFE0, 0xE8E0),
    "lrw32": (0x0000FFE0, 0xEA80),
    "pop32": (0xFE00FFFF, 0xEBC0),
    "bez32": (0x0000FFE0, 0xE900),
    "bnez32": (0x0000FFE0, 0xE920),
    "bnezad32": (0x0000FFE0, 0xE820),
    "bhsz32": (0x0000FFE0, 0xE9A0),
    "bhz32": (0x0000FFE0, 0xE940),
    "blsz32": (0x0000FFE0, 0xE960),
    "blz32": (0x0000FFE0, 0xE980),
    "bsr32": (0x0000FC00, 0xE000),
    "jmpi32": (0x0000FFFF, 0xEAC0),
    "jsri32": (0x0000FFFF, 0xEAE0),
}
SIGNED = ["bhsz32", "bhz32", "blsz32", "blz32", "bnezad32"]


def fixed(row: str) -> Any:
    action = f"simulate_{row}"
    return REPAIRED[action]


def near(word: int, row: str) -> int:
    """The word with a distance that the kernel's routine gets right."""
    if row == "bsr32":
        return word & ~0x7FFF_03FF | 0 if not word >> 31 & 1 else word & 0x3FFF_FC00
    if row.endswith("16"):
        return word & ~0x300 if not word & 0x100 else word | 0x300
    return word & ~0xC0000000 if not word >> 30 & 1 else word | 0xC0000000


def random_case(machine: Any, row: str, rng: random.Random, offset: int) -> tuple[int, bytes, dict[str, int]]:
    mask, value = ROWS[row]
    word = value | rng.getrandbits(32) & ~mask
    if row == "pop16":
        word = word & ~0xF | rng.randrange(13)  # more than r4..r15 is not a list
    if row == "pop32":
        word = word & ~0xF0000 | rng.randrange(13) << 16
    machine.addr = ADDR + offset
    state = machine.random_state() | {"r14": BASE + 4 * rng.randrange(64)}
    if row == "jsr32" or row == "jmp32":
        state["r14"] = 0x1000
    return word, word.to_bytes(4 if value & 0xC000 == 0xC000 else 2, "little"), state


@pytest.mark.parametrize("offset", [0, 2])
@pytest.mark.parametrize("row", ROWS)
def test_fixed_routines_do_what_the_instruction_does(machine: Any, row: str, offset: int) -> None:
    rng = random.Random(offset)
    for _ in range(150):
        word, insn, state = random_case(machine, row, rng, offset)
        machine.check(fixed(row), word, insn, state)


WRONG = {"lrw16", "lrw32", "bnezad32", "pop16", "pop32", "jmpi32", "jsri32"}
BRANCHES = [row for row in ROWS if row.startswith("b") and row not in WRONG]


@pytest.mark.parametrize("row", BRANCHES)
def test_the_kernel_agrees_on_near_targets(machine: Any, row: str) -> None:
    rng = random.Random(3)
    for _ in range(150):
        word, insn, state = random_case(machine, row, rng, 0)
        word = near(word, row)
        machine.check(ACTIONS[f"simulate_{row}"], word, word.to_bytes(len(insn), "little"), state)


@pytest.mark.parametrize("row", [row for row in ROWS if row not in WRONG and row not in BRANCHES])
def test_the_kernel_agrees_on_register_jumps(machine: Any, row: str) -> None:
    rng = random.Random(4)
    for _ in range(100):
        machine.check(ACTIONS[f"simulate_{row}"], *random_case(machine, row, rng, 0))


@pytest.mark.parametrize(
    ("action", "insn", "kernel", "manual"),
    [
        # br16: the last that is right in each direction, and the first that is not
        ("simulate_br16", 0x04FF, 510, 510),
        ("simulate_br16", 0x0500, -512, 512),
        ("simulate_br16", 0x0700, -512, -512),
        ("simulate_br16", 0x06FF, 510, -514),
        ("simulate_br16", 0x0600, 0, -1024),  # an endless loop
        # br32, in a little-endian load
        ("simulate_br32", 0x3FFF_E800, 32766, 32766),
        ("simulate_br32", 0x4000_E800, -32768, 32768),
        ("simulate_br32", 0xBFFF_E800, 32766, -32770),
        # bsr32: only 16 of 27 bits
        ("simulate_bsr32", 0x3FFF_E000, 32766, 32766),
        ("simulate_bsr32", 0x4000_E000, -32768, 32768),
        ("simulate_bsr32", 0x0000_E001, 0, 0x20000),
        ("simulate_bsr32", 0x0000_E200, 0, -0x4000000),
    ],
)
def test_branch_distances_lose_their_highest_bits(
    machine: Any, action: str, insn: int, kernel: int, manual: int
) -> None:
    for routine, distance in ((ACTIONS[action], kernel), (REPAIRED[action], manual)):
        assert machine.simulated(routine, insn, machine.random_state())["pc"] == machine.addr + distance


@pytest.mark.parametrize(
    ("row", "value", "signed", "unsigned"),
    [
        ("blz32", 0x80000000, True, False),
        ("blz32", 0, False, False),
        ("bhsz32", 0x80000000, False, True),
        ("bhsz32", 1, True, True),
        ("bhz32", 0xFFFFFFFF, False, True),
        ("bhz32", 0, False, False),
        ("blsz32", 0xFFFFFFFF, True, False),
        ("blsz32", 0, True, True),
        ("bnezad32", 0x80000002, False, True),  # the new value is 0x80000001
        ("bnezad32", 1, False, False),
        ("bnezad32", 2, True, True),
    ],
)
def test_compares_were_unsigned_before_5_12(machine: Any, row: str, value: int, signed: bool, unsigned: bool) -> None:
    word = ROWS[row][1] | 3 | 0x20 << 16  # r3, 64 bytes ahead
    for name, taken in ((row, signed), (f"{row}_unsigned", unsigned)):
        after = machine.simulated(ACTIONS[f"simulate_{name}"], word, machine.random_state([value]))
        assert after["pc"] == machine.addr + (64 if taken else 4)
        assert after["r3"] == value - (row == "bnezad32")


@pytest.mark.parametrize("row", SIGNED)
def test_the_unsigned_ones_are_fixed_too(machine: Any, row: str) -> None:
    rng = random.Random(5)
    for _ in range(50):
        word, insn, state = random_case(machine, row, rng, 0)
        machine.check(REPAIRED[f"simulate_{row}_unsigned"], word, insn, state)


@pytest.mark.parametrize(("action", "insn", "rz"), [("simulate_lrw16", 0x10A3, 5), ("simulate_lrw32", 0x0003_EA85, 5)])
def test_lrw_loads_and_stays(machine: Any, action: str, insn: int, rz: int) -> None:
    machine.memory.store(ADDR + 12, 0x12345678, 4)
    after = machine.simulated(ACTIONS[action], insn, machine.random_state())
    assert (after["r5"], after["pc"]) == (0x12345678, ADDR)


def test_lrw16_does_not_round_down(machine: Any) -> None:
    machine.memory.write(ADDR + 4, bytes(range(8)))
    machine.addr = ADDR + 2
    kernel = machine.simulated(ACTIONS["simulate_lrw16"], 0x10A1, machine.random_state())  # 4 bytes ahead
    manual = machine.simulated(REPAIRED["simulate_lrw16"], 0x10A1, machine.random_state())
    assert (kernel["r5"], kernel["pc"]) == (0x05040302, ADDR + 2)
    assert (manual["r5"], manual["pc"]) == (0x03020100, ADDR + 4)


def test_pop32_takes_r28_for_r29(machine: Any) -> None:
    machine.memory.store(BASE, 0xABCD, 4)
    state = machine.random_state([7]) | {"r14": BASE, "r15": 0x5000}
    kernel = machine.simulated(ACTIONS["simulate_pop32"], 0x0100_EBC0, state)
    manual = machine.simulated(REPAIRED["simulate_pop32"], 0x0100_EBC0, state)
    assert (kernel["r28"], kernel["r29"], kernel["r14"], kernel["pc"]) == (7, 0xABCD, BASE + 4, 0x5000)
    assert (manual["r28"], manual["r29"], manual["r14"], manual["pc"]) == (0xABCD, 7, BASE + 4, 0x5000)


@pytest.mark.parametrize(
    ("action", "insn"), [("simulate_pop16", 0x1480), ("simulate_pop32", 0xEBC0), ("simulate_jmpi32", 0x0001_EAC0)]
)
def test_bit_0_of_a_return_address_is_kept(machine: Any, action: str, insn: int) -> None:
    machine.memory.store(ADDR + 4, 0x5001, 4)
    for routine, target in ((ACTIONS[action], 0x5001), (REPAIRED[action], 0x5000)):
        assert machine.simulated(routine, insn, machine.random_state([0x5001]))["pc"] == target


def test_the_kernels_jsr16_row_names_the_same_register_field(machine: Any) -> None:
    after = machine.simulated(ACTIONS["simulate_jsr16"], 0x7801 | 5 << 2, machine.random_state([0x5001]))
    assert (after["pc"], after["r15"]) == (0x5000, ADDR + 2)


def test_every_action_of_the_rules_exists() -> None:
    rules = (files("arches.csky") / "kprobes.rules").read_text().splitlines()
    actions_of_rules = {line.split()[5] for line in rules if " simulate " in line and not line.startswith("#")}
    repaired = (files("arches.csky") / "verdict_repaired.rules").read_text().splitlines()
    stepped = {line.split()[5] for line in repaired if " simulate " in line and not line.startswith("#")}
    assert actions_of_rules | stepped == set(ACTIONS) == set(REPAIRED)
    assert {f"simulate_{row}" for row in ROWS} == {a for a in actions_of_rules if not a.endswith("_unsigned")}
