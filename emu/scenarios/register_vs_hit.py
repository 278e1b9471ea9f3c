from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe
from emu.kernel.probe import Kprobe
from emu.lab.lab import Lab


def register_vs_hit(lab: Lab) -> Mapping[str, KernelCode]:
    """CPU 0 runs through an instruction while CPU 1 puts a probe on it: can the trap come before the hash entry?"""
    probe = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
    return {
        "cpu0": run_guest(lab.cpus[0], "probe_me"),
        "cpu1": register_kprobe(lab.kernel, probe),
    }
