"""`trapline`: parses and prints, decides nothing. Results go to standard output, everything else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from emu.cli.options import parser
from emu.errors import TraplineError

DONE, CONTRADICTED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 done, 1 a verdict contradicts --expect, 2 bad usage or bad input."""
    options = parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
        return status
    except TraplineError as error:
        print(f"trapline: {error}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on; not an error
        return DONE
    except KeyboardInterrupt:
        print("trapline: interrupted", file=sys.stderr)
        return INTERRUPTED
