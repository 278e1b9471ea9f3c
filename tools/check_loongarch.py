"""LoongArch64: our table against LLVM 19 and Capstone 6, our semantics against QEMU in lockstep.

Only the rows of our table are compared. Words that the others know and we deliberately lack are counted by class.
A tool that is missing is skipped, with its reason; Capstone 6 is installed into a venv in .cache/ on first use.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from arches.loongarch.insns import TABLE
from tools.check_common import Comparison, normal, report, sample_words
from tools.lockstep_loongarch import QEMU, run_lockstep

LLVM_MC = "llvm-mc-19"
CACHE = Path(__file__).resolve().parent.parent / ".cache" / "capstone6"
CAPSTONE6 = "capstone6pwndbg==8.0.0"  # Capstone 6 under a name that can be installed beside Capstone 5's
WORKER = Path(__file__).with_name("capstone6_worker.py")

# What the table leaves out, by mnemonic; the first class that matches.
LEFT_OUT = {
    "LASX (256-bit vectors)": re.compile(r"xv"),
    "LSX (128-bit vectors)": re.compile(r"v"),
    "floating point": re.compile(r"f|mov(gr2f|fr|fcsr|gr2fcsr|gr2frh|cf2fr|fr2cf)"),
    "LBT (binary translation)": re.compile(
        r"x86|arm|movscr2gr|movgr2scr|jiscr|addu12i|(adc|sbc|rcr|rotr)i?\.[bhwd]|setx86|settm|ldl|ldr|stl|str"
    ),
    "LVZ (virtualisation)": re.compile(r"gcsr|gtlbflush|hvcl"),
}

Disassemble = Callable[[list[int]], list[str | None]]


FULL = ("--words", "10000000", "--execute", "1000000")


def main(arguments: Sequence[str]) -> int:
    """0 if all that was compared agrees, 1 if not."""
    parser = argparse.ArgumentParser(prog="check_tables loongarch", description=__doc__)
    parser.add_argument("--words", type=int, default=50_000, help="words for each disassembler (default %(default)s)")
    parser.add_argument("--execute", type=int, default=20_000, help="instructions to execute (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of what is random (default %(default)s)")
    options = parser.parse_args(arguments)
    agreed = True
    for comparison in check(options.words, options.execute, options.seed):
        print(report(comparison), flush=True)
        agreed = agreed and not comparison.disagreements
    return 0 if agreed else 1


def check(words: int, execute: int, seed: int) -> Iterator[Comparison]:
    """The comparisons, one by one; nothing is compared where a number is 0."""
    if words:
        yield compare_texts("text, LLVM 19", llvm_missing(), llvm, words, seed)
        yield compare_texts("text, Capstone 6", capstone_missing(), capstone, words, seed)
    if execute:
        yield compare_execution(execute, seed)


def compare_texts(what: str, missing: str | None, disassemble: Disassemble, count: int, seed: int) -> Comparison:
    """Our text for each of the sample words against a disassembler's."""
    result = Comparison(what, skipped=missing)
    if missing is None:
        for words in sample_words(TABLE, 4, count, seed):
            for word, theirs in zip(words, disassemble(words), strict=True):
                _compare(result, word, theirs)
    return result


def _compare(result: Comparison, word: int, theirs: str | None) -> None:
    result.compared += 1
    ours = TABLE.disassemble(word) if TABLE.find(word, 4) else None
    if ours == theirs or normal(ours) == normal(theirs):
        return
    reason = _explanation(ours, theirs)
    if reason is not None:
        result.explained[reason] += 1
    else:
        result.disagree(f"{word:08x}: ours {ours!r}, theirs {theirs!r}")


def _explanation(ours: str | None, theirs: str | None) -> str | None:
    if ours is None and theirs is not None:
        for name, pattern in LEFT_OUT.items():
            if pattern.match(theirs):
                return f"left out: {name}"
    return None


# LLVM


def llvm_missing() -> str | None:
    return None if shutil.which(LLVM_MC) else f"{LLVM_MC} is not installed (Debian: llvm-19)"


def llvm(words: list[int]) -> list[str | None]:
    """One text for each word; llvm-mc warns of the others by their line."""
    given = "".join(" ".join(f"0x{byte:02x}" for byte in word.to_bytes(4, "little")) + "\n" for word in words)
    features = "-mattr=+f,+d,+lsx,+lasx,+lbt,+lvz,+frecipe"
    done = subprocess.run(
        [LLVM_MC, "--disassemble", "--triple=loongarch64", features],
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    invalid = {int(line) for line in re.findall(r"^<stdin>:(\d+):\d+: warning: invalid", done.stderr, re.MULTILINE)}
    lines = done.stdout.replace("\t", " ").splitlines()
    texts = iter([line.strip() for line in lines if line.strip() != ".text"])
    found = [None if number in invalid else next(texts) for number in range(1, len(words) + 1)]
    if next(texts, None) is not None:
        raise RuntimeError(f"{LLVM_MC} printed more instructions than it had words")
    return found


# Capstone 6


def capstone_missing() -> str | None:
    """Install it into a venv in the cache on first use."""
    python = CACHE / "bin" / "python"
    if not python.exists():
        venv.create(CACHE, with_pip=True)
    probe = subprocess.run([python, "-c", "import capstone6pwndbg"], capture_output=True, check=False)
    if probe.returncode == 0:
        return None
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", CAPSTONE6], capture_output=True, text=True, check=False
    )
    return f"pip install {CAPSTONE6} failed" if done.returncode else None


def capstone(words: list[int]) -> list[str | None]:
    done = subprocess.run(
        [CACHE / "bin" / "python", WORKER],
        input="".join(f"{word:x}\n" for word in words),
        capture_output=True,
        text=True,
        check=True,
    )
    return [line or None for line in done.stdout.split("\n")[: len(words)]]


# QEMU


def compare_execution(instructions: int, seed: int) -> Comparison:
    """Random instructions in lockstep; see `tools.lockstep_loongarch`."""
    result = Comparison("execution, QEMU (la464)")
    if shutil.which(QEMU) is None:
        result.skipped = f"{QEMU} is not installed (Debian: qemu-user)"
        return result
    for executed, difference in run_lockstep(instructions, seed):
        result.compared += executed
        if difference is not None:
            result.disagree(difference)
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
