"""A CPU that interprets an instruction table: for architectures that Unicorn lacks.

An architecture gives a table and a function for each row (`addi_d(cpu, i)`), which works on `cpu.gpr`,
`cpu.special`, `cpu.pc` and `cpu.next_pc`, accesses memory by `cpu.load` and `cpu.store`, and traps by
`cpu.trap`. Such a function must not have changed anything when it traps or faults.

Decoded instructions are kept by pc, so the common path of `run` is one dictionary access and one call.

Reservations (ll/sc) are kept in the shared memory, by CPU: a store to the same line by any other CPU,
or by the host, ends them, also when it stores the value that was there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from inspect import signature
from types import ModuleType
from typing import NoReturn

from emu.bits import mask
from emu.errors import DecodeError, MemoryAccessError, TableError
from emu.isa.registers import RegisterFile
from emu.isa.table import Insn, Table
from emu.machine.cpu import Fault, Halt, Limit, MemoryAccess, Stop, Trap, TrapKind
from emu.machine.memory import Memory, Region
from emu.machine.text_view import TextView, ViewState

Execute = Callable[["InterpCpu", Insn], None]
_LONGEST = 4  # bytes of an instruction


@dataclass(frozen=True)
class InterpSpec:
    """What an architecture gives. `semantics` has a function for every row of `table`, by row name.

    `reset` holds the special registers with their first values: those in `registers` start at 0 if not
    named here, and there may be more, which only instructions see. `flag_bits` place a flag in a special
    register, `{"c": ("psr", 0)}`; other flags are special registers of their own. `trace` is a special register
    and mask: while any of these bits is set, every completed instruction is followed by a TRACE trap.
    Instructions lie at multiples of `alignment` bytes; a pc between them is an UNALIGNED trap.
    """

    table: Table
    semantics: Mapping[str, Execute]
    registers: RegisterFile
    reset: Mapping[str, int] = field(default_factory=dict)
    flag_bits: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    trace: tuple[str, int] | None = None
    alignment: int = 4

    def __post_init__(self) -> None:
        for row in self.table.rows:
            if row.name not in self.semantics:
                raise TableError(f"{row.where}: {row.name}: expected a function for this row")


def semantics_of(table: Table, *modules: ModuleType) -> dict[str, Execute]:
    """Functions for a table's rows: `addi.d` is `addi_d`, the keyword `and` is `and_`.

    Only functions (cpu, i) that a module has itself count, not what it imports. TableError for a row's name
    that something else has, or two modules have.
    """
    names = {row.name.replace(".", "_"): row for row in table.rows}
    found: dict[str, Execute] = {}
    for module in modules:
        for name, value in vars(module).items():
            row = names.get(name) or names.get(name.removesuffix("_"))
            if row is None or getattr(value, "__module__", None) != module.__name__:
                continue
            if row.name in found or tuple(signature(value).parameters) != ("cpu", "i"):
                raise TableError(f"{module.__name__}.{name}: expected one function (cpu, i) for the row {row.name}")
            found[row.name] = value
    return found


class Stopped(Exception):
    """How an instruction ends a step before it completes; `run` returns the reason."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop)
        self.stop = stop


class GprFile(list[int]):
    """General registers by number. Subclasses know the width and the hard-wired zero."""


@cache
def _gpr_class(bits: int, zero: int | None) -> type[GprFile]:
    top, store = mask(bits), list.__setitem__

    class Gpr(GprFile):
        def __setitem__(self, number, value):  # type: ignore[no-untyped-def] # never a slice
            if number != zero:
                store(self, number, value & top)

    return Gpr


@dataclass(frozen=True, slots=True)
class InterpState:
    """A snapshot; good for the CPU that made it."""

    gpr: tuple[int, ...]
    pc: int
    special: dict[str, int]
    reservation: int | None
    views: tuple[ViewState, ...]


class InterpCpu:
    """One interpreted CPU; see `emu.machine.cpu.Cpu` for the contract. All text regions must exist before it does."""

    def __init__(self, spec: InterpSpec, id: int, memory: Memory) -> None:
        registers = spec.registers
        self.id = id
        self.spec = spec
        self.memory = memory
        self.halt_at: int | None = None
        self.gpr: GprFile = _gpr_class(registers.bits, registers.zero)([0] * len(registers.gpr))
        self.pc = 0
        self.next_pc = 0  # where the instruction being executed leads; semantics of branches set it
        flags = [name for name in registers.flags if name not in spec.flag_bits]
        self.special = dict.fromkeys((*registers.special, *flags, registers.status), 0) | dict(spec.reset)
        self._top = mask(registers.bits)
        self._views = [TextView(region) for region in memory.regions if region.executable]
        self._decoded: dict[int, tuple[Execute, Insn, int]] = {}
        self._region: Region | None = None  # the last one accessed

    # Registers

    def get(self, name: str) -> int:
        """A register by any name; UsageError for an unknown one."""
        name = self.spec.registers.canonical(name)
        if name == "pc":
            return self.pc
        if name in self.spec.registers.gpr:
            return self.gpr[self.spec.registers.gpr.index(name)]
        if name in self.spec.flag_bits:
            register, bit = self.spec.flag_bits[name]
            return self.special[register] >> bit & 1
        return self.special[name]

    def set(self, name: str, value: int) -> None:
        """Set a register by any name, cut to its width; UsageError for an unknown one."""
        name = self.spec.registers.canonical(name)
        if name == "pc":
            self.pc = value & self._top
        elif name in self.spec.registers.gpr:
            self.gpr[self.spec.registers.gpr.index(name)] = value
        elif name in self.spec.flag_bits:
            register, bit = self.spec.flag_bits[name]
            self.special[register] = self.special[register] & ~(1 << bit) | (value & 1) << bit
        else:
            self.special[name] = value & (1 if name in self.spec.registers.flags else self._top)

    def reader(self, names: Sequence[str]) -> Callable[[], tuple[int, ...]]:
        """See `Cpu`."""
        gpr, special = self.gpr, self.special
        places = {name: place for place, name in enumerate(("pc", *self.spec.registers.gpr, *special))}
        sources = [self._source(self.spec.registers.canonical(name)) for name in names]
        parts = [(places[name], bit, top) for name, bit, top in sources]

        def read() -> tuple[int, ...]:
            values = [self.pc, *gpr, *special.values()]
            return tuple([values[place] >> bit & top for place, bit, top in parts])

        return read

    def _source(self, name: str) -> tuple[str, int, int]:
        """The register that a name is in, its lowest bit there, and the mask of its width."""
        if name in self.spec.flag_bits:
            return *self.spec.flag_bits[name], 1
        return name, 0, self._top

    # Execution

    def step(self) -> Stop | None:
        """Execute one instruction; None if it just completed."""
        stop = self.run(1)
        return None if isinstance(stop, Limit) else stop

    def run(self, limit: int) -> Stop:
        """Execute up to `limit` instructions; the reason for stopping."""
        try:
            return self._run(limit) if self.spec.trace is None else self._run_traced(limit, *self.spec.trace)
        except Stopped as stopped:
            return stopped.stop

    def _run(self, limit: int) -> Stop:
        decoded, halt_at, pc = self._decoded, self.halt_at, self.pc
        for _ in range(limit):
            if pc == halt_at:
                return Halt(pc)
            try:
                execute, insn, self.next_pc = decoded[pc]
            except KeyError:
                execute, insn, self.next_pc = self._decode(pc)
            execute(self, insn)
            self.pc = pc = self.next_pc
        self.pc = pc & self._top
        return Limit(limit)

    def _run_traced(self, limit: int, register: str, bits: int) -> Stop:
        # The mode that an instruction starts in decides, so the one that leaves trace mode still traps.
        for _ in range(limit):
            traced = self.special[register] & bits
            stop = self._run(1)
            if isinstance(stop, Halt):
                return stop
            if traced:
                return Trap(TrapKind.TRACE, self.pc)
        return Limit(limit)

    def _decode(self, pc: int) -> tuple[Execute, Insn, int]:
        # Semantics need not mask next_pc, so a pc that is not known may still be too wide.
        self.pc = pc = pc & self._top
        if pc == self.halt_at:
            raise Stopped(Halt(pc))
        entry = self._decoded.get(pc)
        if entry is None:
            entry = self._decoded[pc] = self._fetch(pc)
        return entry

    def _fetch(self, pc: int) -> tuple[Execute, Insn, int]:
        spec = self.spec
        if pc % spec.alignment:
            raise Stopped(Trap(TrapKind.UNALIGNED, pc))
        data = self._fetched(pc)
        try:
            word, size = spec.table.from_bytes(data)
        except DecodeError:
            raise Stopped(Fault(MemoryAccess.FETCH, pc + len(data), pc)) from None
        try:
            insn = spec.table.decode(word, size)
        except DecodeError:
            raise Stopped(Trap(TrapKind.ILLEGAL, pc)) from None
        return spec.semantics[insn.row.name], insn, pc + size

    def _fetched(self, pc: int) -> bytes:
        """As many bytes as an instruction can have, fewer where text ends."""
        try:
            view = self._view(pc, 1)
        except MemoryAccessError:
            raise Stopped(Fault(MemoryAccess.FETCH, pc, pc)) from None
        offset = pc - view.region.base
        return bytes(view.bytes[offset : offset + _LONGEST])

    def trap(self, kind: TrapKind, code: int | None = None) -> NoReturn:
        """For semantics: the instruction being executed traps."""
        raise Stopped(Trap(kind, self.pc, code))

    # Data accesses, for semantics

    def load(self, addr: int, size: int) -> int:
        """An unsigned value of `size` bytes; the instruction faults if there is no memory."""
        addr &= self._top
        region = self._region
        if region is None or not region.base <= addr <= region.end - size:
            region = self._find(addr, size, MemoryAccess.READ)
        offset = addr - region.base
        return int.from_bytes(region.bytes[offset : offset + size], "little")

    def store(self, addr: int, value: int, size: int) -> None:
        """Store the lowest `size` bytes of value; the instruction faults if there is no memory, or it is text."""
        addr &= self._top
        region = self._region
        if region is None or not region.base <= addr <= region.end - size:
            region = self._find(addr, size, MemoryAccess.WRITE)
        if region.executable and not region.writable:
            raise Stopped(Fault(MemoryAccess.WRITE, addr, self.pc))
        offset = addr - region.base
        region.bytes[offset : offset + size] = (value & mask(8 * size)).to_bytes(size, "little")
        if self.memory.reservations:
            self.memory.end_reservations(addr, size, self.id)

    def _find(self, addr: int, size: int, access: MemoryAccess) -> Region:
        try:
            self._region = self.memory.region(addr, size)
        except MemoryAccessError:
            raise Stopped(Fault(access, addr, self.pc)) from None
        return self._region

    def load_linked(self, addr: int, size: int) -> int:
        """Load, and reserve the line that addr is in."""
        value = self.load(addr, size)
        self.memory.reserve(self.id, addr & self._top)
        return value

    def store_conditional(self, addr: int, value: int, size: int) -> bool:
        """Store if the line is still reserved, and end the reservation; whether it was."""
        if not self.memory.reserved(self.id, addr & self._top):
            self.clear_reservation()
            return False
        self.store(addr, value, size)
        self.clear_reservation()
        return True

    def clear_reservation(self) -> None:
        """Drop the ll/sc reservation, as an exception return does."""
        self.memory.reservations.pop(self.id, None)

    # The instruction view and snapshots

    def sync_icache(self, addr: int, size: int) -> None:
        """See `Cpu`; MemoryAccessError unless one text region holds the range."""
        view = self._view(addr, size)
        if view.sync(addr - view.region.base, size):
            self._forget(addr, size)

    def fetched(self, addr: int, size: int) -> bytes:
        """See `Cpu`; MemoryAccessError unless one text region holds the range."""
        view = self._view(addr, size)
        offset = addr - view.region.base
        return bytes(view.bytes[offset : offset + size])

    def remap(self) -> None:
        """See `Cpu`."""
        self._views = [TextView(region) for region in self.memory.regions if region.executable]
        self._decoded.clear()
        self._region = None

    def _view(self, addr: int, size: int) -> TextView:
        for view in self._views:
            if view.region.base <= addr and addr + size <= view.region.end:
                return view
        raise MemoryAccessError(f"no text at {addr:#x} (size {size})")

    def _forget(self, addr: int, size: int) -> None:
        if size > len(self._decoded):
            self._decoded.clear()
            return
        for pc in range(addr - _LONGEST + 1, addr + size):
            self._decoded.pop(pc, None)

    def snapshot(self) -> InterpState:
        """Registers, reservation and instruction view; see `Cpu.snapshot`."""
        reservation = self.memory.reservations.get(self.id)
        views = tuple(view.snapshot() for view in self._views)
        return InterpState(tuple(self.gpr), self.pc, dict(self.special), reservation, views)

    def state(self) -> Hashable:
        """See `Cpu`."""
        views = tuple([view.state() for view in self._views])
        reserved = self.memory.reservations.get(self.id)
        return self.pc, self.halt_at, tuple(self.gpr), tuple(self.special.values()), reserved, views

    def restore(self, state: InterpState) -> None:
        list.__setitem__(self.gpr, slice(None), state.gpr)
        self.pc = state.pc
        self.special.update(state.special)
        self.clear_reservation()
        if state.reservation is not None:
            self.memory.reservations[self.id] = state.reservation
        for view, view_state in zip(self._views, state.views, strict=True):
            for offset, size in view.restore(view_state):
                self._forget(view.region.base + offset, size)
