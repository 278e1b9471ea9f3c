"""C-SKY's breakpoint word."""

from __future__ import annotations

USR_BKPT = (0x1464).to_bytes(2, "little")
"""An unallocated 16-bit opcode (asm/ptrace.h), so no table has it; shared by kprobes, uprobes and gdbserver."""


def may_change_live(addr: int, old: bytes, new: bytes) -> bool:
    """A store of one halfword is seen whole."""
    return True
