"""The variants that every architecture has: its own versions, and the what-ifs with and without the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from emu.kernel.port import Variant


def with_and_without_recheck(mainline: Variant, *others: Variant) -> Mapping[str, Variant]:
    """By name: the given ones, then `recheck` and `no-recheck`, the newest handler with and without the check."""
    recheck = replace(
        mainline, name="recheck", title="what if: the newest handler with the word comparison", rechecks_word=True
    )
    without = replace(mainline, name="no-recheck", title="what if: the newest handler without it", rechecks_word=False)
    return {variant.name: variant for variant in (mainline, *others, recheck, without)}
