"""What was made and never awaited: an operation that announces nothing, kernel code that does not run.

Python warns of coroutines by itself, where they are dropped, and `Op` does the same. While a search runs such a
warning is an error: a program without one of its preemption points would be searched as if it were the right one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from emu.errors import HandlerError

NEVER_AWAITED = "was never awaited"


@contextmanager
def nothing_forgotten() -> Iterator[Callable[[], None]]:
    """Within, calling what this gives raises HandlerError if anything was forgotten so far.

    Not at its end: an interrupt that comes between an operation and its `await` leaves one behind, too.
    """
    found: list[str] = []

    def check() -> None:
        if found:
            raise HandlerError(found[0])

    with warnings.catch_warnings():
        warnings.filterwarnings("always", f".*{NEVER_AWAITED}", RuntimeWarning)
        others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if NEVER_AWAITED not in str(message):
                others(message, category, filename, lineno, file, line)
                return
            what = str(message).splitlines()[0]
            found.append(f"{filename}:{lineno}: {what}; expected `await` before it")

        warnings.showwarning = show
        yield check
