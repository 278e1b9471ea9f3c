from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.kernel.guest import run_guest
from emu.kernel.kprobes import register_kprobe
from emu.kernel.probe import Kprobe
from emu.lab.lab import Lab


def nested_probe(lab: Lab) -> Mapping[str, KernelCode]:
    """A probe's handler calls a function that is probed too: is the inner probe missed, and all else as without it?"""
    outer = Kprobe(lab.symbol("probe_me"), pre_handler=lab.call_guest("nested_target"))
    inner = Kprobe(lab.symbol("nested_target"))
    lab.boot(register_kprobe(lab.kernel, outer))
    lab.boot(register_kprobe(lab.kernel, inner))
    return {"cpu0": run_guest(lab.cpus[0], "probe_me")}
