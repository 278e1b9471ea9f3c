"""A slice of ARM64's table checks, and that they find what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from arches.arm64.simulate import ACTIONS
from arches.arm64.unicorn import find
from arches.arm64.verdict import EXCLUSIVE, RULES
from emu.isa.capstone_text import groups
from emu.verdict.rules import RuleTable, periods
from tests.tools.rule_mutants import survivors
from tools import arm64_meanings, check_arm64, llvm_mc
from tools.rule_meanings import Meaning, Unallocated, sample

needs_llvm = pytest.mark.skipif(llvm_mc.missing() is not None, reason=str(llvm_mc.missing()))
TABLES = {"kprobes": (RULES, arm64_meanings.KPROBES), "exclusive": (EXCLUSIVE, arm64_meanings.EXCLUSIVE)}


@needs_llvm
def test_words_of_every_release_agree() -> None:
    results = check_arm64.compare_words(20_000, per_row=100, seed=2)
    assert [result.what for result in results if result.examples] == []
    assert sum(result.compared for result in results if "(newest), " in result.what) > 50_000
    assert len(results) == 3 * 6


@needs_llvm
def test_every_mistake_of_the_kernel_is_seen() -> None:
    results = check_arm64.compare_words(0, per_row=300, seed=3)
    seen = {reason.partition(": ")[2] for result in results for reason in result.explained}
    meanings = [entry for _, known in TABLES.values() for entry in known.entries]
    mistakes = {entry.mistake.why for entry in meanings if entry.mistake is not None}
    classes = {entry.why for entry in meanings if isinstance(entry, Unallocated)}
    assert mistakes | classes <= seen | {"copies and sets (FEAT_MOPS) were stepped"}
    assert "copies and sets (FEAT_MOPS) were stepped" in seen


@pytest.fixture(scope="module")
def said(ask):
    rules = [*RULES.rules, *EXCLUSIVE.rules]
    words = next(sample(rules, check_arm64.LLVM.assemble(arm64_meanings.TEXTS), 0, per_row=60, seed=1))
    return ask(check_arm64.TOOLS, words)


RELEASES = [(name, release) for name, (table, _) in TABLES.items() for release in (next(periods(table)), None)]


@pytest.mark.parametrize(("name", "release"), RELEASES)
def test_no_bit_of_any_row_can_be_wrong(said, name: str, release: tuple[int, ...] | None) -> None:
    table, meanings = TABLES[name]
    assert list(survivors(table, meanings, said, release)) == []


@needs_llvm
def test_a_wrong_row_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [replace(rule, mask=0xFF000000) if rule.name == "b_cond" else rule for rule in RULES.rules]
    monkeypatch.setattr(check_arm64, "RULES", RuleTable(tuple(rows), "broken"))
    assert check_arm64.main(["--words", "0", "--per-row", "20", "--execute", "0"]) == 1
    said = capsys.readouterr().out
    assert "bc.eq" in said and ": row b_cond" in said


def test_texts_that_no_entry_names_belong_to_the_default_row() -> None:
    meanings = arm64_meanings.KPROBES
    for text, row in [("add x0, x1, x2", "other"), ("ldr x1, [x2], #8", "other"), ("ldr x1, #8", "ldr_lit")]:
        assert meanings.entries[meanings.number(text)].row == row
    assert isinstance(meanings.entries[meanings.unknown_number(0)], Unallocated)
    assert isinstance(meanings.entries[meanings.number("B.EQ #8")], Meaning)


@needs_llvm
def test_every_branch_by_capstone_has_an_entry() -> None:
    meanings = arm64_meanings.KPROBES
    given = check_arm64.LLVM.assemble(arm64_meanings.TEXTS)
    words = [word for batch in sample(RULES.rules, given, 20_000, per_row=20, seed=8) for word in batch]
    for word, text in zip(words, check_arm64.TOOLS["Capstone 5"](words), strict=True):
        if {"jump", "call", "ret"} & groups(check_arm64.DECODER, word.to_bytes(4, "little")):
            assert meanings.number(text) < len(meanings.instructions), text


def test_what_is_simulated_is_what_the_cpu_does() -> None:
    as_kernel, fixed = check_arm64.compare_execution(1_500, seed=5)
    assert (as_kernel.examples, fixed.examples) == ([], [])
    assert as_kernel.compared == 1_500
    assert fixed.compared > 50


WRONG = {
    "simulate_b_cond": lambda regs, insn, addr: ACTIONS["simulate_b_cond"](regs, insn ^ 1, addr),
    "simulate_cbz_cbnz": lambda regs, insn, addr: ACTIONS["simulate_cbz_cbnz"](regs, insn | 1 << 31, addr),
    "simulate_ldr_literal": lambda regs, insn, addr: ACTIONS["simulate_ldrsw_literal"](regs, insn, addr),
    "simulate_adr_adrp": lambda regs, insn, addr: ACTIONS["simulate_adr_adrp"](regs, insn, addr & ~0xFFF),
}


@pytest.mark.parametrize("action", WRONG)
def test_a_wrong_routine_is_found(monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    monkeypatch.setattr(check_arm64, "ACTIONS", {**ACTIONS, action: WRONG[action]})
    as_kernel, _ = check_arm64.compare_execution(500, seed=6)
    assert as_kernel.disagreements > 0


def test_every_simulated_row_is_executed() -> None:
    rows = check_arm64.simulated_rows()
    assert {rule.action for rule in rows} == set(ACTIONS)
    assert {rule.name for rule in rows} == {rule.name for rule in RULES.rules if rule.action}


def test_memory_has_no_words_that_the_engine_does_not_survive() -> None:
    assert find(check_arm64.without_lethal_words(check_arm64.random.Random(1), 1 << 20)) == []


def test_without_llvm_the_check_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llvm_mc, "LLVM_MC", "no-such-program")
    (result,) = check_arm64.check(10, 1, 0, seed=1)
    assert "no-such-program is not installed" in str(result.skipped)
