"""What C-SKY loads, stores, and pushes and pops do.

With PSR.MM set, as Linux runs, accesses may be unaligned; without it they trap.
"""

from __future__ import annotations

from collections.abc import Sequence

from arches.csky.registers import DATA_BASE, LR, PSR_MM, SP
from emu.bits import mask, sext
from emu.isa.table import Insn
from emu.machine.cpu import TrapKind
from emu.machine.interp_cpu import InterpCpu


def _load(cpu: InterpCpu, addr: int, size: int) -> int:
    _check_alignment(cpu, addr, size)
    return cpu.load(addr, size)


def _store(cpu: InterpCpu, addr: int, value: int, size: int) -> None:
    _check_alignment(cpu, addr, size)
    cpu.store(addr, value, size)


def _check_alignment(cpu: InterpCpu, addr: int, size: int) -> None:
    if addr & (size - 1) and not cpu.special["psr"] & PSR_MM:
        cpu.trap(TrapKind.UNALIGNED)


# Several registers go through memory as one access, so that an instruction that faults has changed nothing.


def _load_registers(cpu: InterpCpu, addr: int, numbers: Sequence[int]) -> None:
    _check_alignment(cpu, addr, 4)
    words = cpu.load(addr, 4 * len(numbers)) if numbers else 0
    for place, number in enumerate(numbers):
        cpu.gpr[number] = words >> 32 * place & mask(32)


def _store_registers(cpu: InterpCpu, addr: int, numbers: Sequence[int]) -> None:
    _check_alignment(cpu, addr, 4)
    if numbers:
        cpu.store(addr, sum(cpu.gpr[number] << 32 * place for place, number in enumerate(numbers)), 4 * len(numbers))


# Loads and stores


def ld_b16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.load(cpu.gpr[i.rx] + i.disp, 1)


def ld_h16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _load(cpu, cpu.gpr[i.rx] + i.disp, 2)


def ld_w16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _load(cpu, cpu.gpr[i.rx] + i.disp, 4)


def ld_w16_sp(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _load(cpu, cpu.gpr[SP] + i.disp, 4)


ld_b32, ld_h32, ld_w32 = ld_b16, ld_h16, ld_w16


def ld_bs32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = sext(cpu.load(cpu.gpr[i.rx] + i.disp, 1), 8)


def ld_hs32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = sext(_load(cpu, cpu.gpr[i.rx] + i.disp, 2), 16)


def _pair(i: Insn) -> tuple[int, int]:
    return i.rz, (i.rz + 1) % 32


def ld_d32(cpu: InterpCpu, i: Insn) -> None:
    _load_registers(cpu, cpu.gpr[i.rx] + i.disp, _pair(i))


def st_b16(cpu: InterpCpu, i: Insn) -> None:
    cpu.store(cpu.gpr[i.rx] + i.disp, cpu.gpr[i.rz], 1)


def st_h16(cpu: InterpCpu, i: Insn) -> None:
    _store(cpu, cpu.gpr[i.rx] + i.disp, cpu.gpr[i.rz], 2)


def st_w16(cpu: InterpCpu, i: Insn) -> None:
    _store(cpu, cpu.gpr[i.rx] + i.disp, cpu.gpr[i.rz], 4)


def st_w16_sp(cpu: InterpCpu, i: Insn) -> None:
    _store(cpu, cpu.gpr[SP] + i.disp, cpu.gpr[i.rz], 4)


st_b32, st_h32, st_w32 = st_b16, st_h16, st_w16


def st_d32(cpu: InterpCpu, i: Insn) -> None:
    _store_registers(cpu, cpu.gpr[i.rx] + i.disp, _pair(i))


def _indexed(cpu: InterpCpu, i: Insn) -> int:
    """Base and shifted index. The shift has one bit for each amount; of several the highest counts, none is illegal."""
    if i.onehot == 0:
        cpu.trap(TrapKind.ILLEGAL)
    return cpu.gpr[i.rx] + (cpu.gpr[i.ry] << (i.onehot.bit_length() - 1))


def ldr_b32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.load(_indexed(cpu, i), 1)


def ldr_bs32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = sext(cpu.load(_indexed(cpu, i), 1), 8)


def ldr_h32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _load(cpu, _indexed(cpu, i), 2)


def ldr_hs32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = sext(_load(cpu, _indexed(cpu, i), 2), 16)


def ldr_w32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _load(cpu, _indexed(cpu, i), 4)


def str_b32(cpu: InterpCpu, i: Insn) -> None:
    cpu.store(_indexed(cpu, i), cpu.gpr[i.rz], 1)


def str_h32(cpu: InterpCpu, i: Insn) -> None:
    _store(cpu, _indexed(cpu, i), cpu.gpr[i.rz], 2)


def str_w32(cpu: InterpCpu, i: Insn) -> None:
    _store(cpu, _indexed(cpu, i), cpu.gpr[i.rz], 4)


def lrs_b32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.load(cpu.gpr[DATA_BASE] + i.goff, 1)


def lrs_h32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _load(cpu, cpu.gpr[DATA_BASE] + i.goff, 2)


def lrs_w32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _load(cpu, cpu.gpr[DATA_BASE] + i.goff, 4)


def srs_b32(cpu: InterpCpu, i: Insn) -> None:
    cpu.store(cpu.gpr[DATA_BASE] + i.goff, cpu.gpr[i.rz], 1)


def srs_h32(cpu: InterpCpu, i: Insn) -> None:
    _store(cpu, cpu.gpr[DATA_BASE] + i.goff, cpu.gpr[i.rz], 2)


def srs_w32(cpu: InterpCpu, i: Insn) -> None:
    _store(cpu, cpu.gpr[DATA_BASE] + i.goff, cpu.gpr[i.rz], 4)


def ldm32(cpu: InterpCpu, i: Insn) -> None:
    _load_registers(cpu, cpu.gpr[i.rx], range(i.rz, i.rz + i.count + 1))


def stm32(cpu: InterpCpu, i: Insn) -> None:
    _store_registers(cpu, cpu.gpr[i.rx], range(i.rz, i.rz + i.count + 1))


def pldr32(cpu: InterpCpu, i: Insn) -> None:
    """A hint."""


pldw32 = pldr32


def _exclusive_address(cpu: InterpCpu, i: Insn) -> int:
    addr = cpu.gpr[i.rx] + i.disp & mask(32)
    if addr & 3:
        cpu.trap(TrapKind.UNALIGNED)  # whatever MM says
    return addr


def ldex_w32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.load_linked(_exclusive_address(cpu, i), 4)


def stex_w32(cpu: InterpCpu, i: Insn) -> None:
    """rz is 1 if the store was done."""
    cpu.gpr[i.rz] = int(cpu.store_conditional(_exclusive_address(cpu, i), cpu.gpr[i.rz], 4))


# The stack


def addi16_rsp(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[SP] + i.imm


def addi16_sp(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[SP] += i.imm


def subi16_sp(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[SP] -= i.imm


def _listed(value: int) -> list[int]:
    """The registers of a push or pop list, the one at the lowest address first."""
    numbers = [4 + n for n in range(value & 15)] + ([LR] if value & 16 else [])
    return numbers + [16 + n for n in range(value >> 5 & 7)] + ([28] if value & 256 else [])


def push16(cpu: InterpCpu, i: Insn) -> None:
    numbers = _listed(i.list)
    base = cpu.gpr[SP] - 4 * len(numbers)
    _store_registers(cpu, base, numbers)
    cpu.gpr[SP] = base


def pop16(cpu: InterpCpu, i: Insn) -> None:
    """Pop, and return to r15."""
    numbers = _listed(i.list)
    base = cpu.gpr[SP]
    _load_registers(cpu, base, numbers)
    cpu.gpr[SP] = base + 4 * len(numbers)
    cpu.next_pc = cpu.gpr[LR] & ~1


push32, pop32 = push16, pop16

_INTERRUPT_LIST = (0, 1, 2, 3, 12, 13)


def ipush16(cpu: InterpCpu, i: Insn) -> None:
    """What an interrupt handler must save."""
    base = cpu.gpr[SP] - 4 * len(_INTERRUPT_LIST)
    _store_registers(cpu, base, _INTERRUPT_LIST)
    cpu.gpr[SP] = base


def ipop16(cpu: InterpCpu, i: Insn) -> None:
    _load_registers(cpu, cpu.gpr[SP], _INTERRUPT_LIST)
    cpu.gpr[SP] += 4 * len(_INTERRUPT_LIST)
