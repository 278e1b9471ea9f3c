from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.lab.lab import Lab


def half_of_instruction_copied(lab: Lab) -> Mapping[str, KernelCode]:
    """A 32-bit instruction is stepped where instructions have two sizes: is all of it copied to its slot?"""
    return lab.probe_and_run("probe_step32_site", "probe_step32")
