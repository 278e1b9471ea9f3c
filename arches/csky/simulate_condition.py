"""The condition bit C, which is PSR bit 0, and registers as signed numbers."""

from __future__ import annotations

from arches.csky.registers import PSR_C
from emu.bits import sext
from emu.machine.interp_cpu import InterpCpu


def carry(cpu: InterpCpu) -> int:
    return cpu.special["psr"] & PSR_C


def set_c(cpu: InterpCpu, value: int | bool) -> None:
    cpu.special["psr"] = cpu.special["psr"] & ~PSR_C | (1 if value else 0)


def s32(value: int) -> int:
    return sext(value, 32)


def s16(value: int) -> int:
    """The low half."""
    return sext(value, 16)
