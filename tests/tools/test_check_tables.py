"""`tools/check_tables.py`: which checker, and what `--full` stands for."""

from __future__ import annotations

import importlib

import pytest

import arches
from tools import check_tables


def test_every_architecture_has_a_checker() -> None:
    assert set(check_tables.architectures()) >= set(arches.names())


@pytest.mark.parametrize("arch", arches.names())
def test_all_of_it_is_ten_million_words(monkeypatch: pytest.MonkeyPatch, arch: str) -> None:
    checker = importlib.import_module(f"tools.check_{arch}")
    given: list[list[str]] = []
    monkeypatch.setattr(checker, "main", lambda options: given.append(options) or 0)
    assert check_tables.main([arch, "--full", "--seed", "7"]) == 0
    assert check_tables.main([arch, "--seed", "7"]) == 0
    full, slice_of_it = given
    assert full[-2:] == slice_of_it == ["--seed", "7"]
    assert int(full[1]) >= 10_000_000 and full[0] in ("--words", "--count")
    if arch == "loongarch":
        assert full[2:4] == ["--execute", "1000000"]
