"""Random machine states in which an instruction has something to work on."""

from __future__ import annotations

from random import Random

from emu.arch import Arch
from emu.bits import mask
from emu.transparent.bench import Bench
from emu.transparent.layout import BUFFER_SIZE, TEXT_SIZE

POOL = 12  # different values in one state: so some registers are equal
IN_BUFFER = 0.95  # how often an access goes to the buffer
FP_STATES = 0.3  # how often floating point registers are not zero
FP_REGISTERS = 12  # that are not then
IRQS_OFF = 0.25
MEMORIES = 8  # different contents of the buffer


def irq_bits(arch: Arch, status: int) -> int:
    """The bits of a status word that turn interrupts on or off."""
    enabled = arch.port.irqs_enabled
    flips = (1 << bit for bit in range(arch.isa.registers.bits))
    return sum(flip for flip in flips if enabled(status ^ flip) != enabled(status))


class States:
    """Random states for one bench."""

    def __init__(self, bench: Bench) -> None:
        file = bench.isa.registers
        self._isa, self._layout, self._trials = bench.isa, bench.layout, bench.trials
        zero = None if file.zero is None else file.gpr[file.zero]
        self._names = [name for name in (*file.gpr, *bench.trials.randomised) if name != zero]
        self._irqs_off = bench.reset_status ^ irq_bits(bench.arch, bench.reset_status)
        self._fp = [name for name in file.fp if name not in file.widths]  # a mode is not just any number
        self._bits, self._bytes = file.bits, file.bits // 8
        rng = Random(MEMORIES)
        self._memories = [self._some_memory(rng) for _ in range(MEMORIES)]

    def registers(self, insn: bytes, at: int, rng: Random) -> dict[str, int]:
        """Registers, flags, and now and then a status word with interrupts off and floating point registers.

        `insn` has the delay slot's too. Addresses of accesses are steered into the buffer.
        """
        file = self._isa.registers
        regs: dict[str, int] = {}
        if rng.random() < IRQS_OFF:
            regs[file.status] = self._irqs_off
        pool = [self._value(rng) for _ in range(POOL)]
        regs |= dict(zip(self._names, rng.choices(pool, k=len(self._names)), strict=True))
        regs |= {name: rng.getrandbits(1) for name in file.flags}
        if file.fp and rng.random() < FP_STATES:
            regs |= {name: self._fp_value(rng) for name in rng.sample(self._fp, FP_REGISTERS)}
        if rng.random() < IN_BUFFER:
            self._steer(insn, at, regs, rng)
        self._trials.steer(insn, regs, rng)
        return {name: value for name, value in regs.items() if value or name == file.status}

    def memory(self, rng: Random) -> bytes:
        """The buffer: anything, and addresses of text and of the buffer."""
        return rng.choice(self._memories)

    def _some_memory(self, rng: Random) -> bytes:
        words = (self._value(rng) for _ in range(BUFFER_SIZE // self._bytes))
        return b"".join(word.to_bytes(self._bytes, "little") for word in words)

    def _value(self, rng: Random) -> int:
        kind, bits = rng.random(), self._bits
        if kind < 0.15:
            return rng.randrange(4)
        if kind < 0.3:
            edge = 1 << rng.choice((8, 16, 31, 32, bits - 1, bits)) >> 1
            return edge - rng.randrange(3) & mask(bits)
        if kind < 0.45:
            return self._layout.text + rng.randrange(TEXT_SIZE // 4) * 4
        if kind < 0.55:
            return self._layout.buffer + rng.randrange(BUFFER_SIZE)
        value = rng.getrandbits(rng.randint(1, bits))
        return value if kind < 0.85 else -value & mask(bits)

    def _fp_value(self, rng: Random) -> int:
        value = rng.getrandbits(64)
        wide = self._isa.registers.bits == 64
        return (value | rng.getrandbits(64) << 64 if wide else value) & mask(self._isa.registers.fp_bits)

    def _steer(self, insn: bytes, at: int, regs: dict[str, int], rng: Random) -> None:
        """Base registers, and the stack pointer, so that accesses meet the buffer's middle."""
        file = self._isa.registers
        middle = self._layout.buffer + BUFFER_SIZE // 2
        regs[file.stack] = middle + 16 * rng.randrange(-32, 32)
        for operand in self._isa.memory_operands(insn, at):
            if operand.base is None or operand.base == operand.index:
                continue
            aligned = operand.size if operand.size & operand.size - 1 == 0 and rng.random() < 0.9 else 1
            target = middle + aligned * rng.randrange(-64, 64)
            regs[operand.base] = 0
            rest = operand.address(lambda name: regs.get(name, 0), self._bits)
            regs[operand.base] = target - rest & mask(self._bits)
