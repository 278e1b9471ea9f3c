"""A slice of the comparison of our RISC-V table with LLVM and Capstone, and that it can fail."""

from __future__ import annotations

import pytest

from arches.riscv import insns as asm
from emu.isa.table import Table, parse_rows
from tools import check_riscv


def run(comparison: check_riscv.Comparison) -> check_riscv.Comparison:
    if comparison.skipped is not None:
        pytest.skip(comparison.skipped)
    return comparison


@pytest.mark.parametrize("tool", [check_riscv.LLVM, check_riscv.CAPSTONE], ids=lambda tool: tool.name)
def test_every_16_bit_word_agrees(tool: check_riscv.Disassembler) -> None:
    result = run(check_riscv.compare_words(tool, 2, [check_riscv.compressed_words()]))
    assert result.examples == []
    assert result.compared == 3 * 2**14
    assert sum(result.explained.values()) < 400


@pytest.mark.parametrize("tool", [check_riscv.LLVM, check_riscv.CAPSTONE], ids=lambda tool: tool.name)
def test_edges_near_misses_and_random_words_agree(tool: check_riscv.Disassembler) -> None:
    result = run(check_riscv.compare_words(tool, 4, check_riscv.four_byte_words(20_000, seed=2)))
    assert result.examples == []
    assert result.compared > 10_000


def test_both_assemblers_make_the_same_of_a_text() -> None:
    result = run(check_riscv.compare_texts(3, seed=2))
    assert result.examples == []
    assert result.compared > 2_000


def test_routines_do_what_the_instructions_do() -> None:
    result = check_riscv.compare_execution(3_000, seed=2)
    assert result.examples == []
    assert result.compared > 2_900
    assert set(result.explained) == {check_riscv.BIT_0, check_riscv.UNDEFINED_BRANCH}


def test_a_wrong_routine_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**check_riscv.ACTIONS, "simulate_auipc": check_riscv.ACTIONS["simulate_jal"]}
    monkeypatch.setattr(check_riscv, "ACTIONS", wrong)
    result = check_riscv.compare_execution(300, seed=2)
    assert result.disagreements > 0
    assert all(example.startswith("auipc: ") for example in result.examples)


WRONG = {
    "a swapped operand": ("sub", "0100000 rs1:5 rs2:5 000 rd:5 0110011"),
    "a missing row": ("sub", None),
    "a row that says too much": ("sub", ".100000 rs2:5 rs1:5 000 rd:5 0110011"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_row_is_found(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    name, encoding = WRONG[wrong]
    lines = [line for line in asm.source().splitlines() if line.split("  ")[0] != name]
    if encoding is not None:
        lines.append(f"{name}  {encoding}  rd, rs1, rs2")
    broken = Table(parse_rows("\n".join(lines), "broken"), kinds=asm.KINDS, size_of=asm.size_of)
    monkeypatch.setattr(check_riscv, "table", lambda: broken)
    monkeypatch.setattr(asm, "table", lambda: broken)
    words = [[0x40C58533, 0x40B60533, 0xC0C58533]]
    assert run(check_riscv.compare_words(check_riscv.LLVM, 4, words)).disagreements > 0


def test_the_checker_is_dispatched_and_reports(capsys: pytest.CaptureFixture[str]) -> None:
    if check_riscv.llvm_missing():
        pytest.skip(str(check_riscv.llvm_missing()))
    assert check_riscv.main(["--words", "0", "--texts", "1"]) == 0
    assert "texts, LLVM 19" in capsys.readouterr().out
