"""Standard output and standard error, whatever they are: closed, full, a pipe that ends, a terminal of few letters."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from emu.errors import UsageError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def prepare() -> None:
    """UsageError if there is no standard output. Without standard error, what would be said there is not said."""
    if sys.stderr is None:  # print would take standard output instead
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  for as long as the process lives
    if sys.stdout is None:
        raise UsageError("standard output is closed: expected somewhere to print to")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # as control characters are


def is_about_output(error: Exception) -> bool:
    """Whether standard output takes no more: an error of a file that was opened has its name."""
    return isinstance(error, OSError) and error.filename is None and error.errno in NO_ROOM


def give_up_output() -> None:
    """What is left is for nobody, and Python shall not try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def only_answers() -> Iterator[None]:
    """Around user code: what that prints goes to standard error, for standard output is the command's answer."""
    with redirect_stdout(sys.stderr):
        yield
