"""What each C-SKY instruction does: branches, literals, moves and comparisons.

One function for each row of insns.decode, found by its name (dots become underscores). Arithmetic and logic are in
semantics_arithmetic.py, shifts and bit fields in semantics_bits.py, loads, stores and the stack in semantics_memory.py,
traps and control registers in semantics_system.py.

Sources: C-SKY CPU instruction set manual (abiv2), and where that leaves a choice, what the vectors in
tests/data/csky-step.json.gz show.
"""

from __future__ import annotations

from arches.csky.registers import LR
from arches.csky.simulate_condition import carry, s32, set_c
from emu.bits import mask
from emu.isa.table import Insn
from emu.machine.interp_cpu import InterpCpu

# Branches and jumps


def br16(cpu: InterpCpu, i: Insn) -> None:
    cpu.next_pc = cpu.pc + i.off


def bt16(cpu: InterpCpu, i: Insn) -> None:
    if carry(cpu):
        cpu.next_pc = cpu.pc + i.off


def bf16(cpu: InterpCpu, i: Insn) -> None:
    if not carry(cpu):
        cpu.next_pc = cpu.pc + i.off


br32, bt32, bf32 = br16, bt16, bf16


def bnezad32(cpu: InterpCpu, i: Insn) -> None:
    """Decrement and branch if that is not zero. (Linux takes the new value as signed and asks for more than 0.)"""
    cpu.gpr[i.rx] -= 1
    if cpu.gpr[i.rx] != 0:
        cpu.next_pc = cpu.pc + i.off


def bez32(cpu: InterpCpu, i: Insn) -> None:
    if cpu.gpr[i.rx] == 0:
        cpu.next_pc = cpu.pc + i.off


def bnez32(cpu: InterpCpu, i: Insn) -> None:
    if cpu.gpr[i.rx] != 0:
        cpu.next_pc = cpu.pc + i.off


def bhz32(cpu: InterpCpu, i: Insn) -> None:
    if s32(cpu.gpr[i.rx]) > 0:
        cpu.next_pc = cpu.pc + i.off


def blsz32(cpu: InterpCpu, i: Insn) -> None:
    if s32(cpu.gpr[i.rx]) <= 0:
        cpu.next_pc = cpu.pc + i.off


def blz32(cpu: InterpCpu, i: Insn) -> None:
    if s32(cpu.gpr[i.rx]) < 0:
        cpu.next_pc = cpu.pc + i.off


def bhsz32(cpu: InterpCpu, i: Insn) -> None:
    if s32(cpu.gpr[i.rx]) >= 0:
        cpu.next_pc = cpu.pc + i.off


def bsr32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[LR] = cpu.next_pc
    cpu.next_pc = cpu.pc + i.off


def jmp16(cpu: InterpCpu, i: Insn) -> None:
    cpu.next_pc = cpu.gpr[i.rx] & ~1


def rts16(cpu: InterpCpu, i: Insn) -> None:
    cpu.next_pc = cpu.gpr[LR] & ~1


def jsr16(cpu: InterpCpu, i: Insn) -> None:
    target = cpu.gpr[i.rx] & ~1
    cpu.gpr[LR] = cpu.next_pc
    cpu.next_pc = target


jmp32, rts32, jsr32 = jmp16, rts16, jsr16


def literal(cpu: InterpCpu, distance: int) -> int:
    """The word in the text at a distance from the instruction, rounded down to a word."""
    return cpu.load((cpu.pc + distance) & ~3, 4)


def jmpi32(cpu: InterpCpu, i: Insn) -> None:
    cpu.next_pc = literal(cpu, i.lit) & ~1


def jsri32(cpu: InterpCpu, i: Insn) -> None:
    target = literal(cpu, i.lit) & ~1
    cpu.gpr[LR] = cpu.next_pc
    cpu.next_pc = target


# Literals, addresses, moves and immediates


def lrw16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = literal(cpu, i.lit)


def lrw16_far(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = literal(cpu, 1020 - i.far)


lrw32 = lrw16


def grs32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.pc + i.off


def movi16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = i.imm


movi32 = movi16


def movih32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = i.imm << 16


def mov16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx]


def mvc32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = carry(cpu)


def mvcv16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = carry(cpu) ^ 1


mvcv32 = mvcv16


def incf32(cpu: InterpCpu, i: Insn) -> None:
    if not carry(cpu):
        cpu.gpr[i.rz] = cpu.gpr[i.rx] + i.imm


def inct32(cpu: InterpCpu, i: Insn) -> None:
    if carry(cpu):
        cpu.gpr[i.rz] = cpu.gpr[i.rx] + i.imm


def decf32(cpu: InterpCpu, i: Insn) -> None:
    if not carry(cpu):
        cpu.gpr[i.rz] = cpu.gpr[i.rx] - i.imm


def dect32(cpu: InterpCpu, i: Insn) -> None:
    if carry(cpu):
        cpu.gpr[i.rz] = cpu.gpr[i.rx] - i.imm


def decgt32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] - i.imm
    set_c(cpu, s32(cpu.gpr[i.rz]) > 0)


def declt32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] - i.imm
    set_c(cpu, s32(cpu.gpr[i.rz]) < 0)


def decne32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] - i.imm
    set_c(cpu, cpu.gpr[i.rz] != 0)


def clrf32(cpu: InterpCpu, i: Insn) -> None:
    if not carry(cpu):
        cpu.gpr[i.rz] = 0


def clrt32(cpu: InterpCpu, i: Insn) -> None:
    if carry(cpu):
        cpu.gpr[i.rz] = 0


def bmaski32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = mask(i.oimm)


def bgenr32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = 1 << (cpu.gpr[i.rx] & 0x3F)  # 32 and up shift it out


# Comparisons


def cmphs16(cpu: InterpCpu, i: Insn) -> None:
    set_c(cpu, cpu.gpr[i.rx] >= cpu.gpr[i.ry])


def cmplt16(cpu: InterpCpu, i: Insn) -> None:
    set_c(cpu, s32(cpu.gpr[i.rx]) < s32(cpu.gpr[i.ry]))


def cmpne16(cpu: InterpCpu, i: Insn) -> None:
    set_c(cpu, cpu.gpr[i.rx] != cpu.gpr[i.ry])


def tst16(cpu: InterpCpu, i: Insn) -> None:
    set_c(cpu, cpu.gpr[i.rx] & cpu.gpr[i.ry])


def tstnbz16(cpu: InterpCpu, i: Insn) -> None:
    """C says that no byte is zero."""
    set_c(cpu, all(cpu.gpr[i.rx].to_bytes(4, "little")))


def cmphsi16(cpu: InterpCpu, i: Insn) -> None:
    set_c(cpu, cpu.gpr[i.rx] >= i.oimm)


def cmplti16(cpu: InterpCpu, i: Insn) -> None:
    set_c(cpu, s32(cpu.gpr[i.rx]) < i.oimm)


def cmpnei16(cpu: InterpCpu, i: Insn) -> None:
    set_c(cpu, cpu.gpr[i.rx] != i.imm)


def btsti16(cpu: InterpCpu, i: Insn) -> None:
    set_c(cpu, cpu.gpr[i.rx] >> i.imm & 1)


cmphs32, cmplt32, cmpne32, tst32, tstnbz32 = cmphs16, cmplt16, cmpne16, tst16, tstnbz16
cmphsi32, cmplti32, cmpnei32, btsti32 = cmphsi16, cmplti16, cmpnei16, btsti16
