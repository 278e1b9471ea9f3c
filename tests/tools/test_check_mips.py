"""A slice of MIPS's table checks, and that they find what is wrong."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from arches.mips import bugs
from arches.mips.simulate import ACTIONS, actions
from arches.mips.verdict import RULES
from emu.isa.capstone_text import groups
from emu.verdict.rules import RuleTable
from tests.tools.rule_mutants import survivors
from tools import check_mips, check_tables, execute_mips, llvm_mc
from tools.rule_meanings import Unallocated, compare

needs_llvm = pytest.mark.skipif(llvm_mc.missing() is not None, reason=str(llvm_mc.missing()))
each_cpu = pytest.mark.parametrize("cpu", check_mips.CPUS, ids=lambda cpu: cpu.name)


REPAIRED = actions(bugs.ALL)


@needs_llvm
@each_cpu
def test_rows_and_delay_slots_agree(cpu: check_mips.Cpu) -> None:
    results = compare(cpu.rulings(), cpu.tools, cpu.batches(20_000, per_row=100, seed=2))
    assert [result.what for result in results if result.examples] == []
    assert all(result.compared > 5_000 for result in results)
    assert len(results) == 2 * 3


@needs_llvm
@each_cpu
def test_every_mistake_of_the_kernel_is_seen(cpu: check_mips.Cpu) -> None:
    results = compare(cpu.rulings(), cpu.tools, cpu.batches(50_000, per_row=300, seed=3))
    seen = {reason.partition(": ")[2] for result in results for reason in result.explained}
    entries = [*cpu.rows.entries, *cpu.slots.entries]
    known = {entry.mistake.why for entry in entries if entry.mistake is not None} | {entry.why for entry in entries}
    assert known - {""} <= seen


@each_cpu
def test_no_bit_of_any_row_can_be_wrong(ask, cpu: check_mips.Cpu) -> None:
    said = ask(cpu.tools, next(cpu.batches(0, per_row=60, seed=1)))
    features = cpu.features.split()
    assert list(survivors(RULES, cpu.rows, said, None, features)) == []
    assert list(survivors(check_mips.slot_rules(RULES), cpu.slots, said, None, features)) == []


@needs_llvm
def test_a_wrong_row_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [replace(rule, value=0x0C000000) if rule.name == "bgtz" else rule for rule in RULES.rules]
    monkeypatch.setattr(check_mips, "RULES", RuleTable(tuple(rows), "broken"))
    assert check_mips.main(["--words", "0", "--per-row", "20", "--execute", "0"]) == 1
    assert re.search(r"bgtz \$\w+, -?\d+: row other", capsys.readouterr().out)


def branches(tool: str, count: int, per_row: int) -> check_mips.Comparison:
    cpu = check_mips.MIPS32R2
    return check_mips.compare_branches(tool, cpu.tools[tool], cpu.batches(count, per_row, seed=4))


@needs_llvm
@pytest.mark.parametrize("tool", check_mips.MIPS32R2.tools)
def test_our_list_of_branches_is_theirs(tool: str) -> None:
    result = branches(tool, 20_000, 100)
    assert result.examples == []
    assert result.compared > 15_000
    assert "branches of MSA, which the modelled CPU lacks" in result.explained


@needs_llvm
@each_cpu
def test_every_branch_by_capstone_has_an_entry(cpu: check_mips.Cpu) -> None:
    words = [word for batch in cpu.batches(20_000, per_row=20, seed=8) for word in batch]
    texts = cpu.tools["Capstone 5"](words)
    for word, text in zip(words, texts, strict=True):
        if "jump" in groups(cpu.decoder, word.to_bytes(4, "little")):
            assert cpu.rows.number(text) < len(cpu.rows.instructions), text


@needs_llvm
@pytest.mark.parametrize("opcode", [0x01, 0x03, 0x11, 0x12, 0x1D])
def test_a_branch_that_our_list_lacks_is_found(monkeypatch: pytest.MonkeyPatch, opcode: int) -> None:
    real = check_mips.is_branch
    monkeypatch.setattr(check_mips, "is_branch", lambda word: word >> 26 != opcode and real(word))
    assert branches("Capstone 5", 20_000, 50).disagreements > 0


def test_what_is_evaluated_is_where_the_cpu_goes() -> None:
    as_kernel, fixed = execute_mips.compare_execution(3_000, seed=5)
    assert (as_kernel.examples, fixed.examples) == ([], [])
    assert min(as_kernel.compared, fixed.compared) > 2_000
    assert {known.why for known in execute_mips.KNOWN} <= set(as_kernel.explained)
    assert not {known.why for known in execute_mips.KNOWN} & set(fixed.explained)


ACTION = "__compute_return_epc_for_insn"
WRONG = {
    "the other condition": lambda regs, insn, addr: REPAIRED[ACTION](regs, insn ^ 1 << 16, addr),
    "no link": lambda regs, insn, addr: setattr(regs, "pc", addr + 8),
    "a target four bytes on": lambda regs, insn, addr: REPAIRED[ACTION](regs, insn, addr + 4),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_evaluation_is_found(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setattr(execute_mips, "REPAIRED", {ACTION: WRONG[wrong]})
    _, fixed = execute_mips.compare_execution(600, seed=6)
    assert fixed.disagreements > 50


def test_the_kernels_mistakes_are_not_the_manuals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute_mips, "REPAIRED", ACTIONS)
    _, fixed = execute_mips.compare_execution(3_000, seed=5)
    assert fixed.disagreements > 20


@pytest.mark.parametrize("position", [0, 31, 32, 63])
def test_bposge32_is_executed_with_its_position(position: int) -> None:
    branches = execute_mips.Branches(seed=7)
    rule = next(rule for rule in RULES.rules if rule.name == "bposge32")
    branches.place.random.randrange = lambda *bounds: 0 if len(bounds) > 1 else position  # the address, and DSPControl
    assert branches.difference(REPAIRED[ACTION], rule, 0x041C0004) is None
    taken = branches.place.cpu.pc == execute_mips.BASE + 20
    assert taken == (position >= 32)


def test_every_check_is_dispatched() -> None:
    assert {"arm64", "mips"} <= set(check_tables.architectures())


def test_every_row_has_a_meaning() -> None:
    for cpu in check_mips.CPUS:
        named = "|".join(entry.row for entry in cpu.rows.entries)
        rows = {rule.name for rule in RULES.in_force(None, cpu.features.split())}
        assert rows <= set(named.split("|"))
        assert any(isinstance(entry, Unallocated) for entry in cpu.rows.entries)
