"""ARM64 as an ISA: registers, words, text, and its CPU.

Numbers are from the Arm Architecture Reference Manual (DDI 0487), sections C6.2 (BRK, SVC) and D1.
"""

from __future__ import annotations

from arches.arm64.accesses import DECODER, memory_operands
from arches.arm64.lethal import GUARD
from emu.bits import field, mask
from emu.isa import capstone_text, keystone_text
from emu.isa.registers import RegisterFile
from emu.isa.words import four as insn_size
from emu.isa.words import parse_word32 as parse_word
from emu.isa.words import word32 as word
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

ASSEMBLER = keystone_text.Assembler("ARM64", ("LITTLE_ENDIAN",))

FP = tuple(f"v{n}" for n in range(32))
FP_STATUS = {"fpcr": 32, "fpsr": 32}
REGISTERS = RegisterFile(
    bits=64,
    gpr=tuple(f"x{n}" for n in range(31)),
    aliases={"fp": "x29", "lr": "x30"},
    status="daif",
    arguments=tuple(f"x{n}" for n in range(8)),
    result="x0",
    stack="sp",
    link="x30",
    special=("sp",),
    flags=("n", "z", "c", "v"),
    fp=(*FP, *FP_STATUS),
    widths=FP_STATUS,
)

# Exceptions by the number that the engine gives its interrupt hook.
UNDEFINED, SUPERVISOR_CALL, DATA_ABORT, BREAKPOINT = 1, 2, 4, 7
KINDS = {
    UNDEFINED: TrapKind.ILLEGAL,
    SUPERVISOR_CALL: TrapKind.SYSCALL,
    DATA_ABORT: TrapKind.UNALIGNED,  # memory errors go by plain_fault
    BREAKPOINT: TrapKind.BREAK,
}


def interpret(stop: EngineStop) -> Outcome:
    """ELR is the instruction, and the one after it for svc."""
    if stop.fault is not None:
        return plain_fault(stop)
    kind = KINDS.get(stop.interrupt or 0, TrapKind.OTHER if stop.interrupt else TrapKind.ILLEGAL)
    if kind not in (TrapKind.BREAK, TrapKind.SYSCALL):
        return Outcome(Trap(kind, stop.start), stop.start)
    code = field(int.from_bytes(stop.fetch(stop.start, 4), "little"), 20, 5)
    return Outcome(Trap(kind, stop.start, code), stop.start + (4 if kind is TrapKind.SYSCALL else 0))


SPEC = UnicornSpec(
    arch="ARM64",
    modes=("ARM",),
    cpu_model="ARM64_MAX",  # with the atomics of v8.1, which the other models lack
    file=REGISTERS,
    gpr=tuple(f"X{n}" for n in range(31)),
    pc="PC",
    interpret=interpret,
    registers={
        "sp": "SP",
        "nzcv": "NZCV",
        **{name: f"Q{n}" for n, name in enumerate(FP)},
        **{name: name.upper() for name in FP_STATUS},
    },
    flags={"n": ("nzcv", 31), "z": ("nzcv", 30), "c": ("nzcv", 29), "v": ("nzcv", 28)},
    soft={"daif": 0},
    initial={"CPACR_EL1": 3 << 20},  # FPEN: FP and SIMD do not trap
    pc_alignment=4,
    guard=GUARD,
    clear_reservation=bytes.fromhex("5f3f03d5"),  # clrex
    scratch=mask(48) & ~mask(12) & ~(1 << 47),
)


def make_cpu(id: int, memory: Memory) -> UnicornCpu:
    return UnicornCpu(SPEC, id, memory)


def disassemble(insn: bytes, addr: int) -> str:
    """Capstone's text; DecodeError if it knows no such instruction."""
    return capstone_text.disassemble(DECODER, insn[:4], addr)


def assemble(text: str, addr: int) -> bytes:
    """Keystone's bytes; EncodeError."""
    return keystone_text.assemble(ASSEMBLER, text, addr)
