"""MIPS's break codes (asm/break.h) and the words that hold them.

The kernel puts a code into all of the 20-bit field (b_format); gas puts the codes that people write into its upper ten
bits. do_bp reads both, so `break 515` as gas spells it has the kprobe's code, but is another word.
"""

from __future__ import annotations

BRK_BUG = 12
BRK_KPROBE_BP = 515
BRK_KPROBE_SSTEPBP = 516
_BREAK_FUNCTION = 0x0D  # SPECIAL


def break_word(code: int) -> bytes:
    """`break` with a 20-bit code, as the kernel builds it, in memory order."""
    return (code << 6 | _BREAK_FUNCTION).to_bytes(4, "little")


def bcode(word: int) -> int:
    """The code as do_bp reads it: halves of the field are swapped back if gas put it into the upper one."""
    code = word >> 6 & 0xFFFFF
    return (code & 0x3FF) << 10 | code >> 10 if code >= 1 << 10 else code


KPROBE_BREAK = break_word(BRK_KPROBE_BP)
GAS_KPROBE_BREAK = break_word(BRK_KPROBE_BP << 10)
STEP_BREAK = break_word(BRK_KPROBE_SSTEPBP)


def may_change_live(addr: int, old: bytes, new: bytes) -> bool:
    """A store of an aligned word is seen whole."""
    return addr % 4 == 0
