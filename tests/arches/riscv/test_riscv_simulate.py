"""RISC-V's simulation routines against the same instruction executed in place, and the older ones by hand."""

from __future__ import annotations

import random
from importlib.resources import files
from typing import Any

import pytest

from arches.riscv import bugs
from arches.riscv.registers import REGISTERS
from arches.riscv.simulate import ACTIONS, actions
from arches.riscv.unicorn import make_cpu

REPAIRED = actions(bugs.ALL)
BASE, SIZE = 0x40_0000_0000, 0x1000
MACHINE = (make_cpu, REGISTERS, BASE, SIZE)  # for the fixture `machine`
ADDR = BASE + SIZE // 2
COMPRESSED = 0xFFFF0000

# Mask and value of every row that is simulated (unprivileged ISA manual, chapters 2.5, 26 and 35).
ROWS = {
    "jal": (0x0000007F, 0x6F),
    "jalr": (0x0000707F, 0x67),
    "auipc": (0x0000007F, 0x17),
    "beq": (0x0000707F, 0x0063),
    "bne": (0x0000707F, 0x1063),
    "blt": (0x0000707F, 0x4063),
    "bge": (0x0000707F, 0x5063),
    "bltu": (0x0000707F, 0x6063),
    "bgeu": (0x0000707F, 0x7063),
    "c_j": (COMPRESSED | 0xE003, 0xA001),
    "c_jr": (COMPRESSED | 0xF07F, 0x8002),
    "c_jalr": (COMPRESSED | 0xF07F, 0x9002),
    "c_beqz": (COMPRESSED | 0xE003, 0xC001),
    "c_bnez": (COMPRESSED | 0xE003, 0xE001),
}


def action_of(row: str) -> str:
    return "simulate_branch" if row.startswith("b") else f"simulate_{row}"


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("offset", [0, 2])
def test_routines_do_what_the_instruction_does(machine: Any, row: str, offset: int) -> None:
    mask, value = ROWS[row]
    rng = random.Random(value)
    machine.addr = ADDR + offset
    for _ in range(200):
        word = value | rng.getrandbits(32) & ~mask
        if row in ("c_jr", "c_jalr") and word >> 7 & 0x1F == 0:
            continue  # reserved, and c.ebreak
        size = 2 if mask & COMPRESSED == COMPRESSED else 4
        routine = REPAIRED[action_of(row)] if row in ("c_jr", "c_jalr") else ACTIONS[action_of(row)]
        machine.check(routine, word, word.to_bytes(size, "little"))


def zeros(**registers: int) -> dict[str, int]:
    return dict.fromkeys(REGISTERS.gpr, 0) | registers


@pytest.mark.parametrize(
    ("action", "word", "pc", "ra"),
    [
        ("simulate_jalr", 0x474080E7, 0x1000 + 1140, ADDR + 4),  # jalr ra, 1140(ra)
        ("simulate_jalr_x0_fails", 0x474080E7, 0x1000 + 1140, ADDR + 4),
        ("simulate_jalr_rd_first", 0x474080E7, ADDR + 4 + 1140, ADDR + 4),
        ("simulate_jalr", 0x00008067, 0x1000, 0x1000),  # ret
        ("simulate_jalr_x0_fails", 0x00008067, ADDR, 0x1000),
        ("simulate_jalr_rd_first", 0x00008067, ADDR, 0x1000),
        ("simulate_jal", 0x0080006F, ADDR + 8, 0x1000),  # j +8
        ("simulate_jal_x0_fails", 0x0080006F, ADDR, 0x1000),
        ("simulate_jal_x0_fails", 0x008000EF, ADDR + 8, ADDR + 4),  # jal ra, +8
        ("simulate_auipc", 0x00001017, ADDR + 4, 0x1000),  # auipc zero, 1
        ("simulate_auipc_x0_fails", 0x00001017, ADDR, 0x1000),
        ("simulate_auipc_x0_fails", 0xFFFFF097, ADDR + 4, ADDR - 0x1000),  # auipc ra, -1
        ("simulate_c_jalr", 0x9082, 0x1000, ADDR + 2),  # c.jalr ra
    ],
)
def test_by_hand(machine: Any, action: str, word: int, pc: int, ra: int) -> None:
    after = machine.simulated(ACTIONS[action], word, zeros(x1=0x1000))
    assert after == zeros(x1=ra) | {"pc": pc}


@pytest.mark.parametrize("action", [action for action in ACTIONS if action.endswith(("_x0_fails", "_rd_first"))])
def test_what_was_fixed_later_is_fixed(machine: Any, action: str) -> None:
    row = action.split("_")[1]
    mask, value = ROWS[row]
    rng = random.Random(7)
    for rd in (0, 1, 5):
        word = value | rng.getrandbits(32) & ~mask & ~0xF8000 & ~0xF80 | rd << 7 | rd << 15
        machine.check(REPAIRED[action], word, word.to_bytes(4, "little"))


@pytest.mark.parametrize(("action", "word"), [("simulate_c_jr", 0x8282), ("simulate_c_jalr", 0x9282)])  # by t0
def test_bit_0_of_a_compressed_jumps_target_is_kept(machine: Any, action: str, word: int) -> None:
    assert machine.simulated(ACTIONS[action], word, zeros(x5=0x1001))["pc"] == 0x1001
    assert machine.simulated(REPAIRED[action], word, zeros(x5=0x1001))["pc"] == 0x1000


@pytest.mark.parametrize("funct3", [2, 3])
def test_a_reserved_branch_stays_where_it_is(machine: Any, funct3: int) -> None:
    after = machine.simulated(ACTIONS["simulate_branch"], 0x00000463 | funct3 << 12, zeros())
    assert after == zeros() | {"pc": ADDR}


def test_every_action_of_the_rules_exists() -> None:
    rules = (files("arches.riscv") / "kprobes.rules").read_text().splitlines()
    actions = {line.split()[5] for line in rules if " simulate " in line and not line.startswith("#")}
    assert actions == set(ACTIONS)
    assert set(REPAIRED) == set(ACTIONS)
