"""Text, lengths and x86 fields by Capstone. Expected values are from the Intel SDM's encoding tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arches.x86.insns_fields import decode_x86
from emu.errors import DecodeError
from emu.isa.capstone_text import Decoder, Operand, decode, disassemble, disassemble_words, groups, insn_length

ARM64 = Decoder("ARM64", ("ARM",))
MIPS = Decoder("MIPS", ("MIPS32",))
RISCV = Decoder("RISCV", ("RISCV64", "RISCVC"))
X86 = Decoder("X86", ("64",))
SXTW = 7  # ARM64_EXT_SXTW in capstone/arm64.h

TEXTS = [
    (ARM64, "800020d4", "brk #4"),
    (ARM64, "00040014", "b #0x2000"),
    (ARM64, "620020f8", "ldadd x0, x2, [x3]"),
    (MIPS, "cd800000", "break 0, 0x203"),
    (MIPS, "03000010", "b 0x1010"),
    (RISCV, "0290", "c.ebreak"),
    (RISCV, "73001000", "ebreak"),
    (RISCV, "0505", "c.addi a0, 1"),
    (RISCV, "0985", "c.srai a0, 2"),
    (RISCV, "08a1", "c.fsd fa0, 0(a0)"),
    (RISCV, "9b850500", "sext.w a1, a1"),
    (RISCV, "2fb50510", "lr.d a0, (a1)"),
    (RISCV, "2fb5c518", "sc.d a0, a2, (a1)"),
    (RISCV, "2fb5c500", "amoadd.d a0, a2, (a1)"),
    (RISCV, "2fa5c5e6", "amomaxu.w.aqrl a0, a2, (a1)"),
    (RISCV, "6f00c000", "j 0xc"),
    (RISCV, "0f100000", "fence.i"),
    (X86, "cc", "int3"),
    (X86, "ebf5", "jmp 0xff7"),
]


@pytest.mark.parametrize(("decoder", "insn", "text"), TEXTS, ids=lambda value: value if isinstance(value, str) else "")
def test_text(decoder: Decoder, insn: str, text: str) -> None:
    assert disassemble(decoder, bytes.fromhex(insn), 0x1000) == text


def test_only_the_first_instruction_counts() -> None:
    assert disassemble(X86, b"\x90\xcc", 0) == "nop"


@pytest.mark.parametrize(
    ("decoder", "insn"), [(ARM64, "ffffffff"), (X86, "06"), (X86, ""), (RISCV, "ffffffff"), (MIPS, "0d")]
)
def test_no_instruction(decoder: Decoder, insn: str) -> None:
    with pytest.raises(DecodeError, match=f"{insn or 'bytes'}.*0x1000.*{decoder.arch}"):
        disassemble(decoder, bytes.fromhex(insn), 0x1000)


LENGTHS = {"90": 1, "0f1f440000": 5, "48b88877665544332211": 10, "66666666662e0f1f840000000000": 14, "c5f877": 3}


@pytest.mark.parametrize(("insn", "length"), LENGTHS.items())
def test_x86_length(insn: str, length: int) -> None:
    code = bytes.fromhex(insn)
    assert insn_length(X86, code + b"\x90" * 3) == length
    assert insn_length(X86, code[:-1]) is None or length == 1


# Bytes: prefixes, rex, vex, opcode, modrm, sib, disp (offset, size), imm (offset, size)
FIELDS = {
    "488b0d78563412": ("", 0x48, "", "8b", 0x0D, None, (0x12345678, 3, 4), (0, 0, 0)),
    "f0480fb10f": ("f0", 0x48, "", "0fb1", 0x0F, None, (0, 0, 0), (0, 0, 0)),
    "cc": ("", 0, "", "cc", None, None, (0, 0, 0), (0, 0, 0)),
    "66f20f1f40f8": ("66f2", 0, "", "0f1f", 0x40, None, (-8, 5, 1), (0, 0, 0)),
    "488d04c5ffffffff": ("", 0x48, "", "8d", 0x04, 0xC5, (-1, 4, 4), (0, 0, 0)),
    "660f3a0fc108": ("66", 0, "", "0f3a0f", 0xC1, None, (0, 0, 0), (8, 5, 1)),
    "0f38f000": ("", 0, "", "0f38f0", 0x00, None, (0, 0, 0), (0, 0, 0)),
    "c5f877": ("", 0, "c5f8", "77", None, None, (0, 0, 0), (0, 0, 0)),
    "c4e2f9f700": ("", 0, "c4e2f9", "f7", 0x00, None, (0, 0, 0), (0, 0, 0)),
    "62f17c481000": ("", 0, "62f17c48", "10", 0x00, None, (0, 0, 0), (0, 0, 0)),
    "48b88877665544332211": ("", 0x48, "", "b8", None, None, (0, 0, 0), (0x1122334455667788, 2, 8)),
    "c7450005000000": ("", 0, "", "c7", 0x45, None, (0, 2, 1), (5, 3, 4)),
    "0f8478563412": ("", 0, "", "0f84", None, None, (0, 0, 0), (0x12345678, 2, 4)),
    "ff742408": ("", 0, "", "ff", 0x74, 0x24, (8, 3, 1), (0, 0, 0)),
}


@pytest.mark.parametrize(("insn", "fields"), FIELDS.items())
def test_x86_fields(insn: str, fields: tuple[object, ...]) -> None:
    found = decode_x86(bytes.fromhex(insn) + b"\x90\x90", 0x1000)
    assert found is not None
    disp, imm = (found.disp, found.disp_offset, found.disp_size), (found.imm, found.imm_offset, found.imm_size)
    parts = (found.prefixes.hex(), found.rex, found.vex.hex(), found.opcode.hex())
    assert (*parts, found.modrm, found.sib, disp, imm) == fields
    assert found.code.hex() == insn


def test_x86_rip_relative_and_targets() -> None:
    load = decode_x86(bytes.fromhex("488b0d78563412"))
    plain = decode_x86(bytes.fromhex("488b4d08"))
    jump = decode_x86(bytes.fromhex("ebf5"), 0x1000)
    call = decode_x86(bytes.fromhex("e8fbffffff"), 0x1000)
    back = decode_x86(bytes.fromhex("ebfe") + b"\x90", 0)
    assert load is not None and plain is not None and jump is not None and call is not None and back is not None
    assert (load.rip_relative, plain.rip_relative, load.target) == (True, False, None)
    assert (jump.target, call.target, back.target) == (0xFF7, 0x1000, 0)
    assert (plain.mod, plain.reg, plain.rm) == (1, 1, 5)


@pytest.mark.parametrize("insn", ["", "0f", "06", "48b8112233"])
def test_x86_no_instruction(insn: str) -> None:
    assert decode_x86(bytes.fromhex(insn)) is None


def test_operands() -> None:
    found = decode(ARM64, (0xB862D820).to_bytes(4, "little"), 0)  # ldr w0, [x1, w2, sxtw #2]
    assert found is not None
    assert found.operands[0] == Operand("w0")
    assert replace(found.operands[1], reads=False) == Operand("x1", 0, True, "w2", 4, SXTW)
    assert decode(ARM64, b"\xff" * 4, 0) is None


def test_many_words() -> None:
    texts = disassemble_words(ARM64, [0xD65F03C0, 0xFFFFFFFF, 0x14000000, 0xD503201F])
    assert texts == ["ret", None, "b #8", "nop"]
    assert disassemble_words(ARM64, []) == []
    assert disassemble(ARM64, bytes.fromhex("c0035fd6"), 0) == "ret"  # the other decoder is as it was


def test_groups() -> None:
    assert {"jump", "branch_relative"} <= groups(MIPS, bytes.fromhex("03000010"))
    assert not groups(ARM64, bytes.fromhex("1f2003d5")) & {"jump", "call", "ret"}
    assert groups(ARM64, b"\xff" * 4) == frozenset()
