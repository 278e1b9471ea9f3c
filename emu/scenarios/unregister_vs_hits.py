from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe, unregister_kprobe
from emu.kernel.probe import Kprobe
from emu.lab.lab import Lab


def unregister_vs_hits(lab: Lab) -> Mapping[str, KernelCode]:
    """All CPUs but the last walk into a probe while the last takes it away: do several walkers make a difference?"""
    probe = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
    lab.boot(register_kprobe(lab.kernel, probe))
    *walkers, last = lab.cpus
    hits = {cpu.name: run_guest(cpu, "probe_me") for cpu in walkers}
    return {**hits, last.name: unregister_kprobe(lab.kernel, probe)}
