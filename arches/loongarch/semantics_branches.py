"""What each LoongArch64 instruction does: a function for each row of `insns.decode`, by name.

Here are branches, and what all share; the others are by subject in `semantics_arithmetic`, `semantics_bits`,
`semantics_memory` and `semantics_system`. Source: LoongArch Reference Manual, volume 1, section 2.2. Where it leaves a
result open, these do what QEMU's la464 does: x / 0 is x and x % 0 is 0, and bstrins or bstrpick with msb < lsb are no
instructions. `gpr` cuts what is stored to 64 bits; a `_` behind a name keeps it apart from Python's keyword.
"""

from __future__ import annotations

from emu.isa.table import Insn
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
