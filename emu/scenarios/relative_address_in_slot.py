from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.lab.lab import Lab


def relative_address_in_slot(lab: Lab) -> Mapping[str, KernelCode]:
    """An instruction that computes an address from its own is stepped: is it the address of the slot?"""
    return lab.probe_and_run("probe_grs_site", "probe_grs")
