"""`trapline`: parses and prints, decides nothing. Results go to standard output, everything else to standard error.

Little is imported before `main` begins: an interrupt that comes until then is Python's to report.
"""

from __future__ import annotations

import gc
import io
import os
import sys
import warnings
from functools import partial

from emu.cli.status import BAD_INPUT, COMPLETE, DONE, INTERRUPTED
from emu.errors import TraplineError
from emu.parallel.interrupts import Signals, interrupts_held, signals_interrupt


def process() -> int:
    """`main` for a process that does nothing else: a signal that comes when its exit status is known is too late."""
    return main(to_the_end=True)


def main(arguments: list[str] | None = None, to_the_end: bool = False) -> int:
    """The exit status (see `emu.cli.status`)."""
    signals = Signals()
    try:
        with signals_interrupt(signals, to_the_end):
            status = command(arguments)
    except KeyboardInterrupt:
        print("trapline: interrupted", file=sys.stderr)
        status = INTERRUPTED
    return signals.status(status) if status == INTERRUPTED else status


def command(arguments: list[str] | None) -> int:
    """One command; what Python warns of meanwhile is shown afterwards, unless something was left half-way."""
    said: list[partial[None]] = []
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, category, file, line, *_: said.append(
                partial(warnings.warn_explicit, message, category, file, line)
            )
            status = run(arguments)
            if status not in COMPLETE:
                gc.collect()  # what was under way is gone, and that it was not awaited is said here
        for warn in said if status in COMPLETE else ():
            warn()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on; not an error
        return DONE


def run(arguments: list[str] | None) -> int:
    """One command; what is wrong with its input is one line."""
    try:
        _print_anything()
        with interrupts_held():  # libraries do not take a ^C while they are imported
            from emu.cli.commands import parser

            options = parser().parse_args(arguments)  # the command's module is imported
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except TraplineError as error:
        from emu.foreign import one_line

        print(f"trapline: {one_line(str(error))}", file=sys.stderr)
        return BAD_INPUT


def _print_anything() -> None:
    """Letters that the terminal's encoding lacks are escaped, as control characters are."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
