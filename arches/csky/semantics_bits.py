"""What C-SKY shifts, rotations, and instructions for bits, bytes and bit fields do."""

from __future__ import annotations

from arches.csky.simulate_condition import carry, s32, set_c
from emu.bits import mask, sext
from emu.isa.table import Insn
from emu.machine.interp_cpu import InterpCpu

_TOP = mask(32)

# Shifts and rotations. An amount in a register counts modulo 64; 32 and more shift everything out, rotl's too.


def _rotl(value: int, amount: int) -> int:
    return value << amount | value >> (32 - amount)


def lsl16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] <<= cpu.gpr[i.rx] & 63


def lsl32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] << (cpu.gpr[i.ry] & 63)


def lsr16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] >>= cpu.gpr[i.rx] & 63


def lsr32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] >> (cpu.gpr[i.ry] & 63)


def asr16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = s32(cpu.gpr[i.rz]) >> (cpu.gpr[i.rx] & 63)


def asr32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = s32(cpu.gpr[i.rx]) >> (cpu.gpr[i.ry] & 63)


def rotl16(cpu: InterpCpu, i: Insn) -> None:
    amount = cpu.gpr[i.rx] & 63
    cpu.gpr[i.rz] = _rotl(cpu.gpr[i.rz], amount) if amount < 32 else 0


def rotl32(cpu: InterpCpu, i: Insn) -> None:
    amount = cpu.gpr[i.ry] & 63
    cpu.gpr[i.rz] = _rotl(cpu.gpr[i.rx], amount) if amount < 32 else 0


def lsli16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] << i.imm


def lsri16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] >> i.imm


def asri16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = s32(cpu.gpr[i.rx]) >> i.imm


lsli32, lsri32, asri32 = lsli16, lsri16, asri16


def rotli32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _rotl(cpu.gpr[i.rx], i.imm)


def lslc32(cpu: InterpCpu, i: Insn) -> None:
    """C is the last bit that was shifted out; so in the next two."""
    value = cpu.gpr[i.rx]
    cpu.gpr[i.rz] = value << i.oimm
    set_c(cpu, value >> (32 - i.oimm) & 1)


def lsrc32(cpu: InterpCpu, i: Insn) -> None:
    value = cpu.gpr[i.rx]
    cpu.gpr[i.rz] = value >> i.oimm
    set_c(cpu, value >> (i.oimm - 1) & 1)


def asrc32(cpu: InterpCpu, i: Insn) -> None:
    value = s32(cpu.gpr[i.rx])
    cpu.gpr[i.rz] = value >> i.oimm
    set_c(cpu, value >> (i.oimm - 1) & 1)


def xsr32(cpu: InterpCpu, i: Insn) -> None:
    """Rotate the 33 bits made of C and rx to the right."""
    value = carry(cpu) << 32 | cpu.gpr[i.rx]
    rotated = (value >> i.oimm | value << (33 - i.oimm)) & mask(33)
    cpu.gpr[i.rz] = rotated
    set_c(cpu, rotated >> 32)


# Bits, bytes and bit fields


def bclri16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] &= ~(1 << i.imm)


def bclri32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] & ~(1 << i.imm)


def bseti16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] |= 1 << i.imm


def bseti32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] | 1 << i.imm


def zextb16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] & 0xFF


def zexth16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] & 0xFFFF


def sextb16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = sext(cpu.gpr[i.rx], 8)


def sexth16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = sext(cpu.gpr[i.rx], 16)


zextb32, zexth32, sextb32, sexth32 = zextb16, zexth16, sextb16, sexth16


# The manual says nothing of a field whose msb is below its lsb, nor of one to insert that reaches beyond bit 31. What
# these three do then is what the vectors show, and where they have no case, the emulator that made them.


def zext32(cpu: InterpCpu, i: Insn) -> None:
    """A field of no bits is 0; an msb further below counts as bit 31."""
    width = i.msb - i.lsb + 1
    cpu.gpr[i.rz] = cpu.gpr[i.rx] >> i.lsb & mask(width if width >= 0 else 32)


def sext32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = sext(cpu.gpr[i.rx] >> i.lsb, i.msb - i.lsb + 1) if i.msb >= i.lsb else 0


def ins32(cpu: InterpCpu, i: Insn) -> None:
    """Bits above 31 of a field that reaches too far are cut off; one of 32 bits is all of rx, wherever it starts."""
    lsb = i.lsb if i.span < 31 else 0
    field = mask(i.span + 1) << lsb
    cpu.gpr[i.rz] = cpu.gpr[i.rz] & ~field | cpu.gpr[i.rx] << lsb & field


def revb16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = int.from_bytes(cpu.gpr[i.rx].to_bytes(4, "little"), "big")


def revh16(cpu: InterpCpu, i: Insn) -> None:
    """Swap the bytes in each halfword."""
    value = cpu.gpr[i.rx]
    cpu.gpr[i.rz] = (value & 0x00FF00FF) << 8 | value >> 8 & 0x00FF00FF


revb32, revh32 = revb16, revh16


def brev32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = int(f"{cpu.gpr[i.rx]:032b}"[::-1], 2)


def _extract_byte(cpu: InterpCpu, i: Insn, shift: int) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] >> shift & 0xFF
    set_c(cpu, cpu.gpr[i.rz] != 0)


def xtrb0_32(cpu: InterpCpu, i: Insn) -> None:
    """Byte 0 is the highest."""
    _extract_byte(cpu, i, 24)


def xtrb1_32(cpu: InterpCpu, i: Insn) -> None:
    _extract_byte(cpu, i, 16)


def xtrb2_32(cpu: InterpCpu, i: Insn) -> None:
    _extract_byte(cpu, i, 8)


def xtrb3_32(cpu: InterpCpu, i: Insn) -> None:
    _extract_byte(cpu, i, 0)


def ff0_32(cpu: InterpCpu, i: Insn) -> None:
    """How many ones stand above the highest zero."""
    cpu.gpr[i.rz] = 32 - (cpu.gpr[i.rx] ^ _TOP).bit_length()


def ff1_32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = 32 - cpu.gpr[i.rx].bit_length()
