"""What each LoongArch64 instruction does: a function for each row of `insns.decode`, by name.

Here are arithmetic, bits and branches; `semantics_memory` and `semantics_system` have the rest.
Source: LoongArch Reference Manual, volume 1, section 2.2. Where it leaves a result open, these do what QEMU's
la464 does: x / 0 is x and x % 0 is 0, and bstrins or bstrpick with msb < lsb are no instructions.
`gpr` cuts what is stored to 64 bits; a `_` behind a name keeps it apart from Python's keyword.
"""

from __future__ import annotations

from emu.isa.table import Insn
from emu.machine.cpu import TrapKind
from emu.machine.interp_cpu import InterpCpu

M32 = 0xFFFFFFFF
M64 = 0xFFFFFFFFFFFFFFFF
S32 = 1 << 31
S64 = 1 << 63


def w(value: int) -> int:
    """The lowest 32 bits, signed."""
    return ((value & M32) ^ S32) - S32


def d(value: int) -> int:
    """A 64-bit register, signed."""
    return (value ^ S64) - S64


# Arithmetic


def add_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.gpr[i.rj] + cpu.gpr[i.rk])


def add_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] + cpu.gpr[i.rk]


def sub_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.gpr[i.rj] - cpu.gpr[i.rk])


def sub_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] - cpu.gpr[i.rk]


def addi_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.gpr[i.rj] + i.imm)


def addi_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] + i.imm


def addu16i_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] + (i.imm << 16)


def alsl_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w((cpu.gpr[i.rj] << i.sa) + cpu.gpr[i.rk])


def alsl_wu(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = (cpu.gpr[i.rj] << i.sa) + cpu.gpr[i.rk] & M32


def alsl_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = (cpu.gpr[i.rj] << i.sa) + cpu.gpr[i.rk]


def lu12i_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = i.imm << 12


def lu32i_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = i.imm << 32 | cpu.gpr[i.rd] & M32


def lu52i_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = i.imm << 52 | cpu.gpr[i.rj] & (1 << 52) - 1


def slt(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = d(cpu.gpr[i.rj]) < d(cpu.gpr[i.rk])


def sltu(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] < cpu.gpr[i.rk]


def slti(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = d(cpu.gpr[i.rj]) < i.imm


def sltui(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] < i.imm & M64  # sign-extended, then compared unsigned


def pcaddi(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.pc + (i.imm << 2)


def pcalau12i(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.pc + (i.imm << 12) & ~0xFFF


def pcaddu12i(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.pc + (i.imm << 12)


def pcaddu18i(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.pc + (i.imm << 18)


def nor(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = ~(cpu.gpr[i.rj] | cpu.gpr[i.rk])


def and_(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] & cpu.gpr[i.rk]


def or_(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] | cpu.gpr[i.rk]


def xor(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] ^ cpu.gpr[i.rk]


def orn(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] | ~cpu.gpr[i.rk]


def andn(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] & ~cpu.gpr[i.rk]


def andi(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] & i.imm


def ori(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] | i.imm


def xori(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] ^ i.imm


def maskeqz(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] if cpu.gpr[i.rk] else 0


def masknez(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = 0 if cpu.gpr[i.rk] else cpu.gpr[i.rj]


# Multiplication and division


def mul_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.gpr[i.rj] * cpu.gpr[i.rk])


def mulh_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.gpr[i.rj]) * w(cpu.gpr[i.rk]) >> 32


def mulh_wu(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w((cpu.gpr[i.rj] & M32) * (cpu.gpr[i.rk] & M32) >> 32)


def mul_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] * cpu.gpr[i.rk]


def mulh_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = d(cpu.gpr[i.rj]) * d(cpu.gpr[i.rk]) >> 64


def mulh_du(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = cpu.gpr[i.rj] * cpu.gpr[i.rk] >> 64


def mulw_d_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(cpu.gpr[i.rj]) * w(cpu.gpr[i.rk])


def mulw_d_wu(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = (cpu.gpr[i.rj] & M32) * (cpu.gpr[i.rk] & M32)


def quotient(x: int, y: int) -> int:
    """Rounded towards zero; x where y is 0."""
    if y == 0:
        return x
    return -(abs(x) // abs(y)) if (x < 0) != (y < 0) else abs(x) // abs(y)


def remainder(x: int, y: int) -> int:
    """With the sign of x; 0 where y is 0."""
    return x - quotient(x, y) * y if y else 0


def div_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(quotient(w(cpu.gpr[i.rj]), w(cpu.gpr[i.rk])))


def mod_w(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = remainder(w(cpu.gpr[i.rj]), w(cpu.gpr[i.rk]))


def div_wu(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(quotient(cpu.gpr[i.rj] & M32, cpu.gpr[i.rk] & M32))


def mod_wu(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = w(remainder(cpu.gpr[i.rj] & M32, cpu.gpr[i.rk] & M32))


def div_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = quotient(d(cpu.gpr[i.rj]), d(cpu.gpr[i.rk]))


def mod_d(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = remainder(d(cpu.gpr[i.rj]), d(cpu.gpr[i.rk]))


def div_du(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = quotient(cpu.gpr[i.rj], cpu.gpr[i.rk])


def mod_du(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rd] = remainder(cpu.gpr[i.rj], cpu.gpr[i.rk])


# Shifts


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


# Branches


def beqz(cpu: InterpCpu, i: Insn) -> None:
    if cpu.gpr[i.rj] == 0:
        cpu.next_pc = cpu.pc + i.off


def bnez(cpu: InterpCpu, i: Insn) -> None:
    if cpu.gpr[i.rj] != 0:
        cpu.next_pc = cpu.pc + i.off


def bceqz(cpu: InterpCpu, i: Insn) -> None:
    if not cpu.special["fcc"] >> i.cj & 1:
        cpu.next_pc = cpu.pc + i.off


def bcnez(cpu: InterpCpu, i: Insn) -> None:
    if cpu.special["fcc"] >> i.cj & 1:
        cpu.next_pc = cpu.pc + i.off


def jirl(cpu: InterpCpu, i: Insn) -> None:
    cpu.next_pc = cpu.gpr[i.rj] + i.imm
    cpu.gpr[i.rd] = cpu.pc + 4


def b(cpu: InterpCpu, i: Insn) -> None:
    cpu.next_pc = cpu.pc + i.off


def bl(cpu: InterpCpu, i: Insn) -> None:
    cpu.next_pc = cpu.pc + i.off
    cpu.gpr[1] = cpu.pc + 4


def beq(cpu: InterpCpu, i: Insn) -> None:
    if cpu.gpr[i.rj] == cpu.gpr[i.rd]:
        cpu.next_pc = cpu.pc + i.off


def bne(cpu: InterpCpu, i: Insn) -> None:
    if cpu.gpr[i.rj] != cpu.gpr[i.rd]:
        cpu.next_pc = cpu.pc + i.off


def blt(cpu: InterpCpu, i: Insn) -> None:
    if d(cpu.gpr[i.rj]) < d(cpu.gpr[i.rd]):
        cpu.next_pc = cpu.pc + i.off


def bge(cpu: InterpCpu, i: Insn) -> None:
    if d(cpu.gpr[i.rj]) >= d(cpu.gpr[i.rd]):
        cpu.next_pc = cpu.pc + i.off


def bltu(cpu: InterpCpu, i: Insn) -> None:
    if cpu.gpr[i.rj] < cpu.gpr[i.rd]:
        cpu.next_pc = cpu.pc + i.off


def bgeu(cpu: InterpCpu, i: Insn) -> None:
    if cpu.gpr[i.rj] >= cpu.gpr[i.rd]:
        cpu.next_pc = cpu.pc + i.off
