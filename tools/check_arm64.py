"""ARM64: the kernel's rule tables against LLVM 19 and Capstone 5, and its simulation routines against a CPU.

Words: which row decides must be the one that is meant for the instruction, under every set of rules there was. The
kernel's own mistakes are in tools/arm64_meanings.py, and counted by their reason; anything else is a disagreement.
Execution: each simulated row, random words from random states, against the same instruction executed in place.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Mapping, Sequence

from arches.arm64 import bugs
from arches.arm64.accesses import DECODER
from arches.arm64.registers import REGISTERS
from arches.arm64.simulate import ACTIONS, actions
from arches.arm64.unicorn import find, make_cpu
from arches.arm64.verdict import EXCLUSIVE, RULES
from emu.isa.capstone_text import disassemble_words
from emu.verdict.rules import Rule, RuleTable, periods
from emu.verdict.site import Release
from tools import llvm_mc
from tools.arm64_meanings import EXCLUSIVE as EXCLUSIVE_MEANINGS
from tools.arm64_meanings import KPROBES, TEXTS
from tools.check_common import Comparison, report
from tools.in_place import InPlace, Simulate
from tools.rule_meanings import Meanings, Ruling, Texts, compare, sample

REPAIRED = {name: routine for name, routine in actions(bugs.ALL).items() if routine is not ACTIONS[name]}
LLVM = llvm_mc.Llvm(("--triple=aarch64", "-mattr=+all"), ("-M", "no-aliases"))
TOOLS: Mapping[str, Texts] = {"LLVM 19": LLVM.texts, "Capstone 5": lambda words: disassemble_words(DECODER, words)}

BASE, SIZE, REACH = 0x40_0000_0000, 0x40_0000, 1 << 20  # literals reach 1 MiB to both sides


FULL = ("--words", "10000000", "--execute", "1000000")


def main(arguments: Sequence[str]) -> int:
    """0 if all that was compared agrees, 1 if not."""
    parser = argparse.ArgumentParser(prog="check_tables arm64", description=__doc__)
    parser.add_argument("--words", type=int, default=50_000, help="random words (default %(default)s)")
    parser.add_argument("--per-row", type=int, default=200, help="words about each row (default %(default)s)")
    parser.add_argument("--execute", type=int, default=5_000, help="instructions to execute (default %(default)s)")
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


# Words


def rulings() -> list[Ruling]:
    """Every set of rules that there was."""
    found = [_ruling("kprobes.rules", RULES, KPROBES, release) for release in periods(RULES)]
    return found + [
        _ruling("verdict_exclusive.rules", EXCLUSIVE, EXCLUSIVE_MEANINGS, release) for release in periods(EXCLUSIVE)
    ]


def _ruling(name: str, table: RuleTable, meanings: Meanings, release: Release | None) -> Ruling:
    when = "newest" if release is None else f"before {_next(table, release)}"
    return Ruling.of(f"{name} ({when})", table, meanings, release)


def _next(table: RuleTable, release: Release) -> str:
    return ".".join(map(str, next(end for end in table.boundaries if end > release)))


def compare_words(count: int, per_row: int, seed: int) -> list[Comparison]:
    """All rulings against both tools, on words about each row, of each text, and random ones."""
    if llvm_mc.missing():
        return [Comparison("rules", skipped=llvm_mc.missing())]
    rules = [*RULES.rules, *EXCLUSIVE.rules]
    return compare(rulings(), TOOLS, sample(rules, LLVM.assemble(TEXTS), count, per_row, seed))


# Execution


def simulated_rows() -> list[Rule]:
    """Each routine once for each of its encodings, whatever the release."""
    found = {(rule.mask, rule.value, rule.action): rule for rule in RULES.rules if rule.action is not None}
    return list(found.values())


def machine(seed: int) -> InPlace:
    """A CPU with memory on both sides of where the instructions are put."""
    return InPlace(make_cpu, REGISTERS, BASE, SIZE, seed, without_lethal_words, aligned=4)


def without_lethal_words(rng: random.Random, size: int) -> bytes:
    """Random bytes; the engine would read something else where it finds words that it cannot translate."""
    data = bytearray(rng.randbytes(size))
    for offset in find(bytes(data)):
        data[offset : offset + 4] = bytes(4)
    return bytes(data)


def compare_execution(count: int, seed: int) -> Iterator[Comparison]:
    """`count` instructions, as many of each simulated row."""
    place, rows = machine(seed), simulated_rows()
    for routines, what in ((ACTIONS, "simulated as the kernel does"), (REPAIRED, "simulated by the variant `fixed`")):
        used = [rule for rule in rows if rule.action in routines]
        result = Comparison(f"executed, and {what}")
        for number in range(count if routines is ACTIONS else count // len(rows)):
            _execute(result, place, used[number % len(used)], routines)
        yield result


def _execute(result: Comparison, place: InPlace, rule: Rule, routines: Mapping[str, Simulate]) -> None:
    place.addr = BASE + place.random.randrange(REACH, SIZE - REACH, 4)
    word = rule.value | place.random.getrandbits(32) & ~rule.mask
    result.compared += 1
    difference = place.difference(routines[rule.action or ""], word, word.to_bytes(4, "little"))
    if difference is not None:
        result.disagree(f"{rule.name}: {difference}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
