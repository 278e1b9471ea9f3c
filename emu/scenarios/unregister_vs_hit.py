from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe, unregister_kprobe
from emu.kernel.probe import Kprobe
from emu.lab.lab import Lab


def unregister_vs_hit(lab: Lab) -> Mapping[str, KernelCode]:
    """CPU 0 walks into a probe while CPU 1 takes it away: can the handler find no probe, and what then?"""
    probe = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
    lab.boot(register_kprobe(lab.kernel, probe))
    return {
        "cpu0": run_guest(lab.cpus[0], "probe_me"),
        "cpu1": unregister_kprobe(lab.kernel, probe),
    }
