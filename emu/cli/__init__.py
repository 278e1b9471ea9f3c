"""`trapline`: parses and prints, decides nothing. Results go to standard output, everything else to standard error."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

from emu.cli.status import BAD_INPUT, DONE, INTERRUPTED
from emu.errors import TraplineError


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status (see `emu.cli.status`)."""
    try:
        with warnings.catch_warnings(record=True) as seen:
            status = run(arguments)
        for one in seen if status != BAD_INPUT else ():  # else they are of what was under way, and one line says why
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on; not an error
        return DONE
    except KeyboardInterrupt:
        print("trapline: interrupted", file=sys.stderr)
        return INTERRUPTED


def run(arguments: Sequence[str] | None) -> int:
    try:
        from emu.cli.options import parser  # not above: it takes a moment, in which ^C must not show a traceback

        options = parser().parse_args(arguments)
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except TraplineError as error:
        print(f"trapline: {error}", file=sys.stderr)
        return BAD_INPUT
