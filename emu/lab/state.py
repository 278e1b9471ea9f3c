"""Which objects of a laboratory do not change from one step to the next, or tell their state themselves."""

from __future__ import annotations

import os

from emu.blame import OURS
from emu.explore.canonical import Kinds
from emu.isa.table import Row
from emu.kernel.state import Config, Port, StepOps, Variant
from emu.machine.machine import Machine
from emu.machine.memory import Memory

PYTHON = f"{os.path.dirname(os.__file__)}{os.sep}"


def kinds_of(machine: Machine) -> Kinds:
    """For worlds on this machine. Its CPUs and its memory tell their state themselves."""
    cores = {type(core) for core in machine.cpus} | {type(core.gpr) for core in machine.cpus}
    return Kinds((Config, Machine, Memory, Port, Row, StepOps, Variant, *cores), trusted)


def trusted(file: str) -> bool:
    """Whether the code in a file keeps no state in its module: trapline's own, and Python's."""
    return file.startswith(OURS) or (file.startswith(PYTHON) and "site-packages" not in file)
