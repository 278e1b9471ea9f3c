"""A slice of the LoongArch64 table checks, and that they find what is wrong."""

from __future__ import annotations

import random
import shutil

import pytest

from arches.loongarch.insns import TABLE
from arches.loongarch.semantics import SPEC
from emu.isa.table import Insn
from emu.machine.interp_cpu import InterpCpu
from tools import check_tables
from tools.check_common import normal, sample_words
from tools.check_loongarch import CACHE, LEFT_OUT, capstone, compare_execution, compare_texts, llvm, llvm_missing, main
from tools.lockstep_loongarch import QEMU, difference, random_blocks, rows_to_run

needs_llvm = pytest.mark.skipif(llvm_missing() is not None, reason=str(llvm_missing()))
needs_qemu = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"{QEMU} is not installed")
needs_capstone = pytest.mark.skipif(
    not (CACHE / "bin" / "python").exists(), reason="Capstone 6 was not installed by tools/check_tables.py"
)


@needs_llvm
def test_words_and_texts_against_llvm() -> None:
    result = compare_texts("LLVM", None, llvm, 20_000, seed=3)
    assert (result.compared, result.disagreements) == (20_000, 0), result.examples
    assert set(result.explained) <= {f"left out: {name}" for name in LEFT_OUT}


@needs_capstone
def test_words_and_texts_against_capstone() -> None:
    result = compare_texts("Capstone", None, capstone, 20_000, seed=4)
    assert (result.compared, result.disagreements) == (20_000, 0), result.examples


@needs_qemu
def test_random_instructions_in_lockstep() -> None:
    result = compare_execution(10_000, seed=5)
    assert (result.compared, result.disagreements) == (10_000, 0), result.examples


@needs_llvm
def test_a_wrong_text_is_found() -> None:
    def wrong(words: list[int]) -> list[str | None]:
        return [text and text.replace("addi.d", "addi.w") for text in llvm(words)]

    result = compare_texts("LLVM", None, wrong, 2_000, seed=3)
    assert result.disagreements > 0
    assert all("addi.d" in example for example in result.examples)


def test_a_word_that_only_we_know_is_a_disagreement() -> None:
    result = compare_texts("nobody", None, lambda words: [None] * len(words), 100, seed=1)
    assert result.disagreements == sum(TABLE.find(word, 4) is not None for word in next(sample_words(TABLE, 4, 100, 1)))
    assert not result.explained


@needs_qemu
def test_a_wrong_instruction_is_found_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(cpu: InterpCpu, i: Insn) -> None:
        cpu.gpr[i.rd] = cpu.gpr[i.rj] ^ cpu.gpr[i.rk] ^ 1 << 40

    blocks = random_blocks(5, 100, random.Random(1))
    assert difference(blocks) is None
    monkeypatch.setitem(SPEC.semantics, "xor", wrong)  # type: ignore[arg-type]
    found = difference(blocks)
    assert found is not None
    assert found.startswith("after xor ")
    assert "here" in found and "on QEMU" in found


def test_lockstep_covers_every_unprivileged_row_of_the_la464() -> None:
    names = {row.name for row in rows_to_run()}
    blocks = random_blocks(20, 250, random.Random(2))
    ran = {TABLE.decode(word).name for block in blocks for unit in block.units for word in unit}
    assert names <= ran
    assert len(names) > 190


def test_sample_words_have_every_row_and_its_neighbours() -> None:
    edges = next(sample_words(TABLE, 4, 0, seed=1))
    assert {TABLE.decode(word).name for word in edges if TABLE.find(word, 4)} == {row.name for row in TABLE.rows}
    assert sum(TABLE.find(word, 4) is None for word in edges) > 500


def test_normal_compares_numbers_and_not_their_spelling() -> None:
    assert normal("ld.d\t$a0, $a1, -0x8") == normal("ld.d $a0,$a1, -8") != normal("ld.d $a0, $a1, 8")
    assert normal("b 0xfffffffffffffff8") == normal("b -8")
    assert normal("ld.w r0, (r14, 0x2c0)") == ("ld.w", "r0", "(", "r14", 0x2C0, ")")


def test_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_tables.main(["vax"]) == 2
    assert "'vax': expected an architecture: " in capsys.readouterr().err
    assert check_tables.main([]) == 2


@needs_qemu
def test_the_dispatcher_passes_options_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_tables.main(["loongarch", "--words", "0", "--execute", "500"]) == 0
    assert capsys.readouterr().out == "execution, QEMU (la464): 500 compared, 0 disagreements\n"


@needs_qemu
def test_a_disagreement_is_the_exit_status(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(SPEC.semantics, "add.d", SPEC.semantics["sub.d"])  # type: ignore[arg-type]
    assert main(["--words", "0", "--execute", "2000"]) == 1
    out = capsys.readouterr().out
    assert "1 disagreements" in out
    assert "after add.d" in out
