"""Which memory an ARM64 instruction is about to access, from Capstone's mnemonic and operands.

Capstone's own word on reading and writing is wrong for stores with bytes and for pairs, so the mnemonic decides
(Arm ARM, C3.2: loads, stores, and what their suffixes say).
"""

from __future__ import annotations

import re
from functools import lru_cache

from emu.isa.capstone_text import Decoded, Decoder, Operand, constants, decode
from emu.isa.operand import MemoryOperand

DECODER = Decoder("ARM64", ("ARM",))
EXTENDS = constants("arm64", "ARM64_EXT_")
ATOMIC = re.compile(r"(?:ld|st)(?:add|clr|eor|set|smax|smin|umax|umin)|swp|cas")
EXCLUSIVE_STORE = re.compile(r"stl?x[rp]")
PAIR = re.compile(r"(?:ld|st)n?p|lda?xp|stl?xp|casp")
STRUCTURE = re.compile(r"(?:ld|st)[1-4]r?$")
VECTORS = re.compile(r"\{([^}]*)\}(\[\d+\])?")
WIDTHS = {"b": 1, "h": 2, "s": 4, "w": 4, "d": 8, "x": 8, "q": 16, "v": 16, "f": 8, "l": 8}  # fp and lr are x29 and x30
ZERO = ("xzr", "wzr")


@lru_cache(maxsize=1 << 14)
def memory_operands(insn: bytes, addr: int) -> tuple[MemoryOperand, ...]:
    """The accesses of one instruction; a pair or structure is one access. Tag and cache maintenance have none.

    A store-exclusive is an update, since it depends on what others did.
    """
    found = decode(DECODER, insn[:4], addr)
    if found is None or not found.mnemonic.startswith(("ld", "st", "swp", "cas")) or _is_sve(found):
        return ()
    reads, writes = _access(found.mnemonic)
    size = _size(found)
    for operand in found.operands:
        if operand.memory:
            return (_located(operand, size, reads, writes),)
    # A literal: its address is the last operand.
    return (MemoryOperand(None, found.operands[-1].value, size, reads, writes),)


def _is_sve(found: Decoded) -> bool:
    """The kernel does not use SVE, and `RegisterFile` has not its registers."""
    names = [name for operand in found.operands for name in (operand.register, operand.index)]
    return any(name is not None and name[0] in "zp" for name in names)


def _located(operand: Operand, size: int, reads: bool, writes: bool) -> MemoryOperand:
    index, bits = operand.index, 0
    if index is not None and index.startswith("w"):
        index, bits = f"x{index[1:]}", 32
    if operand.index in ZERO:
        index = None
    signed = EXTENDS.get(operand.extend) == "sxtw"
    return MemoryOperand(operand.register, operand.value, size, reads, writes, index, operand.scale, bits, signed)


def _access(mnemonic: str) -> tuple[bool, bool]:
    if ATOMIC.match(mnemonic) or EXCLUSIVE_STORE.match(mnemonic):
        return True, True
    return mnemonic.startswith("ld"), mnemonic.startswith("st")


def _size(found: Decoded) -> int:
    if STRUCTURE.match(found.mnemonic):
        return _structure_size(found)
    return _element_size(found) * (2 if PAIR.match(found.mnemonic) else 1)


def _element_size(found: Decoded) -> int:
    """By the suffix; without one by the data register, which is the last before the address."""
    mnemonic = found.mnemonic
    if mnemonic.endswith("sw"):
        return 4
    if mnemonic[-1] in "bh":
        return WIDTHS[mnemonic[-1]]
    registers = []
    for operand in found.operands:
        if operand.register is None or operand.memory:
            break
        registers.append(operand.register)
    return WIDTHS[registers[-1][0]] if registers else 8


def _structure_size(found: Decoded) -> int:
    match = VECTORS.search(found.text)
    assert match is not None, found.text
    vectors = match[1].split(",")
    lanes, element = re.fullmatch(r"(\d*)([bhsd])", vectors[0].partition(".")[2].strip()).groups()  # type: ignore[union-attr]
    one = match[2] is not None or found.mnemonic.endswith("r")
    return len(vectors) * WIDTHS[element] * (1 if one else int(lanes or 1))
