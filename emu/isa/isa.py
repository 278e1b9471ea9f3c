"""`Isa`: what an architecture's instructions are, for everybody who reads, writes, executes or patches them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from emu.errors import DecodeError
from emu.isa.operand import MemoryOperand
from emu.isa.registers import RegisterFile


def _no_delay_slot(_insn: bytes) -> bool:
    return False


@dataclass(frozen=True)
class Isa:
    """One instruction set. An instruction is its bytes, in memory order.

    `sizes` are the lengths that instructions have; `insn_size(insn)` is that of the one at the start of `insn`
    (DecodeError if it is none). `disassemble(insn, addr)` is its text (DecodeError), `assemble(text, addr)` its bytes
    (EncodeError). `word(insn)` shows bytes as the architecture writes words; `parse_word(text)` reads them back
    (DecodeError). `memory_operands(insn, addr)` are the data accesses of one step. `breakpoint(insn)` is the breakpoint
    of a kprobe on this instruction. `has_delay_slot(insn)`: the next instruction is executed in the same step.
    `words_are_bytes`: words are in memory order: several instructions, or pieces of one, can follow one another.
    `aliases` are other names that users give the architecture.
    """

    name: str
    title: str
    registers: RegisterFile
    sizes: tuple[int, ...]
    insn_size: Callable[[bytes], int]
    disassemble: Callable[[bytes, int], str]
    assemble: Callable[[str, int], bytes]
    word: Callable[[bytes], str]
    parse_word: Callable[[str], bytes]
    memory_operands: Callable[[bytes, int], tuple[MemoryOperand, ...]]
    breakpoint: Callable[[bytes], bytes]
    has_delay_slot: Callable[[bytes], bool] = _no_delay_slot
    words_are_bytes: bool = False
    aliases: tuple[str, ...] = ()


def size_of(isa: Isa, insn: bytes) -> int:
    """Bytes of the instruction that starts `insn`; all of them where it is none: the kernel has a verdict anyway."""
    try:
        return isa.insn_size(insn)
    except DecodeError:
        return len(insn)


def one_after_the_other(isa: Isa, code: bytes) -> Iterator[bytes]:
    """The instructions that bytes consist of, to the last byte; DecodeError if the last one is cut off."""
    longest = max(isa.sizes)
    while code:
        size = size_of(isa, code)
        if size > longest:
            raise DecodeError(f"bytes {code.hex()}: expected an instruction, of at most {longest} bytes")
        if size == len(code):
            check_whole(isa, code)
        yield code[:size]
        code = code[size:]


def is_whole(isa: Isa, code: bytes) -> bool:
    """Whether bytes end where an instruction does."""
    try:
        return all(one_after_the_other(isa, code))
    except DecodeError:
        return False


def check_one(isa: Isa, insn: bytes) -> None:
    """DecodeError for anything but one whole instruction, or bytes that are none."""
    first, *others = one_after_the_other(isa, insn)
    if others:
        left = b"".join(others).hex()
        raise DecodeError(
            f"word {isa.word(insn)}: bytes {left} are left over, expected one instruction such as {isa.word(first)}"
        )


def check_whole(isa: Isa, insn: bytes) -> None:
    """DecodeError if the instruction goes on behind these bytes, as one of x86 can wherever it is cut off."""
    padded = insn + bytes(max(isa.sizes))
    if len(insn) < size_of(isa, padded) < len(padded):
        raise DecodeError(f"word {isa.word(insn)}: cut off, expected the whole instruction")


def text_of(isa: Isa, insn: bytes, addr: int) -> str:
    """Its disassembly; a word that nobody knows is printed as data."""
    try:
        return isa.disassemble(insn, addr)
    except DecodeError:
        return f".insn {isa.word(insn)}"
