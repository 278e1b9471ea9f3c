from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import Kprobe, register_kprobe, unregister_kprobe
from emu.scenarios.lab import Lab


def reregister_vs_hit(lab: Lab) -> Mapping[str, KernelCode]:
    """While CPU 0 is in the trap, CPU 1 removes the probe and puts another one there: before the lookup the new probe
    is hit by a trap that was not its own; between lookup and compare the word is a breakpoint again, and not claimed."""
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
