"""A kernel is built: its structs are made and tied together. Nothing else in this folder makes them."""

from __future__ import annotations

from emu.kernel.patching import POLICIES
from emu.kernel.state import Config, InsnSlots, Kernel, Percpu, TextPokeArray
from emu.machine.cpu import Cpu
from emu.machine.machine import Machine


def boot(config: Config, machine: Machine) -> Kernel:
    """A kernel that has just begun to boot: only its first CPU runs code."""
    kernel = Kernel(
        config=config,
        machine=machine,
        patch_text=POLICIES[config.patching],
        slots=insn_slots(machine, config.port.slot_size),
        bug_table=machine.bug_table,
        text_poke_array=TextPokeArray([0] * len(machine.cpus)),
    )
    kernel.percpu = [new_percpu(kernel, core) for core in machine.cpus]
    return kernel


def new_percpu(kernel: Kernel, core: Cpu) -> Percpu:
    """A CPU that has nothing under way."""
    return Percpu(core, kernel, kernel.port.new_kcb())


def insn_slots(machine: Machine, size: int) -> InsnSlots:
    """All of the region that copies are stepped in, but for the pad that guest calls return to."""
    base = machine.slots.base
    return InsnSlots(base, size, (machine.return_pad - base) // size)
