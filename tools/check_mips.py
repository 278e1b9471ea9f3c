"""MIPS: the kernel's rule table against LLVM 19 and Capstone 5, and its evaluation of branches against a CPU.

Words: on MIPS32 releases 2 and 6 and on an Octeon, which row decides must be the one that is meant for the instruction,
and so must which words have a delay slot. The kernel's own mistakes are in tools/mips_meanings.py, and counted by their
reason; anything else is a disagreement. Our own list of branches (arches/mips/insns.py) has none to spare.
Execution: see tools/execute_mips.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from arches.mips.insns import is_branch
from arches.mips.verdict import RULES
from emu.isa.capstone_text import Decoder, disassemble_words
from emu.verdict.rules import Rule, RuleTable
from emu.verdict.site import Verdict
from tools import llvm_mc, mips_meanings
from tools.check_common import Comparison, report
from tools.execute_mips import compare_execution
from tools.mips_meanings import MSA_BRANCH
from tools.rule_meanings import Meaning, Meanings, Ruling, Texts, compare, sample

NOREORDER = ".set noreorder"
MIPS32_ASES = "+dsp,+dspr2,+msa,+mt,+eva,+virt,+ginv"


@dataclass(frozen=True)
class Cpu:
    """One kind of CPU: what the tools call it, and what the rows mean there."""

    name: str
    features: str
    llvm: llvm_mc.Llvm
    decoder: Decoder
    rows: Meanings
    slots: Meanings
    texts: tuple[str, ...]

    @property
    def tools(self) -> Mapping[str, Texts]:
        return {"LLVM 19": self.llvm.texts, "Capstone 5": lambda words: disassemble_words(self.decoder, words)}

    def rulings(self) -> list[Ruling]:
        """Which row decides, and which has a delay slot."""
        return [
            Ruling.of(f"rows, {self.name}", RULES, self.rows, None, self.features),
            Ruling.of(f"delay slots, {self.name}", slot_rules(RULES), self.slots, None, self.features),
        ]

    def batches(self, count: int, per_row: int, seed: int) -> Iterator[list[int]]:
        """Words about each row, of each text, and random ones."""
        return sample(self.rules(), self.llvm.assemble(self.texts), count, per_row, seed)

    def rules(self) -> tuple[Rule, ...]:
        return RULES.in_force(None, self.features.split())


def slot_rules(table: RuleTable) -> RuleTable:
    """The rows that say which words have a delay slot, which the kernel asks about apart from the others."""
    rules = tuple(rule for rule in table.rules if rule.verdict is Verdict.SIMULATE)
    return RuleTable((*rules, table.rules[-1]), table.where)


MIPS32R2 = Cpu(
    "MIPS32 release 2",
    "",
    llvm_mc.Llvm(("--triple=mipsel", "-mcpu=mips32r2", f"-mattr={MIPS32_ASES}"), prologue=NOREORDER),
    Decoder("MIPS", ("MIPS32",)),
    mips_meanings.R2,
    mips_meanings.R2_SLOTS,
    (*mips_meanings.BRANCH_TEXTS, *mips_meanings.R2_TEXTS, *mips_meanings.MIPS32_TEXTS),
)
MIPS32R6 = Cpu(
    "MIPS32 release 6",
    "r6",
    llvm_mc.Llvm(("--triple=mipsel", "-mcpu=mips32r6", f"-mattr={MIPS32_ASES},+dspr3,+crc"), prologue=NOREORDER),
    Decoder("MIPS", ("MIPS32R6",)),
    mips_meanings.R6,
    mips_meanings.R6_SLOTS,
    (*mips_meanings.BRANCH_TEXTS, *mips_meanings.R6_TEXTS),
)
OCTEON = Cpu(
    "Octeon",
    "octeon",
    llvm_mc.Llvm(("--triple=mips64el", "-mcpu=octeon+"), prologue=NOREORDER),
    Decoder("MIPS", ("MIPS64",)),
    mips_meanings.OCTEON,
    mips_meanings.OCTEON_SLOTS,
    (*mips_meanings.BRANCH_TEXTS, *mips_meanings.R2_TEXTS, *mips_meanings.OCTEON_TEXTS),
)
CPUS = (MIPS32R2, MIPS32R6, OCTEON)


FULL = ("--words", "10000000", "--execute", "1000000")


def main(arguments: Sequence[str]) -> int:
    """0 if all that was compared agrees, 1 if not."""
    parser = argparse.ArgumentParser(prog="check_tables mips", description=__doc__)
    parser.add_argument("--words", type=int, default=50_000, help="random words for each CPU (default %(default)s)")
    parser.add_argument("--per-row", type=int, default=200, help="words about each row (default %(default)s)")
    parser.add_argument("--execute", type=int, default=5_000, help="branches to execute (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of what is random (default %(default)s)")
    options = parser.parse_args(arguments)
    agreed = True
    for comparison in check(options.words, options.per_row, options.execute, options.seed):
        print(report(comparison), flush=True)
        agreed = agreed and not comparison.disagreements
    return 0 if agreed else 1


def check(words: int, per_row: int, execute: int, seed: int) -> Iterator[Comparison]:
    """The comparisons; nothing is compared where the number is 0."""
    if words or per_row:
        yield from compare_words(words, per_row, seed)
    if execute:
        yield from compare_execution(execute, seed)


def compare_words(count: int, per_row: int, seed: int) -> Iterator[Comparison]:
    """Every CPU's rows and delay slots against both tools, and our list of branches."""
    if llvm_mc.missing():
        yield Comparison("rules", skipped=llvm_mc.missing())
        return
    for cpu in CPUS:
        yield from compare(cpu.rulings(), cpu.tools, cpu.batches(count, per_row, seed))
    for tool, texts in MIPS32R2.tools.items():
        yield compare_branches(tool, texts, MIPS32R2.batches(count, per_row, seed))


def compare_branches(tool: str, texts: Texts, batches: Iterable[list[int]]) -> Comparison:
    """`is_branch` must be right of every instruction, for the emulator relies on it."""
    result = Comparison(f"arches/mips/insns.py, {tool}")
    for words in batches:
        for word, text in zip(words, texts(words), strict=True):
            if text is not None:
                result.compared += 1
                _compare_branch(result, word, text)
    return result


BRANCHES = Meanings(
    (
        Meaning("", MSA_BRANCH, why="branches of MSA, which the modelled CPU lacks"),
        Meaning("jalx|bc2", "jalx|bc2[ft]l?"),
        mips_meanings.BC0_BC3,
        *mips_meanings.BRANCHES_R2,
    ),
    "",
    (),
)


def _compare_branch(result: Comparison, word: int, text: str) -> None:
    entry = BRANCHES.entries[BRANCHES.number(text)]
    if is_branch(word) == (entry.row not in ("", "other")):
        if entry.why:
            result.explained[entry.why] += 1
        return
    result.disagree(f"{word:08x} is {text!r}: is_branch says {is_branch(word)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
