"""How things are printed: JSON, tables, colours, progress."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from emu.kernel.outcome import AnyOutcome, Mark

COLOURS = {Mark.WRONG: "31", Mark.DOUBTFUL: "33"}
_COLOURING = re.compile(r"\x1b\[[0-9;]*m")


def print_json(value: Any) -> None:
    """One object on standard output."""
    print(json.dumps(value, indent=1))


def colour(outcome: AnyOutcome) -> str:
    """Its name, coloured by what the outcome means on a terminal that wants it."""
    code = next((code for mark, code in COLOURS.items() if mark in outcome.marks), None)
    if code is None or not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return outcome
    return f"\x1b[{code}m{outcome}\x1b[0m"


def visible(text: str) -> int:
    """Characters of a text that take up space on a terminal."""
    return len(_COLOURING.sub("", text))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; a cell may have several lines."""
    cells = [[cell.split("\n") for cell in row] for row in (header, *rows)]
    widths = [max(visible(line) for row in cells for line in row[column]) for column in range(len(header))]
    lines: list[str] = []
    for number, row in enumerate(cells):
        for part in range(max(len(cell) for cell in row)):
            texts = [cell[part] if part < len(cell) else "" for cell in row]
            padded = [text + " " * (width - visible(text)) for text, width in zip(texts, widths, strict=True)]
            lines.append("  ".join(padded).rstrip())
        if number == 0:
            lines.append("  ".join("-" * width for width in widths))
    return "\n".join(lines)


class ProgressLine:
    """A line on standard error that is rewritten in place; nothing unless that is a terminal."""

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self._what = what
        self._stream = stream or sys.stderr
        self._start = time.monotonic()
        self._shown = self._stream.isatty()

    def show(self, text: str, fraction: float) -> None:
        if not self._shown:
            return
        elapsed = time.monotonic() - self._start
        left = f", about {elapsed / fraction - elapsed:.0f} s left" if fraction > 0.001 else ""
        self._stream.write(f"\r\x1b[K{self._what}: {text}{left}")
        self._stream.flush()

    def done(self) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
