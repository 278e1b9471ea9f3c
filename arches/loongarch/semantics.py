"""A LoongArch64 CPU: what each row of insns.decode does is in the modules whose names begin with this one's."""

from __future__ import annotations

from arches.loongarch import (
    semantics_arithmetic,
    semantics_bits,
    semantics_branches,
    semantics_memory,
    semantics_system,
)
from arches.loongarch.insns import TABLE
from arches.loongarch.registers import REGISTERS
from emu.machine.interp_cpu import InterpCpu, InterpSpec, semantics_of
from emu.machine.memory import Memory

PRMD_PIE = 1 << 2
_CRMD_RUNNING = 0xB4  # PLV0, interrupts on, paging on, accesses coherent and cached: as Linux sets it

SPEC = InterpSpec(
    table=TABLE,
    semantics=semantics_of(
        TABLE, semantics_arithmetic, semantics_bits, semantics_branches, semantics_memory, semantics_system
    ),
    registers=REGISTERS,
    reset={"prmd": PRMD_PIE, "crmd": _CRMD_RUNNING, "fcc": 0, "counter": 0},
    flag_bits={f"fcc{n}": ("fcc", n) for n in range(8)},
)


def make_cpu(id: int, memory: Memory) -> InterpCpu:
    """A CPU in kernel mode with interrupts on; CSR.CPUID and the counter's id are its number."""
    cpu = InterpCpu(SPEC, id, memory)
    cpu.special["cpuid"] = cpu.special["tid"] = id
    return cpu
