"""Closed sets whose members users name by their values: on the command line, in `Settings(...)`, in JSON."""

from __future__ import annotations

from enum import StrEnum

from emu.errors import UsageError
from emu.spelling import one_of


class Choice(StrEnum):
    """A member is its value, as text too; the class called with any other value raises UsageError."""

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise UsageError(f"{cls.__name__.lower()} {value!r}: {one_of(str(value), cls)}")
