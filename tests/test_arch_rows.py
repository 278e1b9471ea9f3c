"""A table without a row for an architecture fails with a sentence."""

import pytest

import arches
from tests.arch_rows import Rows, every_arch_has_a_row


def test_a_row_that_is_there_is_found():
    assert Rows("tests/x.py: WORDS", {"mips": 4})["mips"] == 4
    every_arch_has_a_row("tests/x.py: WORDS", arches.names())


def test_a_row_that_is_missing_is_named():
    with pytest.raises(pytest.fail.Exception, match=r"^arches/toy needs a row in tests/x\.py: WORDS$"):
        Rows("tests/x.py: WORDS", {"mips": 4})["toy"]
    with pytest.raises(pytest.fail.Exception, match=r"^arches/arm64 needs a row in tests/x\.py: LIST$"):
        every_arch_has_a_row("tests/x.py: LIST", set(arches.names()) - {"arm64", "csky"})
