"""LoongArch64 shifts, and instructions on bits and bytes (manual, sections 2.2.2 and 2.2.3)."""

from __future__ import annotations

from arches.loongarch.semantics_branches import M32, M64, d, w
from emu.isa.table import Insn
from emu.machine.cpu import TrapKind
from emu.machine.interp_cpu import InterpCpu


def sll_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.gpr[i.rj] << (cpu.gpr[i.rk] & 31))


def srl_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w((cpu.gpr[i.rj] & M32) >> (cpu.gpr[i.rk] & 31))


def sra_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.gpr[i.rj]) >> (cpu.gpr[i.rk] & 31)


def sll_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] << (cpu.gpr[i.rk] & 63)


def srl_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] >> (cpu.gpr[i.rk] & 63)


def sra_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = d(cpu.gpr[i.rj]) >> (cpu.gpr[i.rk] & 63)


def rotated(value: int, count: int, bits: int) -> int:
    """An unsigned value turned right by count < bits."""
    return value >> count | value << (bits - count)


def rotr_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(rotated(cpu.gpr[i.rj] & M32, cpu.gpr[i.rk] & 31, 32))


def rotr_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = rotated(cpu.gpr[i.rj], cpu.gpr[i.rk] & 63, 64)


def slli_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.gpr[i.rj] << i.imm)


def slli_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] << i.imm


def srli_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w((cpu.gpr[i.rj] & M32) >> i.imm)


def srli_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] >> i.imm


def srai_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.gpr[i.rj]) >> i.imm


def srai_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = d(cpu.gpr[i.rj]) >> i.imm


def rotri_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(rotated(cpu.gpr[i.rj] & M32, i.imm, 32))


def rotri_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = rotated(cpu.gpr[i.rj], i.imm, 64)


# Bits and bytes


def ext_w_h(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = ((cpu.gpr[i.rj] & 0xFFFF) ^ 0x8000) - 0x8000


def ext_w_b(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = ((cpu.gpr[i.rj] & 0xFF) ^ 0x80) - 0x80


def trailing_zeros(value: int, bits: int) -> int:
    return (value & -value).bit_length() - 1 if value else bits


def clo_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = 32 - (~cpu.gpr[i.rj] & M32).bit_length()


def clz_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = 32 - (cpu.gpr[i.rj] & M32).bit_length()


def cto_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = trailing_zeros(~cpu.gpr[i.rj] & M32, 32)


def ctz_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = trailing_zeros(cpu.gpr[i.rj] & M32, 32)


def clo_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = 64 - (~cpu.gpr[i.rj] & M64).bit_length()


def clz_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = 64 - cpu.gpr[i.rj].bit_length()


def cto_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = trailing_zeros(~cpu.gpr[i.rj] & M64, 64)


def ctz_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = trailing_zeros(cpu.gpr[i.rj], 64)


def reversed_units(value: int, bits: int, group: int, unit: int) -> int:
    """The lowest `bits` of value, the units of `unit` bits in each group of `group` bits in reverse order."""
    result = 0
    for low in range(0, bits, unit):
        start = low - low % group
        result |= (value >> low & (1 << unit) - 1) << (2 * start + group - unit - low)
    return result


def revb_2h(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(reversed_units(cpu.gpr[i.rj], 32, 16, 8))


def revb_4h(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = reversed_units(cpu.gpr[i.rj], 64, 16, 8)


def revb_2w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = reversed_units(cpu.gpr[i.rj], 64, 32, 8)


def revb_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = reversed_units(cpu.gpr[i.rj], 64, 64, 8)


def revh_2w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = reversed_units(cpu.gpr[i.rj], 64, 32, 16)


def revh_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = reversed_units(cpu.gpr[i.rj], 64, 64, 16)


def bitrev_4b(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(reversed_units(cpu.gpr[i.rj], 32, 8, 1))


def bitrev_8b(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = reversed_units(cpu.gpr[i.rj], 64, 8, 1)


def bitrev_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(reversed_units(cpu.gpr[i.rj], 32, 32, 1))


def bitrev_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = reversed_units(cpu.gpr[i.rj], 64, 64, 1)


def bytepick_w(cpu: InterpCpu, i: Insn) -> None:
    both = (cpu.gpr[i.rk] & M32) << 32 | cpu.gpr[i.rj] & M32
    cpu.gpr[i.rd] = w(both >> (32 - 8 * i.sa))


def bytepick_d(cpu: InterpCpu, i: Insn) -> None:
    both = cpu.gpr[i.rk] << 64 | cpu.gpr[i.rj]
    cpu.gpr[i.rd] = both >> (64 - 8 * i.sa)


def _field_mask(cpu: InterpCpu, i: Insn) -> int:
    if i.msb < i.lsb:
        cpu.trap(TrapKind.ILLEGAL)
    return (1 << (i.msb - i.lsb + 1)) - 1


def bstrins_w(cpu: InterpCpu, i: Insn) -> None:
    bits = _field_mask(cpu, i)
    cpu.gpr[i.rd] = w(cpu.gpr[i.rd] & ~(bits << i.lsb) | (cpu.gpr[i.rj] & bits) << i.lsb)


def bstrins_d(cpu: InterpCpu, i: Insn) -> None:
    bits = _field_mask(cpu, i)
    cpu.gpr[i.rd] = cpu.gpr[i.rd] & ~(bits << i.lsb) | (cpu.gpr[i.rj] & bits) << i.lsb


def bstrpick_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.gpr[i.rj] >> i.lsb & _field_mask(cpu, i))


def bstrpick_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] >> i.lsb & _field_mask(cpu, i)
