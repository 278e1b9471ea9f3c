"""A CPU to hold simulation routines against: what the instruction does in place is what the routine must do."""

from __future__ import annotations

import pytest

from tools.in_place import InPlace


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> InPlace:
    """Of the module's `MACHINE`: what makes the CPU, its registers, where its text is and, if not 4 KiB, its size."""
    return InPlace(*request.module.MACHINE)
