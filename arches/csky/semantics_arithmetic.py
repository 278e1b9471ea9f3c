"""What C-SKY arithmetic and logic do; multiplications into hi and lo are in semantics_hilo.py."""

from __future__ import annotations

from arches.csky.registers import DATA_BASE
from arches.csky.simulate_condition import carry, s16, s32, set_c
from emu.bits import mask, sext
from emu.isa.table import Insn
from emu.machine.cpu import TrapKind
from emu.machine.interp_cpu import InterpCpu

_TOP = mask(32)

# Arithmetic


def addu16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] += cpu.gpr[i.rx]


def addu32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] + cpu.gpr[i.ry]


def subu16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] -= cpu.gpr[i.rx]


def subu32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] - cpu.gpr[i.ry]


addu16_rrr, subu16_rrr = addu32, subu32


def _add_with_carry(cpu: InterpCpu, rz: int, augend: int, addend: int) -> None:
    total = augend + addend + carry(cpu)
    cpu.gpr[rz] = total
    set_c(cpu, total > _TOP)


def addc16(cpu: InterpCpu, i: Insn) -> None:
    _add_with_carry(cpu, i.rz, cpu.gpr[i.rz], cpu.gpr[i.rx])


def addc32(cpu: InterpCpu, i: Insn) -> None:
    _add_with_carry(cpu, i.rz, cpu.gpr[i.rx], cpu.gpr[i.ry])


def subc16(cpu: InterpCpu, i: Insn) -> None:
    _add_with_carry(cpu, i.rz, cpu.gpr[i.rz], cpu.gpr[i.rx] ^ _TOP)


def subc32(cpu: InterpCpu, i: Insn) -> None:
    _add_with_carry(cpu, i.rz, cpu.gpr[i.rx], cpu.gpr[i.ry] ^ _TOP)


def addi16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] += i.oimm


def subi16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] -= i.oimm


def addi32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] + i.oimm


def subi32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] - i.oimm


addi16_rr, subi16_rr = addi32, subi32


def addi32_r28(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[DATA_BASE] + i.oimm


def abs32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = abs(s32(cpu.gpr[i.rx]))


def mult16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] *= cpu.gpr[i.rx]


def mult32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] * cpu.gpr[i.ry]


def mulsh16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = s16(cpu.gpr[i.rz]) * s16(cpu.gpr[i.rx])


def mulsh32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = s16(cpu.gpr[i.rx]) * s16(cpu.gpr[i.ry])


def mulsw32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = s16(cpu.gpr[i.rx]) * s32(cpu.gpr[i.ry]) >> 16


def _quotient(cpu: InterpCpu, dividend: int, divisor: int) -> int:
    """Rounded towards zero."""
    if divisor == 0:
        cpu.trap(TrapKind.DIVIDE)
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def divu32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _quotient(cpu, cpu.gpr[i.rx], cpu.gpr[i.ry])


def divs32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _quotient(cpu, s32(cpu.gpr[i.rx]), s32(cpu.gpr[i.ry]))


def pair(cpu: InterpCpu, number: int) -> int:
    """A register and the one after it (r0 after r31), which is the high half."""
    return cpu.gpr[number] | cpu.gpr[(number + 1) % 32] << 32


def set_pair(cpu: InterpCpu, number: int, value: int) -> None:
    cpu.gpr[number] = value
    cpu.gpr[(number + 1) % 32] = value >> 32


def divul32(cpu: InterpCpu, i: Insn) -> None:
    set_pair(cpu, i.rz, _quotient(cpu, pair(cpu, i.rx), cpu.gpr[i.ry]))


def divsl32(cpu: InterpCpu, i: Insn) -> None:
    set_pair(cpu, i.rz, _quotient(cpu, sext(pair(cpu, i.rx), 64), s32(cpu.gpr[i.ry])))


def mul_u32(cpu: InterpCpu, i: Insn) -> None:
    set_pair(cpu, i.rz, cpu.gpr[i.rx] * cpu.gpr[i.ry])


def mul_s32(cpu: InterpCpu, i: Insn) -> None:
    set_pair(cpu, i.rz, s32(cpu.gpr[i.rx]) * s32(cpu.gpr[i.ry]))


def mula_u32(cpu: InterpCpu, i: Insn) -> None:
    set_pair(cpu, i.rz, pair(cpu, i.rz) + cpu.gpr[i.rx] * cpu.gpr[i.ry])


def mula_s32(cpu: InterpCpu, i: Insn) -> None:
    set_pair(cpu, i.rz, pair(cpu, i.rz) + s32(cpu.gpr[i.rx]) * s32(cpu.gpr[i.ry]))


def mula_32_l(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] += cpu.gpr[i.rx] * cpu.gpr[i.ry]


def mulall_s16_s(cpu: InterpCpu, i: Insn) -> None:
    total = s32(cpu.gpr[i.rz]) + s16(cpu.gpr[i.rx]) * s16(cpu.gpr[i.ry])
    cpu.gpr[i.rz] = max(-(1 << 31), min(total, (1 << 31) - 1))


def ixh32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] + (cpu.gpr[i.ry] << 1)


def ixw32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] + (cpu.gpr[i.ry] << 2)


def ixd32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] + (cpu.gpr[i.ry] << 3)


# Logic


def and16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] &= cpu.gpr[i.rx]


def and32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] & cpu.gpr[i.ry]


def andn16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] &= ~cpu.gpr[i.rx]


def andn32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] & ~cpu.gpr[i.ry]


def or16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] |= cpu.gpr[i.rx]


def or32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] | cpu.gpr[i.ry]


def xor16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] ^= cpu.gpr[i.rx]


def xor32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] ^ cpu.gpr[i.ry]


def nor16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = ~(cpu.gpr[i.rz] | cpu.gpr[i.rx])


def nor32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = ~(cpu.gpr[i.rx] | cpu.gpr[i.ry])


def andi32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] & i.imm


def andni32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] & ~i.imm


def ori32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] | i.imm


def xori32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] ^ i.imm
