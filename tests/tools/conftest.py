"""What disassemblers say to a sample of words, for breaking rule tables on purpose."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.tools.rule_mutants import Said
from tools import llvm_mc


@pytest.fixture(scope="session")
def ask() -> Callable[..., Said]:
    """Words and what each of the tools makes of them; skips where LLVM is missing."""

    def said(tools, words) -> Said:
        return dict(zip(words, zip(*(texts(words) for texts in tools.values()), strict=True), strict=True))

    if llvm_mc.missing():
        pytest.skip(str(llvm_mc.missing()))
    return said
