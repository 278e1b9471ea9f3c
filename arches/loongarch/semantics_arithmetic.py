"""LoongArch64 arithmetic and logic, PC-relative addresses, multiplication and division (manual, section 2.2.1)."""

from __future__ import annotations

from arches.loongarch.semantics_branches import M32, M64, d, w
from emu.isa.table import Insn
from emu.machine.interp_cpu import InterpCpu


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
