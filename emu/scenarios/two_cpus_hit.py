from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe
from emu.kernel.probe import Kprobe
from emu.lab.lab import Lab


def two_cpus_hit(lab: Lab) -> Mapping[str, KernelCode]:
    """Two CPUs run into the same probe at once: do they share anything but the slot?"""
    probe = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
    lab.boot(register_kprobe(lab.kernel, probe))
    return {
        "cpu0": run_guest(lab.cpus[0], "probe_me"),
        "cpu1": run_guest(lab.cpus[1], "probe_me"),
    }
