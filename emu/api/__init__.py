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

from emu.errors import HandlerError, ScheduleError, TraplineError, UsageError
from emu.explore.ops import Op, load, own, retry, store, update, wait
from emu.explore.schedule import format_schedule, parse_schedule
from emu.kernel.guest import call_guest, run_guest
from emu.kernel.interrupts import raise_interrupt
from emu.kernel.kallsyms import table_at, text_at
from emu.kernel.kprobes import (
    arm_kprobe,
    disable_kprobe,
    disarm_kprobe,
    enable_kprobe,
    register_kprobe,
    unregister_kprobe,
)
from emu.kernel.notifier import register_die_notifier
from emu.kernel.outcome import Outcome
from emu.kernel.probe import Kprobe, KprobeFlag
from emu.kernel.state import DieNotifier, Event, Interrupt
from emu.kernel.text import flush as flush_text
from emu.kernel.text import read as read_text
from emu.kernel.text import store as store_text
from emu.kernel.text import synchronised as text_synchronised
from emu.kernel.threads import threads
from emu.kernel.trace import log
from emu.lab.cells import Cell, Run, Settings
from emu.lab.lab import Lab, NotApplicable

from .calls import Options, explore, opcode, replay, run, settings

__all__ = [
    "Cell",
    "DieNotifier",
    "Event",
    "HandlerError",
    "Interrupt",
    "Kprobe",
    "KprobeFlag",
    "Lab",
    "NotApplicable",
    "Op",
    "Options",
    "Outcome",
    "Run",
    "ScheduleError",
    "Settings",
    "TraplineError",
    "UsageError",
    "arm_kprobe",
    "call_guest",
    "disable_kprobe",
    "disarm_kprobe",
    "enable_kprobe",
    "explore",
    "flush_text",
    "format_schedule",
    "load",
    "log",
    "opcode",
    "own",
    "parse_schedule",
    "raise_interrupt",
    "read_text",
    "register_die_notifier",
    "register_kprobe",
    "replay",
    "retry",
    "run",
    "run_guest",
    "settings",
    "store",
    "store_text",
    "table_at",
    "text_at",
    "text_synchronised",
    "threads",
    "unregister_kprobe",
    "update",
    "wait",
]
