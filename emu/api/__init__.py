"""trapline: a laboratory for kernel probes. This is all that scenarios, tests and notebooks need to import.

A scenario is a function that is given a `Lab`, sets a world up, and says what each CPU does:

>>> from trapline import Kprobe, Lab, explore, register_kprobe, replay, run_guest, unregister_kprobe
>>> def mine(lab: Lab):
...     probe = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
...     lab.boot(register_kprobe(lab.kernel, probe))
...     return {"cpu0": run_guest(lab.cpus[0]), "cpu1": unregister_kprobe(lab.kernel, probe)}
>>> cell = explore(mine, "riscv", patching="live", variant="no-recheck")
>>> str(cell.frequency("oops"))
'sometimes'
>>> run = replay(mine, "riscv", cell.witness("oops"), patching="live", variant="no-recheck")
>>> run.events[-1].text
'die: Kernel BUG at probe_me'

Kernel code is `async def`. Before it touches something that others can see it awaits `load`, `store` or `update`, by
name; `wait` blocks; `own` is a point where it can still be interrupted. What stands between two awaits happens at once.
"""

from emu.errors import TraplineError
from emu.explore.ops import Op, load, own, store, update, wait
from emu.explore.schedule import format_schedule, parse_schedule
from emu.kernel.guest import call_guest, run_guest
from emu.kernel.kprobes import register_kprobe, unregister_kprobe
from emu.kernel.outcome import Outcome
from emu.kernel.probe import Kprobe
from emu.lab.cells import Cell, Run, Settings
from emu.lab.lab import Lab

from .calls import Options, explore, opcode, replay, run, settings

__all__ = [
    "Cell",
    "Kprobe",
    "Lab",
    "Op",
    "Options",
    "Outcome",
    "Run",
    "Settings",
    "TraplineError",
    "call_guest",
    "explore",
    "format_schedule",
    "load",
    "opcode",
    "own",
    "parse_schedule",
    "register_kprobe",
    "replay",
    "run",
    "run_guest",
    "settings",
    "store",
    "unregister_kprobe",
    "update",
    "wait",
]
