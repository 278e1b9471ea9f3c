"""A machine: memory with an image in it, CPUs, and what the host needs to call guest functions.

Made once for a search and put back to its first state before every execution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emu.bits import PAGE
from emu.elf.image import Image
from emu.errors import DecodeError, ImageError, MemoryAccessError
from emu.explore.ops import Access
from emu.isa.isa import Isa, text_of
from emu.isa.operand import MemoryOperand
from emu.machine.cpu import Cpu, MakeCpu
from emu.machine.loading import place
from emu.machine.memory import Memory

RETURN_PAD = 16  # bytes
SharedAccess = tuple[Access, int]  # load, store or update, and the address


class Machine:
    """`slots` is an executable region for insn slots that the image does not have; `return_pad` its last word."""

    def __init__(self, isa: Isa, image: Image, make_cpu: MakeCpu, cpus: int, *, slots_size: int = PAGE) -> None:
        self.isa = isa
        self.image = image
        self.memory = Memory()
        place(image, self.memory)
        self.slots = self.memory.add("insn_slots", self._after_text(slots_size), slots_size, executable=True)
        self.return_pad = self.slots.end - RETURN_PAD
        # Never executed, but an engine that translates what comes next must find an end before the region's.
        self.memory.write(self.return_pad, isa.breakpoint(bytes(RETURN_PAD)))
        self.cpus = [make_cpu(number, self.memory) for number in range(cpus)]
        self.bug_table = self._bug_table()
        self.names: dict[int, str] = {}
        self._shared, self._own = self._shared_range(), self._own_range()
        self.quiet: set[int] = set()  # addresses of instructions that access no memory, once they are known
        self._operands: dict[int, tuple[MemoryOperand, ...]] = {}
        self._by_text: dict[tuple[int, bytes], tuple[MemoryOperand, ...]] = {}
        self._start: tuple[list[bytes], list[Any]] | None = None

    def _after_text(self, size: int) -> int:
        """The first free pages behind the text, so that a copy reaches what the original did."""
        taken = sorted((r.base, r.end) for r in self.memory.regions)
        ends = [r.end for r in self.memory.regions if r.executable]
        if not ends:
            raise ImageError(f"{self.image.name}: nothing to execute: expected an executable segment (PF_X)")
        page = min(ends)
        for base, end in taken:
            if base < page + size and page < end:
                page = end
        return page

    def _bug_table(self) -> Mapping[int, int]:
        """Address of each BUG word to its flags (1 is WARN)."""
        start, end = self.address_of("bug_table_start"), self.address_of("bug_table_end")
        if start is None or end is None:
            return {}
        size = self.isa.registers.bits // 8
        entries = range(start, end, 2 * size)
        return {self.memory.load(at, size): self.memory.load(at + size, size) for at in entries}

    def _shared_range(self) -> range:
        start, end = self.address_of("shared_start"), self.address_of("shared_end")
        return range(start, end) if start is not None and end is not None else range(0)

    def _own_range(self) -> range:
        """Elements of `results` have one writer each and no reader, so they are no reason to yield."""
        results = self.image.symbols.get("results")
        return range(results.address, results.address + results.size) if results is not None else range(0)

    def address_of(self, name: str) -> int | None:
        """A symbol's address, None if the image has no such symbol."""
        found = self.image.symbols.get(name)
        return found.address if found is not None else None

    def symbol(self, name: str) -> int:
        """A symbol's address; ImageError if there is none."""
        return self.image.symbol(name).address

    # State

    def reset(self) -> None:
        """Back to the state of the first call: memory, registers, instruction views."""
        if self._start is None:
            self._start = self.memory.snapshot(), [cpu.snapshot() for cpu in self.cpus]
            return
        memory, cpus = self._start
        self.memory.restore(memory)
        for cpu, state in zip(self.cpus, cpus, strict=True):
            cpu.restore(state)

    def data(self) -> bytes:
        """All that guests can write."""
        return b"".join(bytes(region.bytes) for region in self.memory.regions if not region.executable)

    def is_shared(self, addr: int) -> bool:
        """Whether guests share the data at addr, so that accesses to it can be told apart by their order."""
        return addr in self._shared and addr not in self._own

    def shared(self) -> bytes:
        """The data that guests share."""
        return self.memory.read(self._shared.start, len(self._shared)) if self._shared else b""

    def registers(self, cpu: Cpu) -> tuple[int, ...]:
        """All that programs see, and the pc."""
        return (cpu.pc, *(cpu.get(name) for name in self.isa.registers.visible))

    def save_registers(self, cpu: Cpu) -> tuple[int, ...]:
        return (*self.registers(cpu), cpu.get(self.isa.registers.status))

    def restore_registers(self, cpu: Cpu, saved: tuple[int, ...]) -> None:
        file = self.isa.registers
        cpu.set(file.status, saved[-1])
        for name, value in zip(file.visible, saved[1:-1], strict=True):
            if file.zero is None or name != file.gpr[file.zero]:
                cpu.set(name, value)
        cpu.pc = saved[0]

    # Calls, by the ABI

    def start(self, cpu: Cpu, number: int, function: str, count: int) -> None:
        """Point the CPU at the firmware's entry, which sets up the stack of this number and calls the function `count`
        times. It halts at the exit."""
        self._pass(cpu, (number, self.symbol(function), count))
        cpu.pc = self.symbol("guest_start")
        cpu.halt_at = self.symbol("guest_exit")

    def call(self, cpu: Cpu, function: int, arguments: Sequence[int]) -> None:
        """Point the CPU at a function as if it had just been called, on the stack that it has. It halts where that
        returns to, `return_pad`."""
        file, size = self.isa.registers, self.isa.registers.bits // 8
        self._pass(cpu, arguments)
        stack = cpu.get(file.stack) & ~15
        if file.link is not None:
            cpu.set(file.link, self.return_pad)
        else:
            stack -= size
            self.memory.store(stack, self.return_pad, size)
        cpu.set(file.stack, stack)
        cpu.pc, cpu.halt_at = function, self.return_pad

    def _pass(self, cpu: Cpu, arguments: Sequence[int]) -> None:
        for name, value in zip(self.isa.registers.arguments, arguments, strict=False):
            cpu.set(name, value)

    def result(self, cpu: Cpu) -> int:
        return cpu.get(self.isa.registers.result)

    # What an instruction is and touches

    def disassemble(self, cpu: Cpu, pc: int) -> str:
        """The instruction that this CPU would fetch at pc."""
        insn = self._fetched(cpu, pc)
        return text_of(self.isa, insn, pc) if insn else "no text"

    def step_at(self, cpu: Cpu, pc: int) -> tuple[int, ...]:
        """Addresses of the instructions that one step at pc executes: a branch's delay slot goes with it."""
        insn = self._fetched(cpu, pc)
        return (pc, pc + len(insn)) if self.isa.has_delay_slot(insn) else (pc,)

    def size_at(self, cpu: Cpu, pc: int) -> int:
        """Bytes of the instruction that this CPU would fetch at pc; 0 where there is no text."""
        return len(self._fetched(cpu, pc))

    def _fetched(self, cpu: Cpu, pc: int) -> bytes:
        """The instruction at pc; the least that one has if it is none, and nothing where there is no text.

        A CPU gets to such places through half-written text.
        """
        sizes = self.isa.sizes
        try:
            text = cpu.fetched(pc, min(max(sizes), self.memory.region(pc).end - pc))
            return text[: self.isa.insn_size(text)]
        except MemoryAccessError:
            return b""
        except DecodeError:
            return text[: min(sizes)]

    def shared_access(self, cpu: Cpu, pc: int, *, patched: bool) -> SharedAccess | None:
        """The access to `.shared` that the instruction at pc is about to make, None if there is none.

        `patched` says that the text there may change, so that what is known of it cannot be kept.
        """
        operands = self._patched_operands(cpu, pc) if patched else self._operands.get(pc)
        if operands is None:
            operands = self._operands[pc] = self._memory_operands(cpu, pc)
            if not operands:
                self.quiet.add(pc)
        for operand in operands:
            address = operand.address(cpu.get, self.isa.registers.bits)
            if self.is_shared(address):
                return _access(operand), address
        return None

    def _patched_operands(self, cpu: Cpu, pc: int) -> tuple[MemoryOperand, ...]:
        """Those of an instruction in text that changes, kept by what is there now; a delay slot counts with it."""
        try:
            text = cpu.fetched(pc, min(2 * max(self.isa.sizes), self.memory.region(pc).end - pc))
        except MemoryAccessError:
            return ()
        operands = self._by_text.get((pc, text))
        if operands is None:
            operands = self._by_text[pc, text] = self._memory_operands(cpu, pc)
        return operands

    def _memory_operands(self, cpu: Cpu, pc: int) -> tuple[MemoryOperand, ...]:
        insn = b"".join(self._fetched(cpu, at) for at in self.step_at(cpu, pc))
        return self.isa.memory_operands(insn, pc)


def _access(operand: MemoryOperand) -> Access:
    if not operand.writes:
        return Access.LOAD
    return Access.UPDATE if operand.reads else Access.STORE
