from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.lab.lab import Lab
from emu.scenarios.unregister_vs_hit import unregister_vs_hit


def stale_view_after_ipi(lab: Lab) -> Mapping[str, KernelCode]:
    """As unregister_vs_hit, where CPUs go on fetching a removed breakpoint after they have synchronised, until their
    next exception (QEMU's TCG, January 2024): who dies of a breakpoint that is not there?"""
    return unregister_vs_hit(lab)


stale_view_after_ipi.views = "stale"  # type: ignore[attr-defined]  # read by Settings
