"""Copies in slots against the original in place: same registers, flags and memory, and pc behind the instruction."""

from __future__ import annotations

from random import Random

import pytest

from arches.x86.insns import decode
from arches.x86.kprobes_copy import build_slot
from arches.x86.registers import REGISTERS
from arches.x86.trials import examples
from arches.x86.verdict import judge
from emu.verdict.site import Site, Verdict

TEXT, DATA = 0x40_0000, 0x40_4000  # the data is where RIP-relative operands of the text reach
TEXT_SIZE, DATA_SIZE = 0x4000, 0x2000
ADDR, SLOT = TEXT + 0x3E00, TEXT + 0x100
ROWS = (
    *("alu", "cmp", "grp1_ib", "grp1_iz", "mov", "mov_rm_iz", "lea", "grp3", "shift_ib", "movzx"),
    *("cmovcc", "sse_move", "imul_iz", "bit_test_ib", "xadd", "setcc", "push_pop", "shift_double", "movsxd"),
)
TRIES = 12


@pytest.fixture(scope="module")
def machine(engine):
    return engine((TEXT, TEXT_SIZE), (DATA, DATA_SIZE))


def rip_relative(row, rng):
    """An encoding of a row; if it has ModRM, with an operand in the middle of the data."""
    while True:
        insn = decode(examples(row, rng), ADDR)
        if insn.modrm is None:
            return insn
        if insn.rip_relative and insn.addr_size == 8:
            target = DATA + 0x800 + 16 * rng.randrange(64)
            disp = (target - ADDR - insn.size).to_bytes(4, "little", signed=True)
            return decode(insn.code[: insn.disp_offset] + disp + insn.code[insn.disp_offset + 4 :], ADDR)


def executed(machine, at, code, state, data):
    memory, cpu, clean = machine
    cpu.restore(clean)
    memory.write(at, code)
    cpu.sync_icache(at, len(code))
    memory.write(DATA, data)
    for name, value in state.items():
        cpu.set(name, value)
    cpu.pc = at
    stop = cpu.step()
    registers = {name: cpu.get(name) for name in (*REGISTERS.gpr, "eflags", *REGISTERS.fp)}
    return stop, cpu.pc - at, registers, memory.read(DATA, DATA_SIZE)


@pytest.mark.parametrize("row", ROWS)
def test_copy_computes_the_same(machine, row):
    rng = Random(row)
    for _ in range(TRIES):
        insn = rip_relative(row, rng)
        assert judge(Site(insn.code), None).verdict is Verdict.STEP
        state = {name: rng.getrandbits(64) for name in REGISTERS.gpr}
        state |= {"rsp": DATA + 0x1800, "eflags": rng.getrandbits(12) & 0x8D5 | 2}
        data = rng.randbytes(DATA_SIZE)
        stop, moved, *want = executed(machine, ADDR, insn.code, state, data)
        slot = build_slot(insn, SLOT)
        slot_stop, slot_moved, *got = executed(machine, SLOT, slot.code, state, data)
        assert got == want, insn.code.hex()
        assert (slot_stop is None) == (stop is None)
        if stop is None:
            assert moved == slot_moved == insn.size
