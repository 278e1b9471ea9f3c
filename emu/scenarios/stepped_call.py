from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.lab.lab import Lab


def stepped_call(lab: Lab) -> Mapping[str, KernelCode]:
    """A 16-bit call through a register that the kernel does not know for one is stepped: does it come back?"""
    return lab.probe_and_run("probe_jsr16_site", "probe_jsr16")
