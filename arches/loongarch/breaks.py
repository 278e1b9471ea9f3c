"""LoongArch's break codes (asm/break.h) and the words that hold them, out of the instruction table."""

from __future__ import annotations

from arches.loongarch.isa import TABLE

BRK_BUG = 1
BRK_KPROBE_BP = 10
BRK_KPROBE_SSTEPBP = 11
CODE = 0x7FFF  # do_bp looks at these bits only


def break_word(code: int) -> bytes:
    """`break code` in memory order."""
    return TABLE.to_bytes(TABLE.encode("break", code=code), 4)


KPROBE_BREAK = break_word(BRK_KPROBE_BP)
STEP_BREAK = break_word(BRK_KPROBE_SSTEPBP)
