"""Assembling with Keystone; the words are the manuals'."""

from __future__ import annotations

import re
import time

import pytest

from arches.arm64 import isa as arm64
from arches.mips import isa as mips
from arches.riscv import isa as riscv
from arches.x86 import isa as x86
from emu.errors import DecodeError, EncodeError
from emu.isa import keystone_text

ASSEMBLED = [
    (arm64.assemble, "brk #4", "800020d4"),
    (arm64.assemble, "b 0x2000", "00040014"),
    (mips.assemble, "break 0, 515", "cd800000"),
    (mips.assemble, "b 0x1010; addiu $2, $2, 1", "0300001001004224"),
    (mips.assemble, "ext $2, $3, 4, 8", "0039627c"),
    (x86.assemble, "mov rax, [rbx + 8]", "488b4308"),
    (x86.assemble, "jmp 0x1007", "eb05"),
]


@pytest.mark.parametrize(
    ("assemble", "text", "code"), ASSEMBLED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_assembled_at_0x1000(assemble, text: str, code: str) -> None:
    assert assemble(text, 0x1000).hex() == code


@pytest.mark.parametrize("isa", [arm64, mips, x86], ids=lambda isa: isa.__name__)
@pytest.mark.parametrize("text", ["frobnicate r1", "", "  ", "nop nop", "mov"])
def test_what_is_no_instruction(isa, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EncodeError, match=repr(text)):
        isa.assemble(text, 0)
    assert capfd.readouterr().err == ""  # the assembler's own complaints are not ours


HANGS = [
    (x86, "="),
    (mips, "="),
    (arm64, "\\"),
    (x86, "rep >>"),
    (x86, "lock (rax)"),
    (mips, ":lo12:x"),
    (mips, ".err 1.5"),
    (mips, ".code64 -"),
    (arm64, ".inst 0xd503201f :lo12:x"),
]
DIES = [
    (mips, "sc $a1, r0"),
    (arm64, ".text"),
    (x86, ".text"),
    (mips, ".text"),
    (x86, ".cfi_startproc"),
    (x86, ".cfi_endproc"),
    (arm64, ".uleb128 5 , .err"),
]
REFUSED = [
    (x86, '.incbin "/etc/hostname"', ".incbin opens a file"),
    (x86, '.INCLUDE "/dev/zero"', ".INCLUDE opens a file"),
    (x86, "mov rax, é", "'é', expected ASCII"),
    (x86, "nop\0int3", r"'\x00', expected ASCII"),
    (x86, ".space 100000000", "100000000 bytes, not at most 1024"),
    (x86, ".rept 1000000\nnop\n.endr", "1000000 bytes, not at most 1024"),
    (x86, "nop;" * 20_000, "80000 characters, expected at most 65536"),
]


@pytest.mark.parametrize(("isa", "text"), HANGS)
def test_an_assembler_that_hangs_is_ended_and_the_next_text_is_read(isa, text, monkeypatch):
    isa.assemble("nop", 0)
    monkeypatch.setattr(keystone_text, "SECONDS", 0.5)
    with pytest.raises(EncodeError, match=r"no answer within 0\.5 s, expected instructions"):
        isa.assemble(text, 0)
    monkeypatch.undo()
    assert isa.disassemble(isa.assemble("nop", 0), 0) == "nop"


@pytest.mark.parametrize(("isa", "text"), DIES)
def test_an_assembler_that_dies_is_started_again(isa, text):
    with pytest.raises(EncodeError, match="the assembler does not survive it, expected instructions"):
        isa.assemble(text, 0)
    assert isa.disassemble(isa.assemble("nop", 0), 0) == "nop"


@pytest.mark.parametrize(("isa", "text", "says"), REFUSED)
def test_what_is_not_given_to_the_assembler_or_not_taken_from_it(isa, text, says):
    with pytest.raises(EncodeError) as refused:
        isa.assemble(text, 0)
    assert says in str(refused.value)


def test_no_file_is_read_even_if_a_directive_is_not_recognised(monkeypatch):
    """The process has no file descriptor left to open one with."""
    monkeypatch.setattr(keystone_text, "OPENS_FILES", re.compile("never"))
    with pytest.raises(EncodeError):
        x86.assemble('.incbin "/etc/hostname"', 0)


def test_many_lines_are_assembled_by_one_process():
    x86.assemble("nop", 0)
    begun = time.monotonic()
    for number in range(1000):
        assert x86.assemble(f"mov eax, {number}", 0) == b"\xb8" + number.to_bytes(4, "little")
    assert time.monotonic() - begun < 5


def test_round_trip_through_capstone() -> None:
    for isa, text in ((arm64, "add x0, x1, x2"), (x86, "add rax, rbx"), (mips, "addu $v0, $a0, $a1")):
        assert isa.disassemble(isa.assemble(text, 0x1000), 0x1000) == text


WORDS = [
    (arm64, "0xd4200080", "800020d4", "0xd4200080"),
    (arm64, "d4200080", "800020d4", "0xd4200080"),
    (mips, "0xd", "0d000000", "0x0000000d"),
    (riscv, "0x9002", "0290", "0x9002"),
    (riscv, "0x00100073", "73001000", "0x00100073"),
    (riscv, "0x1", "0100", "0x0001"),
    (x86, "48 89 e5", "4889e5", "4889e5"),
    (x86, "0xCC", "cc", "cc"),
]


@pytest.mark.parametrize(("isa", "text", "code", "shown"), WORDS)
def test_words(isa, text: str, code: str, shown: str) -> None:
    insn = isa.parse_word(text)
    assert insn.hex() == code
    assert isa.word(insn) == shown
    assert isa.insn_size(insn) == len(insn)


@pytest.mark.parametrize(
    ("isa", "text"),
    [
        (arm64, "0x100000000"),
        (arm64, "0xgg"),
        (arm64, "0x"),
        (arm64, "-0x1"),
        (mips, ""),
        (riscv, "0x10000"),
        (riscv, "0x100000003"),
        (x86, ""),
        (x86, "0x"),
        (x86, "4"),
        (x86, "zz"),
        (x86, "90" * 16),
    ],
)
def test_what_is_no_word(isa, text: str) -> None:
    with pytest.raises(DecodeError, match=f"'{text}': expected"):
        isa.parse_word(text)


def test_x86_size_of_no_instruction() -> None:
    with pytest.raises(DecodeError, match="06"):
        x86.insn_size(b"\x06")


def test_register_names() -> None:
    for isa, alias, name in (
        (arm64, "lr", "x30"),
        (arm64, "fp", "x29"),
        (mips, "zero", "r0"),
        (mips, "$t9", "r25"),
        (mips, "$29", "r29"),
        (riscv, "s11", "x27"),
        (riscv, "t6", "x31"),
        (riscv, "fp", "x8"),
        (x86, "rip", "pc"),
    ):
        assert isa.ISA.registers.canonical(alias) == name
