"""Instruction words as text: fixed four-byte words are written as one number, whatever their order in memory."""

from __future__ import annotations

import re

from emu.errors import DecodeError


def parse_number(text: str) -> int:
    """A `0x` number; DecodeError for anything else."""
    match = re.fullmatch(r"0x([0-9a-f]+)", text.strip().lower())
    if match is None:
        raise DecodeError(f"word {text!r}: expected hexadecimal such as 0x00000000")
    return int(match[1], 16)


def word32(insn: bytes) -> str:
    """The first four bytes in memory order as a little-endian word: `0x0000000d`."""
    return f"0x{int.from_bytes(insn[:4], 'little'):08x}"


def parse_word32(text: str) -> bytes:
    """A word of up to 32 bits, in memory order; DecodeError if it is more, or no number."""
    value = parse_number(text)
    if value >> 32:
        raise DecodeError(f"word {text!r}: expected 32 bits at most")
    return value.to_bytes(4, "little")


def four(_insn: bytes) -> int:
    """`Arch.insn_size` where all instructions have four bytes."""
    return 4
