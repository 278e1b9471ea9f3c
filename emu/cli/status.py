"""Exit statuses."""

from __future__ import annotations

import sys

DONE = 0
CONTRADICTED = 1  # a verdict is not what --expect says
BAD_INPUT = 2  # or bad usage
NOT_KNOWN = 3  # what --expect says: the search had a bound, or was not complete
MISTAKE = 70  # trapline's own (EX_SOFTWARE of sysexits.h)
INTERRUPTED = 130  # ^C, and 143 for SIGTERM, 129 for SIGHUP; what was done by then is printed
COMPLETE = (DONE, CONTRADICTED, NOT_KNOWN)  # nothing was left half-way


def say_lost(what: str) -> int:
    """What came to nothing because workers died, once what there is instead is printed; the exit status."""
    print(f"trapline: {what}", file=sys.stderr)
    return BAD_INPUT


def say_interrupted(done: str) -> int:
    """How much there is after ^C, once that is printed; the exit status."""
    print(f"trapline: interrupted: {done}", file=sys.stderr)
    return INTERRUPTED
