"""An exception that nobody expected is trapline's own mistake: one line, and the traceback in a file."""

from __future__ import annotations

import sys
import traceback
from tempfile import NamedTemporaryFile

from emu.foreign import one_line


def say(error: BaseException, debug: bool) -> None:
    """The traceback itself with `debug`."""
    text = "".join(traceback.format_exception(error))
    if debug:
        sys.stderr.write(text)
        return
    what = "".join(traceback.format_exception_only(error)).strip()
    print(one_line(f"trapline: a mistake of trapline's own: {what}; {_kept(text)}"), file=sys.stderr)


def _kept(text: str) -> str:
    try:
        with NamedTemporaryFile(
            "w", prefix="trapline-", suffix=".txt", delete=False, errors="backslashreplace"
        ) as file:
            file.write(text)
    except OSError as error:
        return f"no file for the traceback ({error.strerror}): --debug prints it"
    return f"traceback in {file.name}"
