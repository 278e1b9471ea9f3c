"""`trapline`: parses and prints, decides nothing. Results go to standard output, everything else to standard error.

Little is imported before `main` begins: an interrupt that comes until then is Python's to report.
"""

from __future__ import annotations

import gc
import sys
import warnings
from functools import partial

from emu.cli.status import BAD_INPUT, COMPLETE, DONE, INTERRUPTED, MISTAKE
from emu.cli.streams import give_up_output, is_about_output, prepare
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
    """One command, and what becomes of exceptions: each is one line."""
    try:
        try:
            return with_warnings_last(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # also behind --help, so that what is wrong with it is seen here
    except BrokenPipeError:
        give_up_output()  # nobody reads on; not an error
        return DONE
    except Exception as error:
        return failed(error, "--debug" in (sys.argv[1:] if arguments is None else arguments))


def failed(error: Exception, debug: bool) -> int:
    """What is wrong is the output, or trapline."""
    if isinstance(error, OSError) and is_about_output(error):
        give_up_output()
        print(f"trapline: standard output: {error.strerror}: expected room for all of it", file=sys.stderr)
        return BAD_INPUT
    from emu.cli.last_resort import say

    say(error, debug)
    return MISTAKE


def with_warnings_last(arguments: list[str] | None) -> int:
    """What Python warns of meanwhile is shown afterwards, unless something was left half-way."""
    said: list[partial[None]] = []
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


def run(arguments: list[str] | None) -> int:
    """One command; what is wrong with its input is one line."""
    try:
        prepare()
        with interrupts_held():  # libraries do not take a ^C while they are imported
            from emu.cli.commands import parser

            if not (sys.argv[1:] if arguments is None else arguments):
                parser().print_help(sys.stderr)
                return BAD_INPUT
            options = parser().parse_args(arguments)  # the command's module is imported
        status: int = options.run(options)
        return status
    except TraplineError as error:
        from emu.foreign import one_line

        print(f"trapline: {one_line(str(error))}", file=sys.stderr)
        return BAD_INPUT
