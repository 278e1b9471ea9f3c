"""ARM64's breakpoint words: BRK #imm16 (Arm ARM C6.2 BRK), with Linux's immediates (asm/brk-imm.h)."""

from __future__ import annotations

KPROBES_BRK_IMM = 0x004
KPROBES_BRK_SS_IMM = 0x006
BUG_BRK_IMM = 0x800


def brk(imm16: int) -> bytes:
    """The instruction in memory order."""
    return (0b11010100_001 << 21 | imm16 << 5).to_bytes(4, "little")


KPROBE_BREAK = brk(KPROBES_BRK_IMM)
STEP_BREAK = brk(KPROBES_BRK_SS_IMM)

# An instruction that other CPUs may be executing may be changed without synchronising them only between these
# (Arm ARM B2.2.5, concurrent modification and execution): B, BL, BRK, HVC, ISB, NOP, SMC, SVC; (mask, value).
CHANGEABLE = (
    (0x7C000000, 0x14000000),
    (0xFFE0001F, 0xD4200000),
    (0xFFE0001F, 0xD4000001),
    (0xFFE0001F, 0xD4000002),
    (0xFFE0001F, 0xD4000003),
    (0xFFFFF0FF, 0xD50330DF),
    (0xFFFFFFFF, 0xD503201F),
)


def may_change_live(addr: int, old: bytes, new: bytes) -> bool:
    """Whether a CPU that fetches meanwhile gets one or the other; for anything else it is CONSTRAINED UNPREDICTABLE."""
    return all(_changeable(int.from_bytes(word, "little")) for word in (old, new))


def _changeable(word: int) -> bool:
    return any(word & mask == value for mask, value in CHANGEABLE)
