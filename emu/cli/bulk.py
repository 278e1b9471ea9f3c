"""What comes in on standard input, a line each: text or an error, and the number of the line in every error."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from emu.errors import TraplineError, UsageError

UNDECODED = range(0xDC80, 0xDD00)  # what Python makes of bytes that are no text, 0x80 to 0xff (PEP 383)


def input_lines() -> Iterator[tuple[int, str]]:
    """Lines that are not empty, with their numbers; UsageError for one that is no text, and for no input at all."""
    stream = sys.stdin
    if stream is None:
        raise UsageError("standard input is closed: expected a line for each question")
    if isinstance(stream, io.TextIOWrapper) and stream.errors != "surrogateescape":
        stream.reconfigure(errors="surrogateescape")
    for number, line in enumerate(stream, start=1):
        with at_line(number):
            _check_text(line)
        if line.strip():
            yield number, line.strip()


@contextmanager
def at_line(number: int) -> Iterator[None]:
    """What is raised within is about that line."""
    try:
        yield
    except TraplineError as error:
        raise type(error)(f"line {number}: {error}") from None


def _check_text(line: str) -> None:
    if not line.isascii():
        bad = next((ord(char) & 0xFF for char in line if ord(char) in UNDECODED), None)
        if bad is not None:
            raise UsageError(f"byte {bad:#x}: expected UTF-8")
