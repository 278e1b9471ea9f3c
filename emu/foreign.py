"""Text that others wrote, as it is read and shown: no control characters, no megabytes, no endless numbers."""

from __future__ import annotations

import re

LONGEST_WORD = 200  # characters of one word in a message: a path may be long, a value of a megabyte helps nobody
LONGEST_LINE = 1200
MOST_DIGITS = 1000  # of a number: registers have 128 bits, and Python's own limit is about digits to base ten alone

_LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")


def escaped(text: str) -> str:
    """The text with `\\x1b` and the like for what a terminal would not print: it could forge lines, or set titles."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def one_line(message: str) -> str:
    """A message as one line; of long values their beginning and end, and of a very long line its own."""
    line = _LONG_WORD.sub(lambda match: _shortened(match[0], LONGEST_WORD), escaped(message))
    return _shortened(line, LONGEST_LINE)


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    head, tail = longest * 3 // 4 - 20, longest // 4 - 20
    return f"{text[:head]}...({len(text) - head - tail} more)...{text[-tail:]}"


def whole_number(text: str, base: int = 0) -> int:
    """An integer in any of C's bases (`base` 0), or in one; ValueError, also for more digits than make sense."""
    if len(text) > MOST_DIGITS:
        raise ValueError(f"{len(text)} characters: expected a number of at most {MOST_DIGITS} digits")
    return int(text, base)
