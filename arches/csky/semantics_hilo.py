"""What C-SKY multiplications into hi and lo do (CK810): one accumulator of 64 bits, or lo alone for the 16-bit ones."""

from __future__ import annotations

from arches.csky.simulate_condition import s16, s32
from emu.bits import mask
from emu.isa.table import Insn
from emu.machine.interp_cpu import InterpCpu


def _set_accumulator(cpu: InterpCpu, value: int) -> None:
    cpu.special["hi"], cpu.special["lo"] = value >> 32 & mask(32), value & mask(32)


def _accumulator(cpu: InterpCpu) -> int:
    return cpu.special["hi"] << 32 | cpu.special["lo"]


def _unsigned(cpu: InterpCpu, i: Insn) -> int:
    return cpu.gpr[i.rx] * cpu.gpr[i.ry]


def _signed(cpu: InterpCpu, i: Insn) -> int:
    return s32(cpu.gpr[i.rx]) * s32(cpu.gpr[i.ry])


def _halves(cpu: InterpCpu, i: Insn) -> int:
    return s16(cpu.gpr[i.rx]) * s16(cpu.gpr[i.ry])


def _half_and_word(cpu: InterpCpu, i: Insn) -> int:
    """Bits 47..16 of the product."""
    return s16(cpu.gpr[i.rx]) * s32(cpu.gpr[i.ry]) >> 16


def _add_to_lo(cpu: InterpCpu, value: int) -> None:
    cpu.special["lo"] = cpu.special["lo"] + value & mask(32)


def mulu32(cpu: InterpCpu, i: Insn) -> None:
    _set_accumulator(cpu, _unsigned(cpu, i))


def mulua32(cpu: InterpCpu, i: Insn) -> None:
    _set_accumulator(cpu, _accumulator(cpu) + _unsigned(cpu, i))


def mulus32(cpu: InterpCpu, i: Insn) -> None:
    _set_accumulator(cpu, _accumulator(cpu) - _unsigned(cpu, i))


def muls32(cpu: InterpCpu, i: Insn) -> None:
    _set_accumulator(cpu, _signed(cpu, i))


def mulsa32(cpu: InterpCpu, i: Insn) -> None:
    _set_accumulator(cpu, _accumulator(cpu) + _signed(cpu, i))


def mulss32(cpu: InterpCpu, i: Insn) -> None:
    _set_accumulator(cpu, _accumulator(cpu) - _signed(cpu, i))


def mulsha32(cpu: InterpCpu, i: Insn) -> None:
    _add_to_lo(cpu, _halves(cpu, i))


def mulshs32(cpu: InterpCpu, i: Insn) -> None:
    _add_to_lo(cpu, -_halves(cpu, i))


def mulswa32(cpu: InterpCpu, i: Insn) -> None:
    _add_to_lo(cpu, _half_and_word(cpu, i))


def mulsws32(cpu: InterpCpu, i: Insn) -> None:
    _add_to_lo(cpu, -_half_and_word(cpu, i))


def mfhi32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.special["hi"]


def mflo32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.special["lo"]


def mthi32(cpu: InterpCpu, i: Insn) -> None:
    cpu.special["hi"] = cpu.gpr[i.rx]


def mtlo32(cpu: InterpCpu, i: Insn) -> None:
    cpu.special["lo"] = cpu.gpr[i.rx]
