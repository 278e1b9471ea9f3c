from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.kernel.guest import run_guest
from emu.lab.lab import Lab


def foreign_break(lab: Lab) -> Mapping[str, KernelCode]:
    """The original text holds the kprobe breakpoint word itself, and nobody has a probe there: who gets the trap?"""
    lab.symbol("foreign_break_site")
    return {"cpu0": run_guest(lab.cpus[0], "foreign_break")}
