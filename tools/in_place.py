"""A CPU to hold simulation routines against: what the instruction does in place is what the routine must do."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from emu.isa.registers import RegisterFile
from emu.machine.bench import CpuBench
from emu.machine.cpu import Cpu, Stop
from emu.machine.frame import PtRegs
from emu.machine.memory import Memory

Simulate = Callable[[PtRegs, int, int], None]


@dataclass
class InPlace:
    """One CPU with text at [base, base+size), in whose middle instructions are put at `addr`."""

    make_cpu: Callable[[int, Memory], Cpu]
    registers: RegisterFile
    base: int
    size: int = 0x1000
    seed: int = 1
    fill: Callable[[random.Random, int], bytes] = random.Random.randbytes
    aligned: int = 2  # what addresses in registers are a multiple of
    addr: int = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.memory = Memory()
        self.memory.add("text", self.base, self.size, executable=True)
        self.memory.write(self.base, self.fill(self.random, self.size))
        self.addr = self.base + self.size // 2
        self.cpu = self.make_cpu(0, self.memory)
        self.cpu.sync_icache(self.base, self.size)
        self._bench = CpuBench(self.cpu, self.registers, (*self.registers.gpr, *self.registers.flags, "pc"))
        self.regs = PtRegs(self.cpu, self.memory, self.registers.status)

    def put(self, insn: bytes) -> None:
        self.memory.write(self.addr, insn)
        self.cpu.sync_icache(self.addr, len(insn))

    def values(self) -> list[int]:
        """A few values that random registers are drawn from: few, so that some are equal."""
        top, bits = 1 << self.registers.bits, self.registers.bits
        edges = [0, 1, 2, top - 1, top - 2, top // 2, top // 2 - 1, 1 << (bits // 2), top - (1 << (bits // 2))]
        near = [self.addr + self.random.randrange(-64, 64) & -self.aligned for _ in range(4)]
        return self.random.sample([*edges, *near, *(self.random.randrange(top) for _ in range(8))], 5)

    def random_state(self, values: list[int] | None = None) -> dict[str, int]:
        drawn = values or self.values()
        state = {name: self.random.choice(drawn) for name in self.registers.gpr}
        state |= {name: self.random.getrandbits(1) for name in self.registers.flags}
        if self.registers.zero is not None:
            state[self.registers.gpr[self.registers.zero]] = 0
        return state

    def load(self, state: Mapping[str, int]) -> None:
        self._bench.load(state, self.addr)

    def result(self) -> dict[str, int]:
        return self._bench.values()

    def executed(self, state: Mapping[str, int], steps: int = 1) -> dict[str, int] | Stop:
        """Registers and pc after stepping what was put, from this state; what it stopped for if it did not complete."""
        self.load(state)
        for _ in range(steps):
            stop = self.cpu.step()
            if stop is not None:
                return stop
        return self.result()

    def simulated(self, routine: Simulate, insn: int, state: Mapping[str, int]) -> dict[str, int]:
        """Registers and pc after the routine, from the same state."""
        self.load(state)
        routine(self.regs, insn, self.addr)
        return self.result()

    def difference(
        self, routine: Simulate, word: int, insn: bytes, state: Mapping[str, int] | None = None, steps: int = 1
    ) -> str | None:
        """Hold the routine against the CPU on one instruction, from a random state unless one is given.

        None if they agree. `steps` is how many steps the CPU takes for it.
        """
        state = state or self.random_state()
        self.put(insn)
        simulated = self.simulated(routine, word, state)
        executed = self.executed(state, steps)
        if not isinstance(executed, dict):
            return f"{word:#x} at {self.addr:#x}: {executed} instead of completion, from {state}"
        differing = {name: (executed[name], simulated[name]) for name in executed if executed[name] != simulated[name]}
        if not differing:
            return None
        return f"{word:#x} at {self.addr:#x}: (executed, simulated) {differing} from {state}"

    def check(self, routine: Simulate, word: int, insn: bytes, state: Mapping[str, int] | None = None) -> None:
        """AssertionError if there is a difference."""
        found = self.difference(routine, word, insn, state)
        assert found is None, found
