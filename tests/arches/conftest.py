"""A CPU to hold simulation routines against: what the instruction does in place is what the routine must do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tools.in_place import InPlace


@pytest.fixture
def in_place() -> Callable[..., Any]:
    return InPlace
