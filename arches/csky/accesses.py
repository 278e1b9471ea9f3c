"""The data accesses of C-SKY instructions, from the names of their rows; those of the stack are a CPU's own."""

from __future__ import annotations

import re

from arches.csky.insns import TABLE
from emu.errors import DecodeError
from emu.isa.operand import MemoryOperand
from emu.isa.table import Insn

_SIZES = {"b": 1, "h": 2, "w": 4, "d": 8}
_ACCESS = re.compile(r"(ld|st|ldr|str|ldex|stex)\.([bhwd])s?")
_STACK_POINTER = 14


def memory_operands(insn: bytes, addr: int) -> tuple[MemoryOperand, ...]:
    """[rx + disp] or [rx + (ry << n)]; ldm and stm count by their first word."""
    try:
        decoded = TABLE.decode(*TABLE.from_bytes(insn))
    except DecodeError:
        return ()
    mnemonic = decoded.row.mnemonic
    if mnemonic in ("ldm", "stm"):
        words = 4 * (decoded.fields["count"] + 1)
        return (MemoryOperand(f"r{decoded.rx}", 0, words, reads=mnemonic == "ldm", writes=mnemonic == "stm"),)
    match = _ACCESS.fullmatch(mnemonic)
    return (_operand(decoded, match[1], _SIZES[match[2]]),) if match is not None else ()


def _operand(insn: Insn, kind: str, size: int) -> MemoryOperand:
    fields = insn.fields
    return MemoryOperand(
        base=f"r{fields.get('rx', _STACK_POINTER)}",
        disp=fields.get("disp", 0),
        size=size,
        reads=kind.startswith("ld"),
        writes=kind.startswith("st"),
        index=f"r{fields['ry']}" if "ry" in fields else None,
        scale=fields.get("onehot", 1),
    )
