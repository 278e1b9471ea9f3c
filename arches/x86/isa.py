"""x86-64 as an ISA: words and text, and what its instructions are to the others."""

from __future__ import annotations

import re

from arches.x86.accesses import memory_operands
from arches.x86.breaks import INT3
from arches.x86.insns_fields import X86_64
from arches.x86.registers import REGISTERS
from emu.errors import DecodeError
from emu.isa import capstone_text, keystone_text
from emu.isa.isa import Isa
from emu.isa.words import parse_bytes

ASSEMBLER = keystone_text.Assembler("X86", ("64",))
MAX_SIZE = 15
UD_MODRM = re.compile(rb"(?s)([\x26\x2e\x36\x3e\x64-\x67\xf2\xf3]*[\x40-\x4f]?\x0f)[\xb9\xff](.+)")
"""UD1 and UD0, of whose ModRM byte (SDM volume 2B, UD) Capstone 5 knows nothing; they are as long as IMUL, 0f af."""


def insn_size(insn: bytes) -> int:
    """1 to 15, as Capstone decodes it; DecodeError if it cannot."""
    code = bytes(insn[:MAX_SIZE])
    ud = UD_MODRM.fullmatch(code)
    size = capstone_text.insn_length(X86_64, ud[1] + b"\xaf" + ud[2] if ud else code)
    if size is None:
        raise DecodeError(f"bytes {insn[:MAX_SIZE].hex()}: no x86-64 instruction")
    return size


def word(insn: bytes) -> str:
    """The bytes in memory order: `48 89 e5` is `4889e5`."""
    return insn.hex()


def parse_word(text: str) -> bytes:
    """Hexadecimal bytes in memory order, up to 15, with or without spaces and `0x`; DecodeError."""
    insn = parse_bytes(text)
    if len(insn) > MAX_SIZE:
        raise DecodeError(f"bytes {text!r}: expected 1 to {MAX_SIZE} bytes in hexadecimal, in memory order")
    return insn


def disassemble(insn: bytes, addr: int) -> str:
    """Capstone's text; DecodeError if it knows no such instruction."""
    return capstone_text.disassemble(X86_64, bytes(insn[:MAX_SIZE]), addr)


def assemble(text: str, addr: int) -> bytes:
    """Keystone's bytes; EncodeError."""
    return keystone_text.assemble(ASSEMBLER, text, addr)


ISA = Isa(
    name="x86",
    title="x86-64",
    registers=REGISTERS,
    sizes=tuple(range(1, MAX_SIZE + 1)),
    insn_size=insn_size,
    disassemble=disassemble,
    assemble=assemble,
    word=word,
    parse_word=parse_word,
    memory_operands=memory_operands,
    breakpoint=lambda insn: INT3,
    words_are_bytes=True,
    aliases=("x86-64", "x86_64", "amd64"),
)
