from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe, unregister_kprobe
from emu.kernel.probe import Kprobe
from emu.kernel.threads import threads
from emu.lab.lab import Lab


def reregister_vs_hit(lab: Lab) -> Mapping[str, KernelCode]:
    """CPU 0 is in a probe's trap while CPU 1 removes the probe, and, as that waits for RCU, puts a new one there. Is
    the new one hit by a trap that was not its own, or is the trap nobody's, because the word is a breakpoint again?"""
    old = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
    new = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
    lab.boot(register_kprobe(lab.kernel, old))
    remove, replace = unregister_kprobe(lab.kernel, old), register_kprobe(lab.kernel, new)
    return {
        "cpu0": run_guest(lab.cpus[0], "probe_me"),
        "cpu1": threads(remove, replace),
    }
