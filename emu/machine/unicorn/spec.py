"""What an architecture tells `UnicornCpu` about itself, in plain strings and numbers.

Constants of Unicorn are written without the `UC_` and architecture part: model "A72" of arch "ARM64" is
`UC_CPU_ARM64_A72`, register "NZCV" is `UC_ARM64_REG_NZCV`. This file does not import Unicorn, so an
architecture can be read, and its tables used, without the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from emu.bits import PAGE
from emu.isa.registers import RegisterFile
from emu.machine.cpu import Fault, MemoryAccess, Trap
from emu.machine.unicorn.guard import Guard
from emu.machine.unicorn.host_values import HostValueSpec
from emu.machine.unicorn.pairs import PairSpec

Fetch = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class EngineStop:
    """How the engine left a step, raw. `start` is where the step began, `pc` what the engine says now.

    `interrupt` is the number that the interrupt hook got; `hooked` the name of one of `insn_hooks`;
    `fault` the access and address of a memory error; `error` Unicorn's own
    error number. At least one is set. `fetch(addr, size)` reads the CPU's instruction view.
    """

    start: int
    pc: int
    interrupt: int | None
    hooked: str | None
    fault: tuple[MemoryAccess, int] | None
    error: int
    fetch: Fetch


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a stop means: the value `step` returns and the pc that the hardware would have saved.

    `stale` says that the engine keeps something of the exception that no register shows and that would
    spoil the next step (MIPS: "in a delay slot"; x86: "handling an exception", so that the next is a double
    fault). The CPU then moves its registers into a fresh engine state.
    """

    stop: Trap | Fault | None
    pc: int
    stale: bool = False


@dataclass(frozen=True)
class UnicornSpec:
    """One architecture for `UnicornCpu`.

    `registers` maps every name of the register file that is not in `gpr`, a flag or soft to the engine's;
    `flags` gives the register (a name in `registers`) and bit of each flag. `soft` registers exist only in Python,
    with their values after reset. `initial` are engine registers set after reset. `clear_reservation`
    is code, run at `scratch` (a page in no region), that drops the reservation and changes nothing else
    (none where there are no reservations). `virtual_tlb` lets the engine use addresses as they are.
    `leaves_pending(start, pc, fetch)`: whether the engine may have kept a branch that completed, from one to the other.
    `guard` knows the words that the engine does not survive. `pairs` are registers that a mode joins two by two.
    `host_values` knows the instructions whose result would be another one each time.
    """

    arch: str
    modes: tuple[str, ...]
    cpu_model: str | None
    file: RegisterFile
    gpr: tuple[str, ...]
    pc: str
    interpret: Callable[[EngineStop], Meaning]
    registers: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    soft: Mapping[str, int] = field(default_factory=dict)
    initial: Mapping[str, int] = field(default_factory=dict)
    insn_hooks: tuple[str, ...] = ()
    pc_alignment: int = 1
    clear_reservation: bytes = b""
    scratch: int = 0
    virtual_tlb: bool = False
    leaves_pending: Callable[[int, int, Fetch], bool] | None = None
    guard: Guard | None = None
    pairs: PairSpec | None = None
    host_values: HostValueSpec | None = None


def plain_fault(stop: EngineStop) -> Meaning:
    """A memory error outside of delay slots; fault must be set.

    When a fetch elsewhere than at `start` fails, the step's own instruction was executed, and the next step will fail
    by itself. The engine fetches ahead: from where a jump goes up to where memory ends, if an instruction lies across
    that.
    """
    assert stop.fault is not None
    access, address = stop.fault
    ahead = address % PAGE == 0 and address - PAGE <= stop.pc < address
    if access is MemoryAccess.FETCH and stop.pc != stop.start and (stop.pc == address or ahead):
        return Meaning(None, stop.pc)
    return Meaning(Fault(access, address, stop.start), stop.start)
