"""Which memory a MIPS32 instruction is about to access, from its fields (MD00086, volume II)."""

from __future__ import annotations

from functools import lru_cache

from arches.mips.insns import is_branch
from emu.bits import field, sext
from emu.isa.operand import MemoryOperand

# Size in bytes by major opcode.
LOADS = {0x20: 1, 0x21: 2, 0x22: 4, 0x23: 4, 0x24: 1, 0x25: 2, 0x26: 4, 0x30: 4, 0x31: 4, 0x35: 8}
STORES = {0x28: 1, 0x29: 2, 0x2A: 4, 0x2B: 4, 0x2E: 4, 0x38: 4, 0x39: 4, 0x3D: 8}
LWL, SWL, SC = 0x22, 0x2A, 0x38
COP1X, SPECIAL3, LX = 0x13, 0x1F, 0x0A
INDEXED_LOADS = {0x00: 4, 0x01: 8, 0x05: 8}  # lwxc1, ldxc1, luxc1 by function
INDEXED_STORES = {0x08: 4, 0x09: 8, 0x0D: 8}
LX_SIZES = {0x00: 4, 0x04: 2, 0x06: 1}  # lwx, lhx, lbux of the DSP ASE


@lru_cache(maxsize=1 << 14)
def memory_operands(insn: bytes, addr: int) -> tuple[MemoryOperand, ...]:
    """The accesses of the first instruction and, if it is a branch and `insn` has it, of its delay slot.

    lwl, lwr, swl and swr touch part of a word: what is given covers it. sc is an update, since it depends on
    what others did.
    """
    word = int.from_bytes(insn[:4], "little")
    if is_branch(word):
        return memory_operands(insn[4:8], addr + 4) if len(insn) >= 8 else ()
    opcode = word >> 26
    if opcode in LOADS or opcode in STORES:
        return (_displaced(word, opcode),)
    return _indexed(word, opcode)


def _displaced(word: int, opcode: int) -> MemoryOperand:
    size = LOADS.get(opcode) or STORES[opcode]
    disp = sext(word, 16) - (3 if opcode in (LWL, SWL) else 0)
    reads = opcode in LOADS or opcode == SC
    return MemoryOperand(_register(word, 25), disp, size, reads, opcode in STORES)


def _indexed(word: int, opcode: int) -> tuple[MemoryOperand, ...]:
    function = word & 0x3F
    if opcode == COP1X:
        load, store = INDEXED_LOADS.get(function), INDEXED_STORES.get(function)
    elif opcode == SPECIAL3 and function == LX:
        load, store = LX_SIZES.get(field(word, 10, 6)), None
    else:
        return ()
    size = load or store
    if size is None:
        return ()
    index = _register(word, 20)
    return (MemoryOperand(_register(word, 25), 0, size, load is not None, store is not None, index),)


def _register(word: int, high: int) -> str | None:
    number = field(word, high, high - 4)
    return f"r{number}" if number else None
