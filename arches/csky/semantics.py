"""A C-SKY CPU: what each row of insns.decode does is in the modules whose names begin with this one's."""

from __future__ import annotations

from arches.csky import (
    semantics_arithmetic,
    semantics_basic,
    semantics_bits,
    semantics_hilo,
    semantics_memory,
    semantics_system,
)
from arches.csky.insns import TABLE
from arches.csky.registers import PSR_TM_STEP, REGISTERS, RESET
from emu.machine.interp_cpu import InterpCpu, InterpSpec, semantics_of
from emu.machine.memory import Memory

SPEC = InterpSpec(
    table=TABLE,
    semantics=semantics_of(
        TABLE,
        semantics_arithmetic,
        semantics_basic,
        semantics_bits,
        semantics_hilo,
        semantics_memory,
        semantics_system,
    ),
    registers=REGISTERS,
    reset=RESET,
    flag_bits={"c": ("psr", 0)},
    trace=("psr", PSR_TM_STEP),
    alignment=2,
)


def make_cpu(id: int, memory: Memory) -> InterpCpu:
    """A CPU as a running kernel has it: supervisor mode, interrupts on, not traced."""
    return InterpCpu(SPEC, id, memory)
