from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import Kprobe, register_kprobe, unregister_kprobe
from emu.scenarios.lab import Lab


def reregister_vs_hit(lab: Lab) -> Mapping[str, KernelCode]:
    """CPU 1 replaces the probe while CPU 0 is in its trap: is the new probe hit by a trap that was not its own, and
    is the trap unclaimed where the word is a breakpoint again by the time of the comparison?"""
    old = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
    new = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
    lab.boot(register_kprobe(lab.kernel, old))

    async def replace() -> None:
        await unregister_kprobe(lab.kernel, old)
        await register_kprobe(lab.kernel, new)

    return {
        "cpu0": run_guest(lab.cpus[0], "probe_me"),
        "cpu1": replace(),
    }
