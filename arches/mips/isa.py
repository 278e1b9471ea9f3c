"""MIPS32 as an ISA: words and text, and what its instructions are to the others."""

from __future__ import annotations

from arches.mips.accesses import memory_operands
from arches.mips.breaks import KPROBE_BREAK
from arches.mips.insns import is_branch
from arches.mips.registers import REGISTERS
from emu.isa import capstone_text, keystone_text
from emu.isa.isa import Isa
from emu.isa.words import four as insn_size
from emu.isa.words import parse_word32 as parse_word
from emu.isa.words import word32 as word

DECODER = capstone_text.Decoder("MIPS", ("MIPS32",))
ASSEMBLER = keystone_text.Assembler("MIPS", ("MIPS32",), prologue=".set noreorder; .set mips32r2; ")


def disassemble(insn: bytes, addr: int) -> str:
    """Capstone's text; DecodeError if it knows no such instruction."""
    return capstone_text.disassemble(DECODER, insn[:4], addr)


def assemble(text: str, addr: int) -> bytes:
    """Keystone's bytes, delay slots as written; EncodeError."""
    return keystone_text.assemble(ASSEMBLER, text, addr)


ISA = Isa(
    name="mips",
    title="MIPS32 (little endian)",
    registers=REGISTERS,
    sizes=(4,),
    insn_size=insn_size,
    disassemble=disassemble,
    assemble=assemble,
    word=word,
    parse_word=parse_word,
    memory_operands=memory_operands,
    breakpoint=lambda insn: KPROBE_BREAK,
    has_delay_slot=lambda insn: is_branch(int.from_bytes(insn[:4], "little")),
    aliases=("mips32", "mips32el", "mipsel"),
)
