"""LoongArch's simulation routines against the same instruction executed in place; the overflow of pcaddu18i by hand."""

from __future__ import annotations

import random
from importlib.resources import files
from typing import Any

import pytest

from arches.loongarch import bugs
from arches.loongarch.registers import REGISTERS
from arches.loongarch.semantics import make_cpu
from arches.loongarch.simulate import ACTIONS, actions

REPAIRED = actions(bugs.ALL)
BASE = 0x9000_0000_0020_0000
MACHINE = (make_cpu, REGISTERS, BASE)  # for the fixture `machine`

# Mask and value of every row that is simulated (LoongArch manual, volume 1, appendix B).
ROWS = {
    "pcaddi": (0xFE000000, 0x18000000),
    "pcalau12i": (0xFE000000, 0x1A000000),
    "pcaddu12i": (0xFE000000, 0x1C000000),
    "pcaddu18i": (0xFE000000, 0x1E000000),
    "beqz": (0xFC000000, 0x40000000),
    "bnez": (0xFC000000, 0x44000000),
    "jirl": (0xFC000000, 0x4C000000),
    "b": (0xFC000000, 0x50000000),
    "bl": (0xFC000000, 0x54000000),
    "beq": (0xFC000000, 0x58000000),
    "bne": (0xFC000000, 0x5C000000),
    "blt": (0xFC000000, 0x60000000),
    "bge": (0xFC000000, 0x64000000),
    "bltu": (0xFC000000, 0x68000000),
    "bgeu": (0xFC000000, 0x6C000000),
}
ALL = {**ACTIONS, "fixed": REPAIRED["simu_pc"]}


@pytest.mark.parametrize("row", [row for row in ROWS if row != "pcaddu18i"])
def test_routines_do_what_the_instruction_does(machine: Any, row: str) -> None:
    mask, value = ROWS[row]
    rng = random.Random(value)
    routine = ACTIONS["simu_pc" if row.startswith("pc") else "simu_branch"]
    for _ in range(300):
        word = value | rng.getrandbits(32) & ~mask
        machine.check(routine, word, word.to_bytes(4, "little"))


def test_the_fixed_routine_has_all_pc_relative_rows_right(machine: Any) -> None:
    rng = random.Random(1)
    for row in ("pcaddi", "pcalau12i", "pcaddu12i", "pcaddu18i"):
        mask, value = ROWS[row]
        for _ in range(100):
            word = value | rng.getrandbits(32) & ~mask
            machine.check(REPAIRED["simu_pc"], word, word.to_bytes(4, "little"))


@pytest.mark.parametrize(
    ("imm", "kernel", "manual"),
    [
        (0x00001, 0x40000, 0x40000),
        (0x03FFF, 0xFFFC0000, 0xFFFC0000),  # the largest immediate that both agree on
        (0x04000, 0, 0x1_00000000),
        (0x7FFFF, 0xFFFC0000, 0x1F_FFFC0000),
        (0x80000, 0, -0x20_00000000),
        (0xFFFFF, 0xFFFC0000, -0x40000),
    ],
)
def test_pcaddu18i_loses_what_does_not_fit_32_bits(machine: Any, imm: int, kernel: int, manual: int) -> None:
    word = 0x1E000000 | imm << 5 | 4
    for routine, distance in ((ACTIONS["simu_pc"], kernel), (REPAIRED["simu_pc"], manual)):
        after = machine.simulated(routine, word, machine.random_state())
        assert after["r4"] == machine.addr + distance
        assert after["pc"] == machine.addr + 4


@pytest.mark.parametrize(("action", "word"), [("simu_pc", 0x18000024), ("simu_branch", 0x50000400)])
def test_nothing_happens_at_a_misaligned_address(machine: Any, action: str, word: int) -> None:
    state = machine.random_state()
    machine.load(state)
    before = machine.result()
    ALL[action](machine.regs, word, machine.addr + 2)
    REPAIRED.get(action, ALL[action])(machine.regs, word, machine.addr + 2)
    assert machine.result() == before


def test_jirl_reads_its_target_before_it_writes_the_link(machine: Any) -> None:
    after = machine.simulated(ACTIONS["simu_branch"], 0x4C000021, machine.random_state([0x1000]))  # jirl ra, ra, 0
    assert (after["pc"], after["r1"]) == (0x1000, machine.addr + 4)


def test_every_action_of_the_rules_exists() -> None:
    rules = (files("arches.loongarch") / "kprobes.rules").read_text().splitlines()
    actions = {line.split()[5] for line in rules if " simulate " in line and not line.startswith("#")}
    assert actions == set(ACTIONS)
    assert set(REPAIRED) == set(ACTIONS)
