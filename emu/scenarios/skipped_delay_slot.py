from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe
from emu.kernel.probe import Kprobe
from emu.lab.lab import Lab


def skipped_delay_slot(lab: Lab) -> Mapping[str, KernelCode]:
    """Two probes: on a branch with a nop in its delay slot, and on a plain instruction behind it. Is the second one hit
    as if the first were not there, and is its instruction executed?"""
    for site in ("probe_delay_nop", "probe_delay_after"):
        lab.boot(register_kprobe(lab.kernel, Kprobe(lab.symbol(site))))
    return {"cpu0": run_guest(lab.cpus[0], "probe_delay", 3)}
