"""RISC-V's breakpoint words: EBREAK and C.EBREAK (unprivileged spec, SYSTEM and CR formats)."""

from __future__ import annotations

SYSTEM, EBREAK_FUNCT12 = 0b1110011, 1
EBREAK = (EBREAK_FUNCT12 << 20 | SYSTEM).to_bytes(4, "little")
C_EBREAK = (0b1001 << 12 | 0b10).to_bytes(2, "little")


def kprobe_break(insn: bytes) -> bytes:
    """As wide as the instruction it replaces (arch_arm_kprobe)."""
    return EBREAK if insn[0] & 3 == 3 else C_EBREAK


def may_change_live(addr: int, old: bytes, new: bytes) -> bool:
    """A store that is not naturally aligned may be fetched half-way (a 32-bit instruction at a 2-byte boundary)."""
    return addr % len(new) == 0
