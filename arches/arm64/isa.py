"""ARM64 as an ISA: words and text, and what its instructions are to the others."""

from __future__ import annotations

from arches.arm64.accesses import DECODER, memory_operands
from arches.arm64.breaks import KPROBE_BREAK
from arches.arm64.registers import REGISTERS
from emu.isa import capstone_text, keystone_text
from emu.isa.isa import Isa
from emu.isa.words import four as insn_size
from emu.isa.words import parse_word32 as parse_word
from emu.isa.words import word32 as word

ASSEMBLER = keystone_text.Assembler("ARM64", ("LITTLE_ENDIAN",))


def disassemble(insn: bytes, addr: int) -> str:
    """Capstone's text; DecodeError if it knows no such instruction."""
    return capstone_text.disassemble(DECODER, insn[:4], addr)


def assemble(text: str, addr: int) -> bytes:
    """Keystone's bytes; EncodeError."""
    return keystone_text.assemble(ASSEMBLER, text, addr)


ISA = Isa(
    name="arm64",
    title="ARM64 (AArch64)",
    registers=REGISTERS,
    sizes=(4,),
    insn_size=insn_size,
    disassemble=disassemble,
    assemble=assemble,
    word=word,
    parse_word=parse_word,
    memory_operands=memory_operands,
    breakpoint=lambda insn: KPROBE_BREAK,
    aliases=("aarch64",),
)
