"""LLVM's assembler and disassembler for instructions of 4 bytes, many at a time: `llvm-mc` of Debian's llvm-19."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

LLVM_MC = "llvm-mc-19"
INVALID = re.compile(r"^<stdin>:(\d+):\d+: warning: invalid", re.MULTILINE)
ENCODING = re.compile(r"encoding: \[([^\]]*)\]")


@dataclass(frozen=True)
class Llvm:
    """One instruction set, by the arguments that select it.

    `spelling` are further ones that disassembling takes, `prologue` comes before what is assembled.
    """

    target: tuple[str, ...]
    spelling: tuple[str, ...] = ()
    prologue: str = ""

    def texts(self, words: Sequence[int]) -> list[str | None]:
        """One text for each word, None where it is no instruction; branches have distances and not addresses."""
        lines = "".join(f"{_bytes_of(word)}\n" for word in words)
        done = self._run([*self.spelling, "--disassemble"], lines)
        invalid = {int(line) for line in INVALID.findall(done.stderr)}
        texts = iter([_plain(line) for line in done.stdout.splitlines() if _is_insn(line)])
        found = [None if number in invalid else next(texts) for number in range(1, len(words) + 1)]
        if next(texts, None) is not None:
            raise RuntimeError(f"{LLVM_MC} printed more instructions than it had words")
        return found

    def assemble(self, texts: Sequence[str]) -> list[int]:
        """The word of each text; RuntimeError if LLVM does not take them all."""
        done = self._run(["--show-encoding"], "\n".join([self.prologue, *texts, ""]))
        found = [bytes(int(byte, 0) for byte in code.split(",")) for code in ENCODING.findall(done.stdout)]
        if done.returncode or len(found) != len(texts):
            raise RuntimeError(f"{LLVM_MC}: {len(found)} words for {len(texts)} texts: {done.stderr[:400]}")
        return [int.from_bytes(code, "little") for code in found]

    def _run(self, arguments: list[str], text: str) -> subprocess.CompletedProcess[str]:
        command = [LLVM_MC, *self.target, *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode and "--disassemble" in arguments:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr[:400]}")
        return done


def missing() -> str | None:
    """Why LLVM cannot be asked; None if it can."""
    return None if shutil.which(LLVM_MC) else f"{LLVM_MC} is not installed (Debian: llvm-19)"


def _bytes_of(word: int) -> str:
    return " ".join(f"0x{byte:02x}" for byte in word.to_bytes(4, "little"))


def _is_insn(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith(".")


def _plain(line: str) -> str:
    return " ".join(line.split("//")[0].split())
