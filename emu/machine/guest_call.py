"""Calling one function of any image with no operating system around it: a stack, arguments, and where to return to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from emu.bits import PAGE, mask
from emu.elf.image import PF_W, Image, Segment
from emu.elf.linking import Module
from emu.errors import GuestError, UsageError
from emu.isa.isa import Isa
from emu.machine.cpu import Cpu, Fault, Halt, MakeCpu, MemoryAccess, Trap
from emu.machine.machine import Machine

STACK_SIZE = 16 * PAGE
CALLER_FRAME = 512  # bytes above the stack pointer that belong to the caller; o32 functions store their arguments there
GAP = 64 * PAGE  # on both sides of what is added to an image, and more than that has
ALIGN = 16
Argument = int | bytes


@dataclass(frozen=True)
class Call:
    """A function and its arguments: integers, and bytes that are put into memory and passed by address."""

    function: int
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class Place:
    """Where a call's stack and its arguments are; both are in one segment, the stack below."""

    stack: int
    values: tuple[int, ...]


def with_room(isa: Isa, image: Image, arguments: Sequence[Argument]) -> tuple[Image, Place]:
    """The image with a stack and the bytes among the arguments; UsageError for more arguments than registers."""
    registers = isa.registers.arguments
    if len(arguments) > len(registers):
        raise UsageError(f"{len(arguments)} arguments: expected at most {len(registers)}, those passed in registers")
    base = _free(image)
    top, data, values = base + STACK_SIZE, b"", []
    for argument in arguments:
        if isinstance(argument, bytes):
            values.append(top + len(data))
            data += argument.ljust(-(-(len(argument) + 1) // ALIGN) * ALIGN, b"\0")  # strings end in a zero
        else:
            values.append(_word(argument, isa.registers.bits))
    room = Segment(base, bytes(STACK_SIZE) + data, STACK_SIZE + len(data), PF_W)
    return replace(image, segments=(*image.segments, room)), Place(top - CALLER_FRAME, tuple(values))


def _free(image: Image) -> int:
    """An address with nothing near: behind the image, or before it where addresses end."""
    behind = -(-max(segment.end for segment in image.segments) // PAGE) * PAGE + GAP
    if behind + 2 * GAP < 1 << image.elf_class:
        return behind
    return min(segment.address for segment in image.segments) // PAGE * PAGE - 2 * GAP


def _word(value: int, bits: int) -> int:
    if not -(1 << bits - 1) <= value <= mask(bits):
        raise UsageError(f"argument {value}: expected {bits} bits")
    return value & mask(bits)


@dataclass
class Trace:
    """What a call did without probes: its result, registers and memory, and how often each address was executed.

    `entries` does not count an address that follows itself: a repeated string instruction is one, and a jump to itself
    many, so that a probe there may be hit any number of times between.
    """

    result: int = 0
    registers: dict[str, int] = field(default_factory=dict)
    memory: list[bytes] = field(default_factory=list)
    steps: Counter[int] = field(default_factory=Counter)
    entries: Counter[int] = field(default_factory=Counter)


class Caller:
    """A machine for one call, made once."""

    def __init__(
        self, isa: Isa, image: Image, make_cpu: MakeCpu, call: Call, module: Module | None, slots: int
    ) -> None:
        placed, self._place = with_room(isa, image, call.arguments)
        self.isa, self.call, self.module = isa, call, module
        self.machine = Machine(isa, placed, make_cpu, 1, slots_size=-(-slots // PAGE) * PAGE)
        self.cpu: Cpu = self.machine.cpus[0]
        self.machine.reset()

    def prepare(self) -> None:
        """Everything as it was at first, and the CPU at the function."""
        file, machine = self.isa.registers, self.machine
        machine.reset()
        self.cpu.set(file.stack, self._place.stack)
        for register, symbol in file.pointers.items():
            address = machine.address_of(symbol)
            if address is not None:
                self.cpu.set(register, address)
        if file.callee is not None:
            self.cpu.set(file.callee, self.call.function)
        machine.call(self.cpu, self.call.function, self._place.values)

    def trace(self, limit: int, patches: Mapping[int, bytes] | None = None) -> Trace:
        """The call without probes, with other text at some addresses if `patches` says so.

        GuestError if it faults, traps, needs what is not there, or does not end.
        """
        self.prepare()
        for addr, data in (patches or {}).items():
            self.machine.memory.write(addr, data)
            self.cpu.sync_icache(addr, len(data))
        trace, last, step, cpu = Trace(), None, self.cpu.step, self.cpu
        for _ in range(limit):
            pc = cpu.pc
            stop = step()
            if isinstance(stop, Halt):
                return self.finish(trace)
            if stop is not None:
                raise self._error(stop, pc, last)
            trace.steps[pc] += 1
            if pc != last:
                trace.entries[pc] += 1
            last = pc
        raise GuestError(f"{self._at(cpu.pc)}: no end after {limit} instructions; expected the function to return")

    def reads_as_data(self, addr: int, other: bytes, trace: Trace, limit: int) -> bool:
        """Whether the call does something else than in `trace` with other bytes at addr, where nothing is executed."""
        try:
            changed = self.trace(limit, {addr: other})
        except GuestError:
            return True
        return (changed.result, changed.memory) != (trace.result, trace.memory)

    def finish(self, trace: Trace) -> Trace:
        """The state after the call."""
        machine = self.machine
        trace.result = machine.result(self.cpu)
        trace.registers = {name: self.cpu.get(name) for name in self.isa.registers.visible}
        trace.memory = [bytes(r.bytes) for r in machine.memory.regions if not r.executable]
        return trace

    def changed_memory(self, before: Trace, after: Trace) -> Iterator[tuple[int, int, int]]:
        """Address, old and new value of each byte that differs."""
        regions = [region for region in self.machine.memory.regions if not region.executable]
        for region, old, new in zip(regions, before.memory, after.memory, strict=True):
            if old != new:
                differing = (n for n in range(region.size) if old[n] != new[n])
                yield from ((region.base + n, old[n], new[n]) for n in differing)

    def _error(self, stop: object, pc: int, last: int | None) -> GuestError:
        if isinstance(stop, Fault):
            name = self.module.external_at(stop.address) if self.module is not None else None
            if name is not None:
                caller = self._at(pc if stop.access is not MemoryAccess.FETCH or last is None else last)
                return GuestError(f"{caller}: needs {name!r}, which the file does not define; expected a leaf function")
            expected = {
                MemoryAccess.FETCH: "text of the image",
                MemoryAccess.WRITE: "memory of the image; text cannot be written",
            }
            needed = expected.get(stop.access, "memory of the image")
            caller = f", from {self._at(last)}" if stop.access is MemoryAccess.FETCH and last is not None else ""
            return GuestError(f"{self._at(pc)}: {stop.access} of {stop.address:#x}{caller}: expected {needed}")
        kind = stop.kind.value if isinstance(stop, Trap) else str(stop)
        return GuestError(f"{self._at(pc)}: trap ({kind}): expected code that needs no operating system")

    def _at(self, addr: int) -> str:
        found = self.machine.image.symbol_at(addr)
        return f"{found[0].name}+{found[1]:#x}" if found else f"{addr:#x}"
