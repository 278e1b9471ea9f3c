"""LLVM's assembler and disassembler, many words at a time."""

from __future__ import annotations

import pytest

from tools import llvm_mc
from tools.llvm_mc import Llvm

pytestmark = pytest.mark.skipif(llvm_mc.missing() is not None, reason=str(llvm_mc.missing()))
ARM64 = Llvm(("--triple=aarch64",), ("-M", "no-aliases"))
MIPS = Llvm(("--triple=mipsel", "-mcpu=mips32r2"), prologue=".set noreorder")


def test_words_that_are_none_leave_a_gap() -> None:
    assert ARM64.texts([0xD65F03C0, 0xFFFFFFFF, 0x14000002]) == ["ret x30", None, "b #8"]


def test_comments_are_no_part_of_a_text() -> None:
    assert ARM64.texts([0x51400C20]) == ["sub w0, w1, #3, lsl #12"]


def test_directives_are_no_instructions() -> None:
    assert MIPS.texts([0x7C03E83B, 0x00000000]) == ["rdhwr $3, $29", "nop"]


def test_a_prologue_is_not_assembled() -> None:
    assert MIPS.assemble(["b 8", "addiu $5, $5, 1"]) == [0x10000002, 0x24A50001]


def test_a_bad_text_or_target_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="1 words for 2 texts"):
        ARM64.assemble(["nop", "nonsense"])
    with pytest.raises(RuntimeError, match="no-such"):
        Llvm(("--triple=no-such",)).texts([0])
