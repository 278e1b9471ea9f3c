"""RISC-V as an ISA: words and text, and what its instructions are to the others."""

from __future__ import annotations

from arches.riscv.accesses import memory_operands
from arches.riscv.breaks import kprobe_break
from arches.riscv.insns import assemble
from arches.riscv.registers import REGISTERS
from emu.errors import DecodeError
from emu.isa import capstone_text
from emu.isa.isa import Isa
from emu.isa.words import parse_number

DECODER = capstone_text.Decoder("RISCV", ("RISCV64", "RISCVC"))


def insn_size(insn: bytes) -> int:
    """2 if the two lowest bits are not both set, else 4."""
    return 4 if insn[0] & 3 == 3 else 2


def word(insn: bytes) -> str:
    """`0x9002` for a compressed instruction, `0x00100073` for the others."""
    size = insn_size(insn)
    return f"0x{int.from_bytes(insn[:size], 'little'):0{2 * size}x}"


def parse_word(text: str) -> bytes:
    """A word in memory order, its length by its two lowest bits; DecodeError if it does not fit that."""
    value = parse_number(text)
    size = 4 if value & 3 == 3 else 2
    if value >> 8 * size:
        raise DecodeError(f"word {text!r}: expected {8 * size} bits at most with these two lowest bits")
    return value.to_bytes(size, "little")


def disassemble(insn: bytes, addr: int) -> str:
    """Capstone's text, where branches have distances; DecodeError if it knows no such instruction."""
    return capstone_text.disassemble(DECODER, insn[: insn_size(insn)], addr)


ISA = Isa(
    name="riscv",
    title="RISC-V (RV64IMAC)",
    registers=REGISTERS,
    sizes=(2, 4),
    insn_size=insn_size,
    disassemble=disassemble,
    assemble=assemble,
    word=word,
    parse_word=parse_word,
    memory_operands=memory_operands,
    breakpoint=kprobe_break,
    aliases=("riscv64",),
)
