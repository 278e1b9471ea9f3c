"""Which memory a RISC-V instruction is about to access, from its fields (ISA Manual, volume I)."""

from __future__ import annotations

from functools import lru_cache

from emu.bits import field, sext
from emu.isa.operand import MemoryOperand

LOAD, LOAD_FP, STORE, STORE_FP, AMO = 0x03, 0x07, 0x23, 0x27, 0x2F
LOAD_SIZES = {0: 1, 1: 2, 2: 4, 3: 8, 4: 1, 5: 2, 6: 4}  # by funct3
STORE_SIZES = {0: 1, 1: 2, 2: 4, 3: 8}
FP_SIZES = {2: 4, 3: 8}
LR, SC = 0x02, 0x03  # by funct5
AMOS = frozenset({0x00, 0x01, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1C})
SP = "x2"


@lru_cache(maxsize=1 << 14)
def memory_operands(insn: bytes, addr: int) -> tuple[MemoryOperand, ...]:
    """The accesses of the instruction that starts `insn`; sc is an update, since it depends on what others did."""
    if not insn:
        return ()
    if insn[0] & 3 != 3:
        found = _compressed(int.from_bytes(insn[:2], "little"))
    else:
        found = _full(int.from_bytes(insn[:4], "little"))
    return () if found is None else (found,)


def _full(word: int) -> MemoryOperand | None:
    opcode, funct3, base = field(word, 6, 0), field(word, 14, 12), _register(field(word, 19, 15))
    if opcode in (LOAD, LOAD_FP):
        size = (LOAD_SIZES if opcode == LOAD else FP_SIZES).get(funct3)
        return None if size is None else MemoryOperand(base, sext(word >> 20, 12), size, True, False)
    if opcode in (STORE, STORE_FP):
        size = (STORE_SIZES if opcode == STORE else FP_SIZES).get(funct3)
        disp = sext(field(word, 31, 25) << 5 | field(word, 11, 7), 12)
        return None if size is None else MemoryOperand(base, disp, size, False, True)
    if opcode == AMO and funct3 in FP_SIZES:
        return _atomic(field(word, 31, 27), base, FP_SIZES[funct3])
    return None


def _atomic(funct5: int, base: str | None, size: int) -> MemoryOperand | None:
    if funct5 == LR:
        return MemoryOperand(base, 0, size, True, False)
    return MemoryOperand(base, 0, size, True, True) if funct5 == SC or funct5 in AMOS else None


def _compressed(word: int) -> MemoryOperand | None:
    """Loads and stores of quadrant 0 (a base and an offset) and 2 (from sp); integer and FP are alike."""
    funct3 = field(word, 15, 13)
    store = funct3 >= 5
    size = 4 if funct3 & 3 == 2 else 8
    if word == 0 or funct3 in (0, 4) or word & 3 == 1:
        return None
    if word & 3 == 0:
        high = field(word, 12, 10) << 3
        low = field(word, 5, 5) << 6 | field(word, 6, 6) << 2 if size == 4 else field(word, 6, 5) << 6
        return MemoryOperand(f"x{8 + field(word, 9, 7)}", high | low, size, not store, store)
    return MemoryOperand(SP, _store_sp(word, size) if store else _load_sp(word, size), size, not store, store)


def _load_sp(word: int, size: int) -> int:
    if size == 4:  # offset[5] [4:2|7:6]
        return field(word, 12, 12) << 5 | field(word, 6, 4) << 2 | field(word, 3, 2) << 6
    return field(word, 12, 12) << 5 | field(word, 6, 5) << 3 | field(word, 4, 2) << 6  # offset[5] [4:3|8:6]


def _store_sp(word: int, size: int) -> int:
    if size == 4:  # offset[5:2|7:6]
        return field(word, 12, 9) << 2 | field(word, 8, 7) << 6
    return field(word, 12, 10) << 3 | field(word, 9, 7) << 6  # offset[5:3|8:6]


def _register(number: int) -> str | None:
    return f"x{number}" if number else None
