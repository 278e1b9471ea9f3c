from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.kernel.guest import run_guest
from emu.lab.lab import Lab


def foreign_break_gas(lab: Lab) -> Mapping[str, KernelCode]:
    """The original text holds a break with the kprobe's code but another word (MIPS: `break 515` as gas spells it): is
    it taken for a breakpoint that is gone?"""
    lab.symbol("foreign_break_gas_site")
    return {"cpu0": run_guest(lab.cpus[0], "foreign_break_gas")}
