"""The trap frame that handlers and simulation routines read and edit.

Linux copies the registers to its stack on a trap and writes them back on return. Here the CPU stands
still while it is in the trap, so its own registers are the frame: `PtRegs` is a view and holds no copy.
"""

from __future__ import annotations

from emu.bits import mask
from emu.errors import MemoryAccessError
from emu.machine.cpu import Cpu, Registers, Trap
from emu.machine.memory import Memory


class PtRegs:
    """The interrupted registers of one CPU. `trap` is what it stopped for, None outside of a trap.

    `pc` and `status` are what the exception return will load: an edit of `pc` is where the guest goes on.
    `status_name` names the register that the architecture's kernel saves as its status word. Addresses and values are
    unsigned; `store` takes the lowest `size` bytes of the value. Raises `UsageError` for an unknown register
    and `MemoryAccessError` for an address that no region holds, or for a store to text.
    """

    __slots__ = ("_status_name", "cpu", "gpr", "memory", "trap")

    def __init__(self, cpu: Cpu, memory: Memory, status_name: str, trap: Trap | None = None) -> None:
        self.cpu = cpu
        self.gpr: Registers = cpu.gpr
        self.memory = memory
        self.trap = trap
        self._status_name = status_name

    @property
    def pc(self) -> int:
        return self.cpu.pc

    @pc.setter
    def pc(self, value: int) -> None:
        self.cpu.pc = value

    @property
    def status(self) -> int:
        return self.cpu.get(self._status_name)

    @status.setter
    def status(self, value: int) -> None:
        self.cpu.set(self._status_name, value)

    def get(self, name: str) -> int:
        return self.cpu.get(name)

    def set(self, name: str, value: int) -> None:
        self.cpu.set(name, value)

    def load(self, addr: int, size: int) -> int:
        """An unsigned little-endian integer of `size` bytes."""
        return self.memory.load(addr, size)

    def store(self, addr: int, value: int, size: int) -> None:
        if self.memory.region(addr, size).executable:
            raise MemoryAccessError(f"text at {addr:#x}: expected an address that may be written to")
        self.memory.store(addr, value & mask(8 * size), size)
