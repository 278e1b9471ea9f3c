"""Calling what the user gave: probe handlers, plain or `async`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from emu.errors import HandlerError, TraplineError
from emu.explore.ops import ExecutionEnds


async def call(handler: Callable[..., Any], *arguments: Any) -> Any:
    """The handler's result; HandlerError names the handler, the exception and the place it was raised at."""
    try:
        result = handler(*arguments)
        return await result if inspect.isawaitable(result) else result
    except (TraplineError, ExecutionEnds):
        raise
    except Exception as error:
        raise HandlerError(describe(name_of(handler), error)) from error


def name_of(code: object) -> str:
    """What to call a function or coroutine in a message."""
    return getattr(code, "__name__", repr(code))


def describe(name: str, error: Exception, expected: str = "it to return") -> str:
    """One line: who raised what, and where."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "?"
    text = " ".join(str(error).split())
    return f"{name} raised {type(error).__name__}: {text} at {place}; expected {expected}"
