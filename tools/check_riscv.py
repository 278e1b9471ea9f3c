"""RISC-V: our table against LLVM 19, in both directions, and against Capstone 5.

Words: all of 16 bits, and of 32 bits every row's edges, near misses and random ones. Is each an instruction, is its
text the same, and does the other's text assemble to the word again. Texts: the same ones, of every row and every
alias, to both assemblers. Differences that are known are counted by their reason; any other is a disagreement.
Execution: the newest kernel's simulation routines, on random words from random states, against Unicorn.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from arches.riscv import bugs
from arches.riscv.insns import assemble, table
from arches.riscv.isa import DECODER
from arches.riscv.registers import REGISTERS
from arches.riscv.simulate import ACTIONS, actions
from arches.riscv.unicorn import make_cpu
from arches.riscv.verdict import RULES
from emu.errors import DecodeError, EncodeError
from emu.isa import capstone_text
from emu.verdict.rules import Rule
from tools.check_common import Comparison, edge_words, normal, report, sample_words
from tools.in_place import InPlace

REPAIRED = {name: routine for name, routine in actions(bugs.ALL).items() if routine is not ACTIONS[name]}
LLVM_MC = "llvm-mc-19"
TARGET = ("--triple=riscv64", "-mattr=+m,+a,+f,+d,+c,+zba,+zbb,+zihintpause", "-M", "no-aliases")
NOTHING = "no instruction"


@dataclass(frozen=True)
class Known:
    """A difference that is right as it is: patterns of our text and of theirs, `NOTHING` for none."""

    reason: str
    ours: str
    theirs: str


LLVM_KNOWN = (
    Known("debug mode, left out", NOTHING, "dret"),
    Known("c.lui of 0 is reserved: LLVM prints it but does not assemble it", NOTHING, r"c\.lui \w+, 0"),
    Known("c.lui to zero, a hint: LLVM prints its immediate as signed", r"c\.lui zero, \d+", r"c\.lui zero, -\d+"),
    Known("names of CSRs of further extensions, left out", r"csrr.*\d.*", r"csrr\w+ \w+, [a-z]\w+, .*"),
)
ZBA_ZBB = (
    r"(sh[123]add|add|slli)(\.uw)?|andn|orn|xnor|c[lt]zw?|cpopw?|(max|min)u?|sext\..|zext\.h|ro[lr]i?w?|orc\.b|rev8"
)
CAPSTONE_KNOWN = (
    Known("Capstone 5 lacks Zba and Zbb", rf"({ZBA_ZBB}) .*", NOTHING),
    Known("Capstone 5 lacks most hints", r"c\.(li|slli|lui|mv|add) zero, .*|c\.nop -?\d+|c\.slli64 zero", NOTHING),
    Known("Capstone 5 prints hints as what they do", r"c\.nop -?\d+|c\.s(ll|rl|ra)i64 \w+", r"c\.nop|c\.s\w+ \w+, 0"),
    Known("Capstone 5 lacks a rounding mode where nothing is rounded", r"fcvt\.d\.(s|wu?) .*, (r..|dyn)", NOTHING),
    Known("Capstone 5 prints an empty set as `unknown`", r"fence .*\b0\b.*", r"fence .*unknown.*"),
    Known("Capstone 5 knows withdrawn CSRs and the names of others by other numbers", "csr.*", "(csr|rd|f[rs]).*"),
    Known("uret was withdrawn, left out", NOTHING, "uret"),
    Known("c.lui of 0 is reserved", NOTHING, r"c\.lui \w+, 0"),
)


FULL = ("--words", "10000000", "--execute", "1000000")


def main(arguments: Sequence[str]) -> int:
    """0 if all that was compared agrees, 1 if not."""
    parser = argparse.ArgumentParser(prog="check_tables riscv", description=__doc__)
    parser.add_argument("--words", type=int, default=50_000, help="words of 32 bits (default %(default)s)")
    parser.add_argument("--texts", type=int, default=10, help="texts for each row and alias (default %(default)s)")
    parser.add_argument("--execute", type=int, default=5_000, help="instructions to execute (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of what is random (default %(default)s)")
    options = parser.parse_args(arguments)
    agreed = True
    for comparison in check(options.words, options.texts, options.execute, options.seed):
        print(report(comparison), flush=True)
        agreed = agreed and not comparison.disagreements
    return 0 if agreed else 1


def check(words: int, texts: int, execute: int, seed: int) -> Iterator[Comparison]:
    """The comparisons, one by one; nothing is compared where a number is 0."""
    if words:
        for tool in (LLVM, CAPSTONE):
            yield compare_words(tool, 2, [compressed_words()])
            yield compare_words(tool, 4, four_byte_words(words, seed))
    if texts:
        yield compare_texts(texts, seed)
    if execute:
        yield compare_execution(execute, seed)


# Execution

TEXT, TEXT_SIZE, REACH = 0x40_0000_0000, 0x1000, 0x100  # REACH: bytes from an instruction to either end of text
UNDEFINED_BRANCH = "branches with funct3 2 and 3 are no instructions, and never move the pc"
BIT_0 = "c.jr and c.jalr leave bit 0 of their target"


def compare_execution(count: int, seed: int) -> Comparison:
    """`count` instructions, as many of each row that the newest kernel simulates."""
    place = InPlace(make_cpu, REGISTERS, TEXT, TEXT_SIZE, seed)
    rules = [rule for rule in RULES.in_force(None) if rule.action is not None]
    result = Comparison("executed, and simulated as the newest kernel does")
    for number in range(count):
        _execute(result, place, rules[number % len(rules)])
    return result


def _execute(result: Comparison, place: InPlace, rule: Rule) -> None:
    place.addr = TEXT + place.random.randrange(REACH, TEXT_SIZE - REACH, 2)
    word = rule.value | place.random.getrandbits(32) & ~rule.mask
    insn = word.to_bytes(4, "little")[: 4 if word & 3 == 3 else 2]
    if RULES.find(word, None).name != rule.name:  # c.jr and c.jalr of x0
        return
    result.compared += 1
    if rule.name == "branch" and word >> 13 & 3 == 1:
        result.explained[UNDEFINED_BRANCH] += 1
        return
    state, action = place.random_state(), rule.action or ""
    difference = place.difference(ACTIONS[action], word, insn, state)
    if difference is None:
        return
    if action in REPAIRED and place.difference(REPAIRED[action], word, insn, state) is None:
        result.explained[BIT_0] += 1
    else:
        result.disagree(f"{rule.name}: {difference}")


# Words and texts


@dataclass(frozen=True)
class Disassembler:
    """A tool. `exact` says that its texts are those of the table, and not only assemble to the same."""

    name: str
    texts: Callable[[list[int], int], list[str | None]]
    known: tuple[Known, ...]
    missing: Callable[[], str | None]
    exact: bool


def compressed_words() -> list[int]:
    return [word for word in range(1 << 16) if word & 3 != 3]


def four_byte_words(count: int, seed: int) -> Iterator[list[int]]:
    """Not those that start an instruction of 48 bits and more: LLVM would swallow the next word."""
    for words in sample_words(table(), 4, count, seed):
        yield [word for word in words if word & 3 == 3 and word & 0x1F != 0x1F]


def compare_words(tool: Disassembler, size: int, batches: Iterable[list[int]]) -> Comparison:
    """What each word is to us and to a disassembler, and what we make of its text."""
    result = Comparison(f"{8 * size}-bit words, {tool.name}", skipped=tool.missing())
    if result.skipped is None:
        for words in batches:
            for word, theirs in zip(words, tool.texts(words, size), strict=True):
                result.compared += 1
                ours = table().plain(word, size) if table().find(word, size) else None
                if not _agree(tool, word.to_bytes(size, "little"), ours, theirs):
                    _differ(result, tool.known, f"{word:0{2 * size}x}", ours, theirs)
    return result


def _agree(tool: Disassembler, insn: bytes, ours: str | None, theirs: str | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    return assembled(theirs) == insn and (not tool.exact or normal(ours) == normal(theirs))


def _differ(result: Comparison, known: tuple[Known, ...], word: str, ours: str | None, theirs: str | None) -> None:
    for case in known:
        if re.fullmatch(case.ours, ours or NOTHING) and re.fullmatch(case.theirs, theirs or NOTHING):
            result.explained[case.reason] += 1
            return
    result.disagree(f"{word}: ours {ours!r}, theirs {theirs!r}")


def assembled(text: str) -> bytes | None:
    """Our bytes for a text, None if it is refused."""
    try:
        return assemble(text, 0)
    except EncodeError:
        return None


def compare_texts(count: int, seed: int) -> Comparison:
    """The same text to both assemblers, for every row and alias."""
    result = Comparison("texts, LLVM 19", skipped=llvm_missing())
    if result.skipped is None:
        texts = list(sample_texts(count, seed))
        for text, theirs in zip(texts, llvm_assemble(texts), strict=True):
            result.compared += 1
            if theirs is None or assembled(text) != theirs:
                result.disagree(f"{text}: ours {assembled(text)!r}, theirs {theirs!r}")
    return result


def sample_texts(count: int, seed: int) -> Iterator[str]:
    """Every row and alias at the edges of its fields, and with random ones."""
    rng = random.Random(seed)
    for row in (*table().rows, *table().aliases):
        words = edge_words(row) | {row.bits | rng.getrandbits(8 * row.size) & ~row.mask for _ in range(count)}
        for word in sorted(words):
            if row.matches(word):
                yield table().syntax(row).format({field.name: field.extract(word) for field in row.fields}, 0)


# LLVM


def llvm_missing() -> str | None:
    return None if shutil.which(LLVM_MC) else f"{LLVM_MC} is not installed (Debian: llvm-19)"


def _run(argument: str, text: str) -> tuple[str, set[int]]:
    """What llvm-mc prints, and the numbers of the lines that it complains of."""
    done = subprocess.run([LLVM_MC, *TARGET, argument], input=text, capture_output=True, text=True, check=False)
    complaints = re.findall(r"^<stdin>:(\d+):\d+: (?:warning: invalid|error)", done.stderr, re.MULTILINE)
    return done.stdout, {int(line) for line in complaints}


def llvm_texts(words: list[int], size: int) -> list[str | None]:
    """One text for each word, None where it is no instruction."""
    lines = (" ".join(f"0x{byte:02x}" for byte in word.to_bytes(size, "little")) for word in words)
    printed, invalid = _run("--disassemble", "".join(f"{line}\n" for line in lines))
    texts = iter([line.strip().replace("\t", " ") for line in printed.splitlines() if line.strip() != ".text"])
    found = [None if number in invalid else next(texts) for number in range(1, len(words) + 1)]
    if next(texts, None) is not None:
        raise RuntimeError(f"{LLVM_MC} printed more instructions than it had words")
    return found


def llvm_assemble(texts: list[str]) -> list[bytes | None]:
    """The bytes of each text, None for one that LLVM does not take; nothing is compressed by itself."""
    options = [".option rvc" if text.startswith("c.") else ".option norvc" for text in texts]
    printed, refused = _run("--show-encoding", "".join(map("{}\n{}\n".format, options, texts)))
    encodings = iter(re.findall(r"encoding: \[([^\]]*)\]", printed))
    found: list[bytes | None] = []
    for number in range(1, len(texts) + 1):
        found.append(None if 2 * number in refused else bytes(int(byte, 0) for byte in next(encodings).split(",")))
    return found


# Capstone


def capstone_texts(words: list[int], size: int) -> list[str | None]:
    return [_capstone_text(word.to_bytes(size, "little")) for word in words]


def _capstone_text(insn: bytes) -> str | None:
    try:
        return capstone_text.disassemble(DECODER, insn, 0)
    except DecodeError:
        return None


LLVM = Disassembler("LLVM 19", llvm_texts, LLVM_KNOWN, llvm_missing, exact=True)
CAPSTONE = Disassembler("Capstone 5", capstone_texts, CAPSTONE_KNOWN, lambda: None, exact=False)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
