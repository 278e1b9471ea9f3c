"""What the rest of trapline sees of a CPU: registers, steps, and why it stopped, as values.

A CPU fetches from a view of text of its own. `sync_icache` brings a range of that view up to date
with memory; until then the CPU goes on fetching what it had. Data accesses go to the shared memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Protocol, runtime_checkable

from emu.machine.memory import Memory


class TrapKind(Enum):
    """The exceptions that a guest can take; names are trapline's, the same for every architecture."""

    BREAK = "break"  # break, brk, ebreak, int3, bkpt
    TRACE = "trace"  # hardware single step: C-SKY vector 6, x86 #DB
    SYSCALL = "syscall"
    ILLEGAL = "illegal"  # includes x86 ud2 and C-SKY 0x1464
    TRAP = "trap"  # conditional traps: MIPS teq and relatives, C-SKY trap 1..3
    OVERFLOW = "overflow"
    DIVIDE = "divide"
    UNALIGNED = "unaligned"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Trap:
    """An exception. `pc` is the trapping instruction's own address, on every architecture.

    The CPU's own `pc` register is what the hardware would have saved: equal to `pc` here, but the
    branch before it in a delay slot (MIPS EPC with Cause.BD), and the byte after int3 on x86.
    `code` is the code in the word (None where the instruction has none); for a TRACE trap `pc` is the
    next instruction to execute.
    """

    kind: TrapKind
    pc: int
    code: int | None = None
    delay_slot: bool = False


class MemoryAccess(StrEnum):
    """What a CPU does with memory."""

    FETCH = "fetch"
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Fault:
    """An access to memory that is not there or not allowed."""

    access: MemoryAccess
    address: int
    pc: int


@dataclass(frozen=True, slots=True)
class Halt:
    """The CPU reached its `halt_at` address; the instruction there was not executed."""

    pc: int


@dataclass(frozen=True, slots=True)
class Limit:
    """`run` executed as many instructions as it was allowed."""

    executed: int


Stop = Trap | Fault | Halt | Limit


class Registers(Protocol):
    """General registers by number; a hard-wired zero reads 0 and ignores writes."""

    def __getitem__(self, number: int) -> int: ...
    def __setitem__(self, number: int, value: int) -> None: ...


class Cpu(Protocol):
    """One emulated CPU.

    `gpr` are the general registers by number, unsigned, width as the architecture's; `get` and `set`
    take any name in the architecture's `RegisterFile` (numbered, ABI, or special) and raise `UsageError`
    for others. Nothing is done inside engine callbacks: they record the reason and stop.
    """

    id: int
    halt_at: int | None

    @property
    def gpr(self) -> Registers: ...
    @property
    def pc(self) -> int: ...
    @pc.setter
    def pc(self, value: int) -> None: ...
    def get(self, name: str) -> int: ...
    def set(self, name: str, value: int) -> None: ...

    def reader(self, names: Sequence[str]) -> Callable[[], tuple[int, ...]]:
        """A function that gives the values of these registers, in order; cheaper than `get` of each."""
        ...

    def step(self) -> Stop | None:
        """Execute one instruction (on MIPS a branch with its delay slot); None if it just completed."""
        ...

    def run(self, limit: int) -> Stop:
        """Step until something other than completion, or `limit` instructions."""
        ...

    def snapshot(self) -> Any:
        """Registers and instruction view, to be given back to `restore` of the same CPU, any number of times."""
        ...

    def restore(self, state: Any) -> None: ...

    def state(self) -> Hashable:
        """All that decides how it goes on, as a value: registers, reservation and instruction view."""
        ...

    def sync_icache(self, addr: int, size: int) -> None:
        """Make this CPU's instruction view of [addr, addr+size) equal to memory."""
        ...

    def fetched(self, addr: int, size: int) -> bytes:
        """What this CPU would fetch now at addr: its own view, not memory."""
        ...

    def remap(self) -> None:
        """Take over the regions that memory has now instead of those it had; earlier snapshots are void."""
        ...

    def clear_reservation(self) -> None:
        """Drop the ll/sc, lr/sc or exclusive reservation, as an exception return does."""
        ...


@runtime_checkable
class Translator(Protocol):
    """A CPU that translates instructions before it executes them, also those behind the one that is executed."""

    @property
    def untranslatable(self) -> Collection[int]:
        """Addresses of instructions that end the process if they are met."""
        ...


MakeCpu = Callable[[int, Memory], Cpu]
"""A CPU of a number, on a memory."""
