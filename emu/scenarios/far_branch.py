from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.lab.lab import Lab


def far_branch(lab: Lab) -> Mapping[str, KernelCode]:
    """A branch at the end of its reach is simulated: does it go where it says?"""
    return lab.probe_and_run("probe_branch_far_site", "probe_branch_far")
