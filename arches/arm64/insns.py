"""The encoding classes of ARM64, from insns.decode. No row is an instruction: text is Capstone's and Keystone's."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from emu.isa.table import Row, parse_rows


@cache
def classes() -> tuple[Row, ...]:
    """The rows."""
    return tuple(parse_rows((files("arches.arm64") / "insns.decode").read_text(encoding="utf-8"), "insns.decode"))
