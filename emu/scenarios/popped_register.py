from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.lab.lab import Lab


def popped_register(lab: Lab) -> Mapping[str, KernelCode]:
    """A pop of a long list is simulated: does each value go into its own register?"""
    return lab.probe_and_run("probe_pop32_site", "probe_pop32")
