"""A CPU on the bench: put into a state, stepped, and read, again and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from emu.isa.registers import RegisterFile
from emu.machine.cpu import Cpu

GAP = 8  # bytes between two runs that are told apart: a store can leave some in its middle as they were


class CpuBench:
    """`names` are the registers that are read, `clean` is the state that others are loaded over: all is zero."""

    def __init__(self, cpu: Cpu, file: RegisterFile, names: Sequence[str] | None = None) -> None:
        self.cpu = cpu
        self.names = tuple(names or (*file.visible, *file.fp, file.status))
        self._numbers, self._status = {name: number for number, name in enumerate(file.gpr)}, file.status
        for name in (*file.gpr, *file.flags):
            cpu.set(name, 0)  # engines come up with a few that are not
        self.read = cpu.reader(self.names)
        self.clean: Any = cpu.snapshot()

    def load(self, regs: Mapping[str, int], at: int) -> None:
        """Set these registers and the pc; the others stay as they are."""
        cpu, gpr, numbers = self.cpu, self.cpu.gpr, self._numbers
        if self._status in regs:
            cpu.set(self._status, regs[self._status])  # first: the shapes of other registers may depend on it
        for name, value in regs.items():
            if name in numbers:
                gpr[numbers[name]] = value
            else:
                cpu.set(name, value)
        cpu.pc = at

    def values(self) -> dict[str, int]:
        return dict(zip(self.names, self.read(), strict=True))

    def changed(self, before: tuple[int, ...]) -> dict[str, int]:
        """What is not as it was read before, as it is now."""
        after = self.read()
        if after == before:
            return {}
        return {name: new for name, old, new in zip(self.names, before, after, strict=True) if old != new}


def changed_runs(base: int, before: bytes, after: bytes) -> Iterator[tuple[int, bytes]]:
    """Memory that differs, by address, with what it is now."""
    if before != after:
        places = (place for place, (old, new) in enumerate(zip(before, after, strict=True)) if old != new)
        yield from ((base + run.start, after[run.start : run.stop]) for run in runs(places))


def runs(places: Iterable[int]) -> Iterator[range]:
    """Rising numbers as ranges; what is at most GAP apart is in one."""
    first = last = None
    for place in places:
        if first is None or last is None:
            first = place
        elif place - last > GAP:
            yield range(first, last + 1)
            first = place
        last = place
    if first is not None and last is not None:
        yield range(first, last + 1)
