"""Calling what the user gave (scenarios, handlers, notifiers), and whose fault it is if that raises."""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emu.errors import HandlerError, TraplineError
from emu.explore.ops import ExecutionEnds
from emu.parallel.interrupts import is_interrupt

_ROOT = Path(__file__).parents[1]  # not resolved, as little as the files of code are
OURS = (f"{_ROOT / 'emu'}{os.sep}", f"{_ROOT / 'arches'}{os.sep}")


async def call(handler: Callable[..., Any], *arguments: Any) -> Any:
    """The handler's result; HandlerError names the handler, the exception and the place it was raised at."""
    with blamed(handler):
        if not callable(handler):
            raise HandlerError(f"handler {handler!r}: expected a function")
        result = handler(*arguments)
        return await result if inspect.isawaitable(result) else result


class Endless(BaseException):
    """Code of others is ended because it would not come back; no Exception, which a loop may catch."""


class Violation(HandlerError):
    """An assertion of the user's code that does not hold; `what` is what it says, or its line where it says nothing."""

    def __init__(self, message: str, what: str) -> None:
        super().__init__(message)
        self.what = what


@contextmanager
def blamed(code: object, expected: str = "it to return") -> Iterator[None]:
    """Whatever is raised within is the code's fault, a HandlerError that says so; of a failed `assert` a Violation. But
    for ^C, and for GeneratorExit, with which Python ends a coroutine that nobody needs any more."""
    try:
        yield
    except (TraplineError, ExecutionEnds, GeneratorExit, Endless):
        raise
    except AssertionError as error:
        message, where = describe(code, error, expected), traceback.extract_tb(error.__traceback__)[-1]
        if is_ours(where.filename):
            raise HandlerError(message) from error
        raise Violation(message, " ".join(str(error).split()) or f"{where.line}") from error
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise HandlerError(describe(code, error, expected)) from error


def is_ours(file: str) -> bool:
    """Whether a file of code is trapline's."""
    return file.startswith(OURS)


def name_of(code: object) -> str:
    """What to call a function, coroutine or file in a message."""
    return code if isinstance(code, str) else getattr(code, "__name__", repr(code))


def describe(code: object, error: BaseException, expected: str) -> str:
    """One line: who raised what, and where: the last place that is not trapline's own, or where the code begins."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [f"{frame.filename}:{frame.lineno}" for frame in frames if not frame.filename.startswith(OURS)]
    what = " ".join([f"{type(error).__name__}:", *str(error).split()])
    return f"{name_of(code)} raised {what} at {[place_of(code), *theirs][-1]}; expected {expected}"


def place_of(code: object) -> str:
    """Where a function or coroutine is written."""
    begins = getattr(code, "__code__", getattr(code, "cr_code", None))
    return f"{begins.co_filename}:{begins.co_firstlineno}" if begins is not None else name_of(code)
