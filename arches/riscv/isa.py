"""RISC-V 64 (IMAFDC) as an ISA: registers, words, text, and its CPU.

The CPU runs in machine mode, where no instruction of kernel code traps to a higher one; the kernel's view of
its own status is the soft register `sstatus`. Numbers are from the RISC-V Instruction Set Manual, volumes I and II.
"""

from __future__ import annotations

from arches.riscv.accesses import memory_operands
from arches.riscv.insns import assemble
from arches.riscv.insns_operands import FPR_NAMES, GPR_NAMES
from emu.errors import DecodeError
from emu.isa import capstone_text
from emu.isa.registers import RegisterFile
from emu.isa.words import parse_number
from emu.machine.cpu import Trap, TrapKind
from emu.machine.memory import Memory
from emu.machine.unicorn.cpu import UnicornCpu
from emu.machine.unicorn.spec import EngineStop, Outcome, UnicornSpec, plain_fault

__all__ = [
    "REGISTERS",
    "SPEC",
    "assemble",
    "disassemble",
    "insn_size",
    "make_cpu",
    "memory_operands",
    "parse_word",
    "word",
]

DECODER = capstone_text.Decoder("RISCV", ("RISCV64", "RISCVC"))
FP = tuple(f"f{n}" for n in range(32))
REGISTERS = RegisterFile(
    bits=64,
    gpr=tuple(f"x{n}" for n in range(32)),
    aliases={name: f"x{n}" for n, name in enumerate(GPR_NAMES)} | {"fp": "x8"} | dict(zip(FPR_NAMES, FP, strict=True)),
    status="sstatus",
    arguments=tuple(f"x{n}" for n in range(10, 18)),
    result="x10",
    stack="x2",
    link="x1",
    zero=0,
    fp=(*FP, "fcsr"),
    fp_bits=64,
    widths={"fcsr": 32},
    pointers={"x3": "__global_pointer$"},
)

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


def interpret(stop: EngineStop) -> Outcome:
    """sepc is the instruction for every exception; the engine's pc is often past it."""
    if stop.fault is not None:
        return plain_fault(stop)
    if stop.interrupt is not None:
        kind = KINDS.get(stop.interrupt, TrapKind.OTHER)
    else:
        kind = TrapKind.BREAK if _is_break(stop) else TrapKind.ILLEGAL
    return Outcome(Trap(kind, stop.start), stop.start)


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


def make_cpu(id: int, memory: Memory) -> UnicornCpu:
    return UnicornCpu(SPEC, id, memory)


def insn_size(insn: bytes) -> int:
    """2 if the two lowest bits are not both set, else 4."""
    return 4 if insn[0] & 3 == 3 else 2


def word(insn: bytes) -> str:
    """`0x9002` for a compressed instruction, `0x00100073` for the others."""
    size = insn_size(insn)
    return f"0x{int.from_bytes(insn[:size], 'little'):0{2 * size}x}"


def parse_word(text: str) -> bytes:
    """A word in memory order, its length by its two lowest bits; DecodeError if it does not fit that."""
    value = parse_number(text)
    size = 4 if value & 3 == 3 else 2
    if value >> 8 * size:
        raise DecodeError(f"word {text!r}: expected {8 * size} bits at most with these two lowest bits")
    return value.to_bytes(size, "little")


def disassemble(insn: bytes, addr: int) -> str:
    """Capstone's text, where branches have distances; DecodeError if it knows no such instruction."""
    return capstone_text.disassemble(DECODER, insn[: insn_size(insn)], addr)
