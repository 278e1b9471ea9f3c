"""The C-SKY instruction set: registers, table, text, and words as the command line writes them.

A word is what the kernel's decoder sees: the 32 bits at the address, little endian. The first halfword in memory is
the low one, so `ldex.w r0, (r1, 0)` (halfwords d801 7000) is written 0x7000d801 and a 16-bit instruction has four
digits. binutils and insns.decode write halfwords in memory order, 0xd8017000.
"""

from __future__ import annotations

import re

from arches.csky.accesses import memory_operands
from arches.csky.breaks import USR_BKPT
from arches.csky.insns import TABLE, halfword_size
from arches.csky.isa_assemble import assemble_line
from arches.csky.registers import REGISTERS
from emu.errors import DecodeError
from emu.isa.isa import Isa


def insn_size(insn: bytes) -> int:
    """Bytes of the instruction that starts `insn`; DecodeError for fewer than two."""
    if len(insn) < 2:
        raise DecodeError(f"bytes {insn.hex() or 'none'}: expected at least two of them")
    return halfword_size(int.from_bytes(insn[:2], "little"))


def disassemble(insn: bytes, addr: int) -> str:
    """One instruction's text; DecodeError if it is none."""
    word, size = TABLE.from_bytes(insn)
    return TABLE.disassemble(word, size, addr)


def assemble(text: str, addr: int) -> bytes:
    """One instruction's bytes in memory order, 16-bit if it can be; `addu32` or `addu16` insists. EncodeError."""
    return assemble_line(text, addr)


def word(insn: bytes) -> str:
    """The instruction that starts `insn` in the kernel's view; DecodeError if it is cut off."""
    _, size = TABLE.from_bytes(insn)
    return f"{int.from_bytes(insn[:size], 'little'):#0{2 + 2 * size}x}"


def parse_word(text: str) -> bytes:
    """The bytes of one instruction written as `word` does; DecodeError.

    One of 32 bits may be as binutils writes it, its first halfword first, where it can be nothing else; with `0x` it
    is always a number.
    """
    match = re.fullmatch(r"(?:0[xX])?([0-9a-fA-F]{1,8})", text.strip())
    if match is None:
        raise DecodeError(f"word {text!r}: expected hexadecimal digits such as 0x6c03 or 0x7000d801")
    value = int(match[1], 16)
    size = halfword_size(value & 0xFFFF)
    if size == 2 and halfword_size(value >> 16) == 4:
        value, size = value >> 16 | (value & 0xFFFF) << 16, 4
    elif size == 4 and len(match[1]) == 8 and not text.strip().lower().startswith("0x"):
        _check_one_reading(text.strip(), value)
    if size == 2 and value > 0xFFFF:
        raise DecodeError(f"word {text!r}: halfword {value & 0xFFFF:#06x} is 16-bit, expected 4 digits")
    if size == 4 and len(match[1]) <= 4:
        raise DecodeError(f"word {text!r}: starts a 32-bit instruction, expected 8 digits, the first halfword last")
    return value.to_bytes(size, "little")


def _check_one_reading(text: str, value: int) -> None:
    """DecodeError if both halves can come first: digits alone do not say which one does."""
    other = value >> 16 | (value & 0xFFFF) << 16
    if halfword_size(value >> 16) == 4:
        first, second = (f"0x{word:08x} ({_text(word)})" for word in (value, other))
        raise DecodeError(f"word {text!r} can be read in two ways: expected {first} or {second}")


def _text(value: int) -> str:
    try:
        return disassemble(value.to_bytes(4, "little"), 0)
    except DecodeError:
        return "no instruction"


ISA = Isa(
    name="csky",
    title="C-SKY (abiv2)",
    registers=REGISTERS,
    sizes=(2, 4),
    insn_size=insn_size,
    disassemble=disassemble,
    assemble=assemble,
    word=word,
    parse_word=parse_word,
    memory_operands=memory_operands,
    breakpoint=lambda insn: USR_BKPT,
    aliases=("ck810", "cskyv2"),
)
