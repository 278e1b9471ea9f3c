from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.lab.lab import Lab


def flag_of_stepped_compare(lab: Lab) -> Mapping[str, KernelCode]:
    """A compare is stepped under a probe: does the branch behind it see the flag that the compare set?"""
    return lab.probe_and_run("probe_compare_site", "probe_compare")
