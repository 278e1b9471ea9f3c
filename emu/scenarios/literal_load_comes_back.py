from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.lab.lab import Lab


def literal_load_comes_back(lab: Lab) -> Mapping[str, KernelCode]:
    """A literal load is simulated: does the pc go on behind it, or is the probe hit for ever?"""
    return lab.probe_and_run("probe_lrw16_site", "probe_lrw16")
