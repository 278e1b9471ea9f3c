"""LoongArch's break codes (asm/break.h) and the words that hold them, out of the instruction table."""

from __future__ import annotations

from arches.loongarch.insns import TABLE

BRK_BUG = 1
BRK_KPROBE_BP = 10
BRK_KPROBE_SSTEPBP = 11
CODE = 0x7FFF  # do_bp looks at these bits only


def break_word(code: int) -> bytes:
    """`break code` in memory order."""
    return TABLE.to_bytes(TABLE.encode("break", code=code), 4)


KPROBE_BREAK: bytes = break_word(BRK_KPROBE_BP)
STEP_BREAK = break_word(BRK_KPROBE_SSTEPBP)


def may_change_live(addr: int, old: bytes, new: bytes) -> bool:
    """A store of an aligned word is seen whole."""
    return addr % 4 == 0
