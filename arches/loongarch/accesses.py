"""The data accesses of LoongArch instructions, from the names of their rows."""

from __future__ import annotations

import re

from arches.loongarch.insns import TABLE
from emu.bits import mask
from emu.errors import DecodeError
from emu.isa.operand import MemoryOperand
from emu.isa.table import Insn

_SIZES = {"b": 1, "h": 2, "w": 4, "d": 8, "q": 16}
_ACCESS = re.compile(r"(ld|st|ldptr|stptr|ldx|stx|ldgt|ldle|stgt|stle|ll|sc|llacq|screl|am\w+)\.([bhwdq])u?")


def memory_operands(insn: bytes, addr: int) -> tuple[MemoryOperand, ...]:
    """Base rj, and an immediate or rk; sc writes only if the reservation holds, and counts as a write here."""
    try:
        decoded = TABLE.decode(*TABLE.from_bytes(insn))
    except DecodeError:
        return ()
    match = _ACCESS.fullmatch(decoded.name)
    return (_operand(decoded, match[1], _SIZES[match[2]]),) if match is not None else ()


def _operand(insn: Insn, kind: str, size: int) -> MemoryOperand:
    atomic = kind.startswith("am")
    indexed = "rk" in insn.fields and not atomic and kind in ("ldx", "stx")
    displacement = insn.fields.get("imm", insn.fields.get("off", 0))
    return MemoryOperand(
        base=f"r{insn.rj}",
        disp=displacement & mask(64),
        size=size,
        reads=atomic or kind.startswith(("ld", "ll")),
        writes=atomic or kind.startswith(("st", "sc")),
        index=f"r{insn.rk}" if indexed else None,
    )
