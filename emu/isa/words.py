"""Instruction words as text: fixed four-byte words are written as one number, whatever their order in memory."""

from __future__ import annotations

import re

from emu.errors import DecodeError
from emu.foreign import whole_number

MOST_BYTES = 1024  # of text on a command line; an ELF file may be of any size


def parse_number(text: str) -> int:
    """A hexadecimal number, with `0x` or as disassemblers print it; DecodeError for anything else."""
    match = re.fullmatch(r"(?:0x)?([0-9a-f]+)", text.strip().lower())
    try:
        return whole_number(match[1] if match else "", 16)
    except ValueError:
        raise DecodeError(f"word {text.strip()!r}: expected hexadecimal such as 0x00000000") from None


def parse_bytes(text: str) -> bytes:
    """Bytes in memory order, each `90` or `0x90`, with or without spaces between; DecodeError."""
    try:
        found = bytes.fromhex("".join(part.removeprefix("0x") for part in text.lower().split()))
    except ValueError:
        found = b""
    if not 0 < len(found) <= MOST_BYTES:
        shape = "hexadecimal, in memory order, such as 4889e5"
        raise DecodeError(f"bytes {text.strip()!r}: expected 1 to {MOST_BYTES} bytes, {shape}")
    return found


def word32(insn: bytes) -> str:
    """The first four bytes in memory order as a little-endian word: `0x0000000d`."""
    return f"0x{int.from_bytes(insn[:4], 'little'):08x}"


def parse_word32(text: str) -> bytes:
    """A word of up to 32 bits, in memory order; DecodeError if it is more, or no number."""
    value = parse_number(text)
    if value >> 32:
        raise DecodeError(f"word {text.strip()!r}: expected 32 bits at most")
    return value.to_bytes(4, "little")


def four(_insn: bytes) -> int:
    """`Arch.insn_size` where all instructions have four bytes."""
    return 4
