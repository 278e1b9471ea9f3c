"""`trapline`: parses and prints, decides nothing. Results go to standard output, everything else to standard error."""

from __future__ import annotations

import gc
import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from emu.cli.status import BAD_INPUT, COMPLETE, DONE, INTERRUPTED
from emu.errors import TraplineError
from emu.foreign import one_line
from emu.parallel.processes import interrupts_held


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status (see `emu.cli.status`)."""
    said: list[tuple[Any, type[Warning], str, int]] = []
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, category, file, line, *_: said.append(
                (message, category, file, line)
            )
            status = run(arguments)
            if status not in COMPLETE:
                gc.collect()  # what was under way is gone, and that it was not awaited is said here
        for warning in said if status in COMPLETE else ():
            warnings.warn_explicit(*warning)
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on; not an error
        return DONE
    except KeyboardInterrupt:
        print("trapline: interrupted", file=sys.stderr)
        return INTERRUPTED


def run(arguments: Sequence[str] | None) -> int:
    """One command; what is wrong with its input is one line."""
    try:
        _print_anything()
        with interrupts_held():  # libraries do not take a ^C while they are imported
            from emu.cli.options import parser
            from emu.parallel.interrupts import interrupts_between_hooks

        with interrupts_between_hooks():
            options = parser().parse_args(arguments)
            status: int = options.run(options)
            sys.stdout.flush()
            return status
    except TraplineError as error:
        print(f"trapline: {one_line(str(error))}", file=sys.stderr)
        return BAD_INPUT


def _print_anything() -> None:
    """Letters that the terminal's encoding lacks are escaped, as control characters are."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
