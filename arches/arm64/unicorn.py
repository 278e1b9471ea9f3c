"""ARM64 on Unicorn: its exceptions as traps, and what the engine must not be given.

Numbers are from the Arm Architecture Reference Manual (DDI 0487), sections C6.2 (BRK, SVC) and D1.

Undefined words that abort Unicorn 2.1.4: FP16 vector arithmetic with opcodes that its translator does not expect.

Two encoding classes of the Arm ARM, C4.1.96: "Advanced SIMD three same (FP16)" and "two-register miscellaneous
(FP16)" with its scalar form. Which opcodes are lethal was found by executing every one of them.
"""

from __future__ import annotations

import re

from arches.arm64.registers import FP, FP_STATUS, REGISTERS
from emu.bits import field, mask
from emu.machine.cpu import Cpu, Trap, TrapKind
from emu.machine.memory import Memory
from emu.machine.unicorn.guard import Guard
from emu.machine.unicorn.spec import EngineStop, Meaning, UnicornSpec, plain_fault
from emu.machine.unicorn.start import unicorn_cpu

UDF = bytes(4)

# Third and fourth byte of both classes: few words of a text have them.
CANDIDATE = re.compile(rb"(?s)(?=..[\x40-\x5f\xc0-\xdf\x78\x79\xf8\xf9][\x0e\x1e\x2e\x3e\x4e\x5e\x6e\x7e])")

THREE_SAME = frozenset({5, 11, 12, 13, 17, 25, 27, 31})  # U:a:opcode
_SURVIVED = [*range(0x18, 0x1E), 0x2C, 0x2D, 0x2E, 0x2F, *range(0x38, 0x3C), 0x3D, 0x3F]  # U:a:opcode
_SURVIVED += [*range(0x58, 0x5E), 0x6C, 0x6D, 0x6F, 0x79, 0x7A, 0x7B, 0x7D, 0x7F]
TWO_REGISTERS = frozenset(range(0x80)) - frozenset(_SURVIVED)
SCALAR_ONLY = frozenset({0x3F})  # lethal as vectors; frecpx
VECTOR_ONLY = frozenset({0x2F, 0x7F})  # lethal as scalars; fabs, fneg and fsqrt have none


def is_lethal(word: int) -> bool:
    """Whether the engine aborts on the word."""
    if word & 0x9F60C400 == 0x0E400400:
        return field(word, 29, 29) << 4 | field(word, 23, 23) << 3 | field(word, 13, 11) in THREE_SAME
    if word & 0x8F7E0C00 != 0x0E780800 or word & 0x50000000 == 0x10000000:
        return False
    opcode = field(word, 29, 29) << 6 | field(word, 23, 23) << 5 | field(word, 16, 12)
    exceptions = VECTOR_ONLY if word & 1 << 28 else SCALAR_ONLY
    return opcode in TWO_REGISTERS or opcode in exceptions


def find(text: bytes) -> list[int]:
    """Offsets of these words in text that begins at a word."""
    places = (match.start() for match in CANDIDATE.finditer(text))
    return [at for at in places if at % 4 == 0 and is_lethal(int.from_bytes(text[at : at + 4], "little"))]


GUARD = Guard(find, alignment=4, substitute=UDF)


# Exceptions by the number that the engine gives its interrupt hook.
UNDEFINED, SUPERVISOR_CALL, DATA_ABORT, BREAKPOINT = 1, 2, 4, 7
KINDS = {
    UNDEFINED: TrapKind.ILLEGAL,
    SUPERVISOR_CALL: TrapKind.SYSCALL,
    DATA_ABORT: TrapKind.UNALIGNED,  # memory errors go by plain_fault
    BREAKPOINT: TrapKind.BREAK,
}


def interpret(stop: EngineStop) -> Meaning:
    """ELR is the instruction, and the one after it for svc."""
    if stop.fault is not None:
        return plain_fault(stop)
    kind = KINDS.get(stop.interrupt or 0, TrapKind.OTHER if stop.interrupt else TrapKind.ILLEGAL)
    if kind not in (TrapKind.BREAK, TrapKind.SYSCALL):
        return Meaning(Trap(kind, stop.start), stop.start)
    code = field(int.from_bytes(stop.fetch(stop.start, 4), "little"), 20, 5)
    return Meaning(Trap(kind, stop.start, code), stop.start + (4 if kind is TrapKind.SYSCALL else 0))


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


def make_cpu(id: int, memory: Memory) -> Cpu:
    return unicorn_cpu(SPEC, id, memory)
