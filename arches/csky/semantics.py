"""What each C-SKY instruction does: branches, moves, arithmetic, logic, bits and comparisons.

One function for each row of insns.decode, found by its name (dots become underscores). Loads, stores and the stack
are in semantics_memory.py, traps and control registers in semantics_system.py.

Sources: C-SKY CPU instruction set manual (abiv2), and where that leaves a choice, what the vectors in
tests/data/csky-step.json.gz show.
"""

from __future__ import annotations

from arches.csky.registers import DATA_BASE, LR, PSR_C
from emu.bits import mask, sext
from emu.isa.table import Insn
from emu.machine.cpu import TrapKind
from emu.machine.interp_cpu import InterpCpu

_TOP = mask(32)


def _s32(value: int) -> int:
    return sext(value, 32)


def _s16(value: int) -> int:
    return sext(value, 16)


def carry(cpu: InterpCpu) -> int:
    """The condition bit C, which is PSR bit 0."""
    return cpu.special["psr"] & PSR_C


def set_c(cpu: InterpCpu, value: int | bool) -> None:
    cpu.special["psr"] = cpu.special["psr"] & ~PSR_C | (1 if value else 0)


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
    if _s32(cpu.gpr[i.rx]) > 0:
        cpu.next_pc = cpu.pc + i.off


def blsz32(cpu: InterpCpu, i: Insn) -> None:
    if _s32(cpu.gpr[i.rx]) <= 0:
        cpu.next_pc = cpu.pc + i.off


def blz32(cpu: InterpCpu, i: Insn) -> None:
    if _s32(cpu.gpr[i.rx]) < 0:
        cpu.next_pc = cpu.pc + i.off


def bhsz32(cpu: InterpCpu, i: Insn) -> None:
    if _s32(cpu.gpr[i.rx]) >= 0:
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
    set_c(cpu, _s32(cpu.gpr[i.rz]) > 0)


def declt32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] - i.imm
    set_c(cpu, _s32(cpu.gpr[i.rz]) < 0)


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
    cpu.gpr[i.rz] = abs(_s32(cpu.gpr[i.rx]))


def mult16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] *= cpu.gpr[i.rx]


def mult32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] * cpu.gpr[i.ry]


def mulsh16(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _s16(cpu.gpr[i.rz]) * _s16(cpu.gpr[i.rx])


def mulsh32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _s16(cpu.gpr[i.rx]) * _s16(cpu.gpr[i.ry])


def mulsw32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _s16(cpu.gpr[i.rx]) * _s32(cpu.gpr[i.ry]) >> 16


def _quotient(cpu: InterpCpu, dividend: int, divisor: int) -> int:
    """Rounded towards zero."""
    if divisor == 0:
        cpu.trap(TrapKind.DIVIDE)
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def divu32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _quotient(cpu, cpu.gpr[i.rx], cpu.gpr[i.ry])


def divs32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _quotient(cpu, _s32(cpu.gpr[i.rx]), _s32(cpu.gpr[i.ry]))


def pair(cpu: InterpCpu, number: int) -> int:
    """A register and the one after it (r0 after r31), which is the high half."""
    return cpu.gpr[number] | cpu.gpr[(number + 1) % 32] << 32


def set_pair(cpu: InterpCpu, number: int, value: int) -> None:
    cpu.gpr[number] = value
    cpu.gpr[(number + 1) % 32] = value >> 32


def divul32(cpu: InterpCpu, i: Insn) -> None:
    set_pair(cpu, i.rz, _quotient(cpu, pair(cpu, i.rx), cpu.gpr[i.ry]))


def divsl32(cpu: InterpCpu, i: Insn) -> None:
    set_pair(cpu, i.rz, _quotient(cpu, sext(pair(cpu, i.rx), 64), _s32(cpu.gpr[i.ry])))


def mul_u32(cpu: InterpCpu, i: Insn) -> None:
    set_pair(cpu, i.rz, cpu.gpr[i.rx] * cpu.gpr[i.ry])


def mul_s32(cpu: InterpCpu, i: Insn) -> None:
    set_pair(cpu, i.rz, _s32(cpu.gpr[i.rx]) * _s32(cpu.gpr[i.ry]))


def mula_u32(cpu: InterpCpu, i: Insn) -> None:
    set_pair(cpu, i.rz, pair(cpu, i.rz) + cpu.gpr[i.rx] * cpu.gpr[i.ry])


def mula_s32(cpu: InterpCpu, i: Insn) -> None:
    set_pair(cpu, i.rz, pair(cpu, i.rz) + _s32(cpu.gpr[i.rx]) * _s32(cpu.gpr[i.ry]))


def mula_32_l(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] += cpu.gpr[i.rx] * cpu.gpr[i.ry]


def mulall_s16_s(cpu: InterpCpu, i: Insn) -> None:
    total = _s32(cpu.gpr[i.rz]) + _s16(cpu.gpr[i.rx]) * _s16(cpu.gpr[i.ry])
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
    cpu.gpr[i.rz] = _s32(cpu.gpr[i.rz]) >> (cpu.gpr[i.rx] & 63)


def asr32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = _s32(cpu.gpr[i.rx]) >> (cpu.gpr[i.ry] & 63)


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
    cpu.gpr[i.rz] = _s32(cpu.gpr[i.rx]) >> i.imm


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
    value = _s32(cpu.gpr[i.rx])
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


# The manual says nothing of a field whose msb is below its lsb. What these two do then is what the vectors show.


def zext32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = cpu.gpr[i.rx] >> i.lsb & mask((i.msb - i.lsb) % 32 + 1)


def sext32(cpu: InterpCpu, i: Insn) -> None:
    cpu.gpr[i.rz] = sext(cpu.gpr[i.rx] >> i.lsb, i.msb - i.lsb + 1) if i.msb >= i.lsb else 0


def ins32(cpu: InterpCpu, i: Insn) -> None:
    """Bits above 31 of a field that reaches too far are cut off."""
    field = mask(i.span + 1) << i.lsb
    cpu.gpr[i.rz] = cpu.gpr[i.rz] & ~field | cpu.gpr[i.rx] << i.lsb & field


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


# Comparisons


def cmphs16(cpu: InterpCpu, i: Insn) -> None:
    set_c(cpu, cpu.gpr[i.rx] >= cpu.gpr[i.ry])


def cmplt16(cpu: InterpCpu, i: Insn) -> None:
    set_c(cpu, _s32(cpu.gpr[i.rx]) < _s32(cpu.gpr[i.ry]))


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
    set_c(cpu, _s32(cpu.gpr[i.rx]) < i.oimm)


def cmpnei16(cpu: InterpCpu, i: Insn) -> None:
    set_c(cpu, cpu.gpr[i.rx] != i.imm)


def btsti16(cpu: InterpCpu, i: Insn) -> None:
    set_c(cpu, cpu.gpr[i.rx] >> i.imm & 1)


cmphs32, cmplt32, cmpne32, tst32, tstnbz32 = cmphs16, cmplt16, cmpne16, tst16, tstnbz16
cmphsi32, cmplti32, cmpnei32, btsti32 = cmphsi16, cmplti16, cmpnei16, btsti16
