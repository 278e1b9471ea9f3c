"""PtRegs is the CPU: what is read is what the CPU has, what is written is where it goes on."""

from __future__ import annotations

import pytest

from emu.errors import MemoryAccessError, UsageError
from emu.machine.cpu import Trap, TrapKind
from emu.machine.frame import PtRegs
from emu.machine.memory import Memory


class OneRegisterCpu:
    """As much of a CPU as a frame needs."""

    def __init__(self) -> None:
        self.gpr = [10, 11]
        self.pc = 0x1000
        self.named = {"r0": 10, "status": 3}

    def get(self, name: str) -> int:
        if name not in self.named:
            raise UsageError(name)
        return self.named[name]

    def set(self, name: str, value: int) -> None:
        self.named[name] = value


@pytest.fixture
def cpu() -> OneRegisterCpu:
    return OneRegisterCpu()


@pytest.fixture
def regs(cpu: OneRegisterCpu) -> PtRegs:
    memory = Memory()
    memory.add("data", 0x1000, 0x1000)
    return PtRegs(cpu, memory, "status", Trap(TrapKind.BREAK, 0x1000, 4))


def test_reads_see_the_cpu_as_it_is(cpu: OneRegisterCpu, regs: PtRegs) -> None:
    cpu.pc, cpu.gpr[1], cpu.named["status"] = 0x2000, 77, 5
    assert (regs.pc, regs.gpr[1], regs.status, regs.get("r0")) == (0x2000, 77, 5, 10)
    assert regs.trap == Trap(TrapKind.BREAK, 0x1000, 4)


def test_writes_reach_the_cpu(cpu: OneRegisterCpu, regs: PtRegs) -> None:
    regs.pc, regs.status, regs.gpr[0] = 0x3000, 9, 1
    regs.set("r0", 12)
    assert (cpu.pc, cpu.named, cpu.gpr[0]) == (0x3000, {"r0": 12, "status": 9}, 1)


def test_memory_is_little_endian_and_stores_cut_the_value(regs: PtRegs) -> None:
    regs.store(0x1000, -2, 4)
    regs.store(0x1004, 0x1FF, 1)
    assert regs.load(0x1000, 4) == 0xFFFFFFFE
    assert regs.load(0x1000, 8) == 0xFF_FFFFFFFE
    with pytest.raises(MemoryAccessError, match="0x1ffd"):
        regs.load(0x1FFD, 4)


def test_a_store_to_text_faults_and_changes_nothing(regs: PtRegs) -> None:
    text = regs.memory.add("text", 0x8000, 0x1000, executable=True)
    with pytest.raises(MemoryAccessError, match="text at 0x8ff0: expected an address that may be written to"):
        regs.store(0x8FF0, 1, 4)
    assert bytes(text.bytes) == bytes(0x1000)
    assert regs.load(0x8FF0, 4) == 0  # reading it is the kernel's right


def test_an_unknown_register_is_an_error(regs: PtRegs) -> None:
    with pytest.raises(UsageError):
        regs.get("r99")


def test_without_a_trap(cpu: OneRegisterCpu) -> None:
    assert PtRegs(cpu, Memory(), "status").trap is None
    assert not hasattr(PtRegs(cpu, Memory(), "status"), "__dict__")  # one is made for every trap: keep it small
