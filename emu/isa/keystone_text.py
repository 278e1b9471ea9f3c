"""Assembly text to bytes with Keystone, which runs in a process of its own (see `keystone_worker`).

Typing errors make Keystone hang, die, or end the process that it is in, without a word. Here each of those is an
`EncodeError`. The process is kept for the next text, and started again after it had to be ended.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from emu.errors import EncodeError
from emu.isa.words import MOST_BYTES

SECONDS = 3.0  # for one text; one instruction takes microseconds
LONGEST = 1 << 16  # characters
OPENS_FILES = re.compile(r"\.(incbin|include)\b", re.IGNORECASE)
WORKER = Path(__file__).with_name("keystone_worker.py")


@dataclass(frozen=True)
class Assembler:
    """Which Keystone assembler: `KS_ARCH_<arch>` with every `KS_MODE_<mode>` or-ed; `prologue` goes before the text."""

    arch: str
    modes: tuple[str, ...]
    prologue: str = ""


def assemble(assembler: Assembler, text: str, addr: int) -> bytes:
    """The text's bytes in memory order as assembled at addr; EncodeError with the reason.

    Statements are separated by `;`. EncodeError too for text that assembles to nothing, or to too much.
    """
    wrong = f"{text!r}: not {assembler.arch} assembly"
    _check(text, wrong)
    question = {"arch": assembler.arch, "modes": assembler.modes, "text": assembler.prologue + text, "addr": addr}
    try:
        answer = _process(os.getpid()).ask({**question, "most": MOST_BYTES})
    except TimeoutError:
        raise EncodeError(f"{wrong}: no answer within {SECONDS:g} s, expected instructions") from None
    except EOFError:
        raise EncodeError(f"{wrong}: the assembler does not survive it, expected instructions") from None
    if "error" in answer:
        raise EncodeError(f"{wrong}: {answer['error']}, expected instructions")
    code = bytes.fromhex(answer["code"])
    if not code:
        raise EncodeError(f"{text!r}: expected an instruction of {assembler.arch}")
    return code


def _check(text: str, wrong: str) -> None:
    """That the text is one which Keystone reads to its end, and which wants no file."""
    if len(text) > LONGEST:
        raise EncodeError(f"{wrong}: {len(text)} characters, expected at most {LONGEST}")
    odd = next((char for char in text if not ((char.isascii() and char.isprintable()) or char in "\t\n")), None)
    if odd is not None:
        raise EncodeError(f"{wrong}: {odd!r}, expected ASCII")
    if (opens := OPENS_FILES.search(text)) is not None:
        raise EncodeError(f"{wrong}: {opens[0]} opens a file, expected instructions")


class _Process:
    """A worker that is there when it is asked."""

    def __init__(self) -> None:
        self._running: subprocess.Popen[bytes] | None = None

    def ask(self, question: Mapping[str, Any]) -> dict[str, str]:
        """The worker's answer; TimeoutError if there is none in time, EOFError if the worker is gone instead."""
        running = self._start()
        try:
            answer: dict[str, str] = json.loads(_line(running, json.dumps(question).encode() + b"\n"))
            return answer
        except BaseException:  # of ^C too: what it answers later would be taken for the next answer
            self.end()
            raise

    def _start(self) -> subprocess.Popen[bytes]:
        if self._running is not None and self._running.poll() is not None:
            self.end()
        if self._running is None:
            command, pipe, null = [sys.executable, "-P", str(WORKER)], subprocess.PIPE, subprocess.DEVNULL
            self._running = subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe, stderr=null)
        return self._running

    def end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.kill()
            with running:  # closes the pipes, and waits
                pass


def _line(running: subprocess.Popen[bytes], question: bytes) -> bytes:
    assert running.stdin is not None and running.stdout is not None
    try:
        running.stdin.write(question)
    except BrokenPipeError:
        raise EOFError from None
    poll, found, deadline = select.poll(), b"", time.monotonic() + SECONDS
    poll.register(running.stdout, select.POLLIN)
    while not found.endswith(b"\n"):
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError
        piece = os.read(running.stdout.fileno(), 1 << 16)
        if not piece:
            raise EOFError
        found += piece
    return found


@cache
def _process(_owner: int) -> _Process:
    """One for each process of trapline's: what is forked must not talk into its parent's pipes."""
    process = _Process()
    atexit.register(process.end)
    return process
