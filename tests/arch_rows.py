"""Tables written by hand, with a row for each architecture: a sentence says which row a new architecture lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import pytest

import arches

Row = TypeVar("Row")


class Rows(dict[str, Row]):
    """A table by architecture; `table` says where it is: `"tests/kernel/test_insn_slots.py: MASKS"`."""

    def __init__(self, table: str, rows: Mapping[str, Row]) -> None:
        super().__init__(rows)
        self.table = table

    def __missing__(self, arch: str) -> Row:
        lacking(arch, self.table)


def lacking(arch: str, table: str) -> None:
    pytest.fail(f"arches/{arch} needs a row in {table}", pytrace=False)


def every_arch_has_a_row(table: str, rows: Iterable[str]) -> None:
    """For tables that are lists: `rows` are the architectures that they name."""
    for arch in sorted(set(arches.names()) - set(rows)):
        lacking(arch, table)
