"""One instruction from a given state: what it changes, and how it ends.

Memory exists where the state gives some, with zeros behind it as far as displacements reach, and around the
instruction; all in whole pages. Pages of text can be written only where the state gives data on them. Unicorn 2.1.4
never completes an x86 instruction that writes over itself, nor says so: that is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby

from emu.bits import PAGE, mask
from emu.errors import UsageError
from emu.isa.isa import Isa, check_one
from emu.machine.bench import CpuBench, changed_runs
from emu.machine.cpu import Fault, MakeCpu, MemoryAccess, Stop, Translator
from emu.machine.memory import Memory, Region

FENCE = 16  # bytes of breakpoints behind the instruction: an engine translates ahead, up to the next of them
REACH = 0x8000  # of displacements that cannot be negative: ARM64's is 32760 bytes, C-SKY's 16380
WIDEST = 64  # bytes of one access
FEW = 64  # pieces of memory that are mapped without a question

Layout = tuple[frozenset[int], frozenset[int], bool]
"""Page numbers of text and of data, and whether text can be written."""


@dataclass(frozen=True)
class State:
    """An instruction in memory order, its address, and what is not zero: registers by any name, bytes by address."""

    insn: bytes
    at: int
    regs: Mapping[str, int] = field(default_factory=dict)
    mem: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """What one step did: new values of what differs, registers by their printed names, memory as runs of bytes.

    `pc` is where the CPU goes on (what an exception would have saved), `stop` why it did not complete, None if it did.
    """

    regs: Mapping[str, int]
    mem: Mapping[int, bytes]
    pc: int
    stop: Stop | None


class Stepper:
    """One CPU that is put into a state, stepped, and looked at, again and again."""

    def __init__(self, isa: Isa, make_cpu: MakeCpu) -> None:
        file = isa.registers
        self.isa = isa
        self._memory = Memory()
        self._cpu = make_cpu(0, self._memory)
        self._layout: Layout = frozenset(), frozenset(), False
        self._bench = CpuBench(self._cpu, file)
        self._places = {name: place for place, name in enumerate(self._bench.names)}
        self._plain = frozenset(name for number, name in enumerate(file.gpr) if number != file.zero)
        self._clean_values = self._bench.read()
        self._top = mask(file.bits)
        self._window = 2 * max(isa.sizes)  # a branch and what stands in its delay slot

    def step(self, state: State) -> Change:
        """Execute it.

        UsageError for an unknown register, and for a value or address that is too wide; DecodeError for half an
        instruction.
        """
        check_one(self.isa, state.insn)
        return self._step(state) if len(state.mem) <= FEW else self._step_in_parts(state)

    def _step_in_parts(self, state: State) -> Change:
        """With only the memory that the instruction turns out to access: engines take minutes to map thousands."""
        pages = {addr: self._data_pages(addr, len(data)) for addr, data in state.mem.items()}
        text = self._pages(state.at, self._window + FENCE, cut=True)
        needed = {addr for addr in pages if _overlap(pages[addr], text)}
        while True:
            change = self._step(replace(state, mem={addr: state.mem[addr] for addr in pages if addr in needed}))
            if not isinstance(change.stop, Fault):
                return change
            accessed = range(change.stop.address // PAGE, (change.stop.address + WIDEST) // PAGE + 1)
            more = {addr for addr in pages if _overlap(pages[addr], accessed)} - needed
            if not more:
                return change
            needed |= more

    def _step(self, state: State) -> Change:
        cpu = self._cpu
        self._map(state)
        self._fill(state)
        before, memory = self._load(state), self._written()
        stop = cpu.step()
        change = Change(self._changed_registers(before), dict(self._changed_memory(memory)), cpu.pc, stop)
        self._check_completed(state, change)
        return change

    def _check_completed(self, state: State, change: Change) -> None:
        """UsageError where the engine left a store half done and says nothing of it."""
        what = f"{self.isa.word(state.insn)} at {state.at:#x}"
        if isinstance(change.stop, Fault):
            if (
                change.stop.access is MemoryAccess.WRITE
                and change.stop.address == 0
                and self._top in _last_bytes(change)
            ):
                raise UsageError(f"{what}: its store goes on at 0 behind the last address; expected it to end there")
        elif change.stop is None and change.pc == state.at and not change.regs and self._writes_text(state):
            raise UsageError(f"{what}: it writes over itself, which is not modelled; expected it to write elsewhere")

    def _writes_text(self, state: State) -> bool:
        """Whether it faults where text cannot be written."""
        if not self._layout[2]:
            return False
        text = self._pages(state.at, self._window + FENCE, cut=True)
        elsewhere = {addr: data for addr, data in state.mem.items() if not _overlap(self._pages(addr, len(data)), text)}
        stop = self._step(replace(state, mem=elsewhere)).stop
        return isinstance(stop, Fault) and stop.access is MemoryAccess.WRITE

    # Memory

    def _map(self, state: State) -> None:
        """Have the pages that the state needs, all zero, and registers as after reset."""
        layout = self._layout_of(state)
        self._cpu.restore(self._bench.clean)
        if layout == self._layout:
            for region in self._memory.regions:
                region.bytes[:] = bytes(region.size)
            return
        (text, data, writable), gone = layout, self._memory.regions
        self._memory.regions = [*_regions("text", text, True, writable), *_regions("data", data, False, False)]
        self._cpu.remap()
        del gone  # not before: the engine had it mapped
        self._layout = layout
        self._bench.clean = self._cpu.snapshot()

    def _layout_of(self, state: State) -> Layout:
        self._pages(state.at, self._window + 1)  # engines die, or read on from 0, where addresses end
        text = frozenset(self._pages(state.at, self._window + FENCE, cut=True))
        pages: set[int] = set()
        writable = False
        for addr, data in state.mem.items():
            pages.update(self._data_pages(addr, len(data)))
            writable |= not text.isdisjoint(self._pages(addr, len(data)))
        return text, frozenset(pages) - text, writable

    def _data_pages(self, addr: int, size: int) -> range:
        return range(self._pages(addr, size)[0], self._pages(addr, size + REACH, cut=True)[-1] + 1)

    def _pages(self, addr: int, size: int, cut: bool = False) -> range:
        """Page numbers of [addr, addr + size), of one byte if it is empty; `cut` off where addresses end."""
        top, last = mask(self.isa.registers.bits), addr + max(size, 1) - 1
        if not 0 <= addr <= top or (last > top and not cut):
            raise UsageError(f"address {addr:#x}: expected {self.isa.registers.bits} bits, to the last byte")
        return range(addr // PAGE, min(last, top) // PAGE + 1)

    def _fill(self, state: State) -> None:
        """Memory as given, the instruction over it, and breakpoints behind: they end what an engine translates."""
        end = state.at + self._window
        breakpoints = self.isa.breakpoint(state.insn) * FENCE
        self._write(end, breakpoints[: max(0, min(FENCE, mask(self.isa.registers.bits) + 1 - end))])
        for addr, data in state.mem.items():
            self._write(addr, data)
        self._write(state.at, state.insn)
        if isinstance(self._cpu, Translator) and any(addr > state.at for addr in self._cpu.untranslatable):
            self._write(state.at + len(state.insn), self.isa.breakpoint(state.insn))

    def _write(self, addr: int, data: bytes) -> None:
        """Write to memory, and what is text to the CPU's view as well."""
        for start, piece in _by_page(addr, data):
            self._memory.write(start, piece)
            if self._memory.region(start).executable:
                self._cpu.sync_icache(start, len(piece))

    def _written(self) -> list[bytes]:
        """What is in the regions that the instruction can write."""
        return [bytes(region.bytes) for region in self._memory.regions if region.writable or not region.executable]

    def _changed_memory(self, before: list[bytes]) -> Iterator[tuple[int, bytes]]:
        regions = (region for region in self._memory.regions if region.writable or not region.executable)
        for region, old in zip(regions, before, strict=True):
            yield from changed_runs(region.base, old, bytes(region.bytes))

    # Registers

    def _load(self, state: State) -> tuple[int, ...]:
        """Set the given registers; the values of all of them then, read only if setting one may change another."""
        regs = self._each_once(state.regs)
        self._bench.load(regs, state.at)
        if not regs.keys() <= self._plain:
            return self._bench.read()
        values = list(self._clean_values)
        for name, value in regs.items():
            values[self._places[name]] = value
        return tuple(values)

    def _each_once(self, regs: Mapping[str, int]) -> dict[str, int]:
        """Printed names and values, the status word first, which the others come after; UsageError for two spellings
        of one register, and for a value that is too wide."""
        seen: dict[str, str] = {}
        for spelling in regs:
            first = seen.setdefault(self._spelled(spelling), spelling)
            if first != spelling:
                raise UsageError(f"registers {first!r} and {spelling!r} are one: expected it once")
        names = sorted(seen, key=lambda name: name != self.isa.registers.status)
        return {name: self._unsigned(name, regs[seen[name]]) for name in names}

    def _unsigned(self, name: str, value: int) -> int:
        bits = self.isa.registers.width(name)
        if not -(1 << bits - 1) <= value <= mask(bits):
            raise UsageError(f"{name}={value}: expected {bits} bit{'s' if bits > 1 else ''}")
        return value & mask(bits)

    def _spelled(self, text: str) -> str:
        """The printed name of a register; assemblers' prefixes and capitals may be there, or not."""
        for name in (text, text.lower(), text.lower().removeprefix("%").removeprefix("$")):
            with suppress(UsageError):
                found = self.isa.registers.canonical(name)
                if found in self._places:
                    return found
        self.isa.registers.canonical(text)  # raises, unless it is the pc
        raise UsageError(f"register {text!r}: expected a general, special or flag register; the pc is the address")

    def _changed_registers(self, before: tuple[int, ...]) -> dict[str, int]:
        """The status word counts only where something changed in it that is not a flag."""
        changed, status = self._bench.changed(before), self.isa.registers.status
        if status in changed and self._is_flags_only(changed, before):
            del changed[status]
        return changed

    def _is_flags_only(self, changed: Mapping[str, int], before: tuple[int, ...]) -> bool:
        """Whether the status word is the old one again when the flags are; this spoils the CPU's state."""
        old = dict(zip(self._bench.names, before, strict=True))
        for flag in self.isa.registers.flags:
            if flag in changed:
                self._cpu.set(flag, old[flag])
        status = self.isa.registers.status
        return self._cpu.get(status) == old[status]


def _last_bytes(change: Change) -> set[int]:
    """Where the runs of changed memory end."""
    return {addr + len(data) - 1 for addr, data in change.mem.items()}


def _overlap(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


def _regions(kind: str, pages: Iterable[int], executable: bool, writable: bool) -> list[Region]:
    """Regions for pages, neighbours in one, so that an access across two pages finds both."""
    ordered = sorted(pages)
    runs = groupby(enumerate(ordered), key=lambda item: item[1] - item[0])
    found = [[page for _, page in run] for _, run in runs]
    return [Region(f"{kind}@{run[0]:#x}", run[0] * PAGE, len(run) * PAGE, executable, writable) for run in found]


def _by_page(addr: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """The data cut at page borders; nothing where there is none."""
    if data and addr % PAGE + len(data) <= PAGE:
        yield addr, data
        return
    end = addr + len(data)
    while addr < end:
        size = min(PAGE - addr % PAGE, end - addr)
        yield addr, data[len(data) - (end - addr) :][:size]
        addr += size
