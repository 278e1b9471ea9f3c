from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.lab.lab import Lab


def likely_branch(lab: Lab) -> Mapping[str, KernelCode]:
    """A branch-likely is probed: is its delay slot executed if it is taken, and only then?"""
    return lab.probe_and_run("probe_likely_site", "probe_likely")
