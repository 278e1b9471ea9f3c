"""LoongArch64: registers, the instruction table, and CPUs that run it.

Words are written as eight hexadecimal digits; text is LLVM's (`$a0`, distances of branches in bytes).
"""

from __future__ import annotations

from arches.loongarch.accesses import memory_operands
from arches.loongarch.breaks import KPROBE_BREAK
from arches.loongarch.insns import TABLE
from arches.loongarch.registers import REGISTERS
from emu.isa.isa import Isa
from emu.isa.words import parse_word32


def insn_size(insn: bytes) -> int:
    """Always 4."""
    return 4


def disassemble(insn: bytes, addr: int) -> str:
    """One instruction as text; DecodeError if it is none."""
    return TABLE.disassemble(*TABLE.from_bytes(insn), addr)


def assemble(text: str, addr: int) -> bytes:
    """One instruction in memory order; EncodeError."""
    return TABLE.assemble(text, addr)


def word(insn: bytes) -> str:
    """The bytes of an instruction as its word: 0x002a000a."""
    value, _ = TABLE.from_bytes(insn)
    return f"0x{value:08x}"


def parse_word(text: str) -> bytes:
    """A word such as 0x002a000a or 2a000a as bytes in memory order; DecodeError."""
    return parse_word32(text)


ISA = Isa(
    name="loongarch",
    title="LoongArch64",
    registers=REGISTERS,
    sizes=(4,),
    insn_size=insn_size,
    disassemble=disassemble,
    assemble=assemble,
    word=word,
    parse_word=parse_word,
    memory_operands=memory_operands,
    breakpoint=lambda insn: KPROBE_BREAK,
    aliases=("loongarch64", "la64"),
)
