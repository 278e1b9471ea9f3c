"""RISC-V on Unicorn: its exceptions as traps.

The CPU runs in machine mode, where no instruction of kernel code traps to a higher one; the kernel's view of
its own status is the soft register `sstatus`. Numbers are from the RISC-V Instruction Set Manual, volumes I and II.
"""

from __future__ import annotations

from arches.riscv.registers import FP, REGISTERS
from emu.machine.cpu import Cpu, Trap, TrapKind
from emu.machine.memory import Memory
from emu.machine.unicorn.spec import EngineStop, Meaning, UnicornSpec, plain_fault
from emu.machine.unicorn.start import unicorn_cpu

EBREAK, C_EBREAK = 0x00100073, 0x9002
SSTATUS_SPIE, SSTATUS_SPP = 1 << 5, 1 << 8
MSTATUS_FS = 3 << 13  # floating point on

# Exceptions by mcause; breakpoints never get to the interrupt hook.
KINDS = {
    0: TrapKind.UNALIGNED,
    2: TrapKind.ILLEGAL,
    4: TrapKind.UNALIGNED,
    6: TrapKind.UNALIGNED,
    8: TrapKind.SYSCALL,
    9: TrapKind.SYSCALL,
    11: TrapKind.SYSCALL,
}


def interpret(stop: EngineStop) -> Meaning:
    """sepc is the instruction for every exception; the engine's pc is often past it."""
    if stop.fault is not None:
        return plain_fault(stop)
    if stop.interrupt is not None:
        kind = KINDS.get(stop.interrupt, TrapKind.OTHER)
    else:
        kind = TrapKind.BREAK if _is_break(stop) else TrapKind.ILLEGAL
    return Meaning(Trap(kind, stop.start), stop.start)


def _is_break(stop: EngineStop) -> bool:
    low = int.from_bytes(stop.fetch(stop.start, 2), "little")
    if low & 3 != 3:
        return low == C_EBREAK
    return low == EBREAK & 0xFFFF and int.from_bytes(stop.fetch(stop.start + 2, 2), "little") == EBREAK >> 16


SPEC = UnicornSpec(
    arch="RISCV",
    modes=("RISCV64",),
    cpu_model=None,
    file=REGISTERS,
    gpr=tuple(f"X{n}" for n in range(32)),
    pc="PC",
    interpret=interpret,
    registers={name: name.upper() for name in (*FP, "fcsr")},
    soft={"sstatus": SSTATUS_SPIE | SSTATUS_SPP},
    initial={"MSTATUS": MSTATUS_FS},
    pc_alignment=2,
    # sc.w zero, zero, (zero): fails without an access, since nothing is reserved at 0, and ends the reservation.
    clear_reservation=bytes.fromhex("2f200018"),
    scratch=0x7FFF_FFFF_F000,
)


def make_cpu(id: int, memory: Memory) -> Cpu:
    return unicorn_cpu(SPEC, id, memory)
