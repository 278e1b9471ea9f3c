"""The command line that shows a thing again, to be pasted into a shell."""

from __future__ import annotations

import shlex

from emu.explore.schedule import Schedule, format_schedule
from emu.lab.cells import Settings


def replay_command(settings: Settings, schedule: Schedule) -> str:
    """One execution."""
    names = settings.names()
    given = {"arch": names["arch"], "variant": settings.variant or "mainline", "patching": names["patching"]}
    given |= {"preempt": names["preempt"]}
    given |= {"cpus": names["cpus"]} if settings.cpus != Settings.cpus else {}
    given |= {"views": names["views"]} if settings.views is not None else {}
    pairs = [*given.items(), *(("fix", bug) for bug in settings.fix), ("schedule", format_schedule(schedule))]
    options = [part for name, value in pairs for part in (f"--{name}", str(value))]
    return shlex.join(["trapline", "run", settings.scenario.name, *options])
