"""x86-64 as an ISA: registers, instruction bytes, text, and its CPU. Text is in Intel syntax.

Numbers are from the Intel Software Developer's Manual, volume 3, chapter 6 (vectors) and volume 1, 3.4.3 (EFLAGS).
"""

from __future__ import annotations

import re

from arches.x86.accesses import memory_operands
from arches.x86.lethal import GUARD
from arches.x86.registers import GPR
from emu.errors import DecodeError
from emu.isa import capstone_text, keystone_text
from emu.isa.registers import RegisterFile
from emu.isa.words import parse_bytes
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

ASSEMBLER = keystone_text.Assembler("X86", ("64",))
MAX_SIZE = 15
UD_MODRM = re.compile(rb"(?s)([\x26\x2e\x36\x3e\x64-\x67\xf2\xf3]*[\x40-\x4f]?\x0f)[\xb9\xff](.+)")
"""UD1 and UD0, of whose ModRM byte (SDM volume 2B, UD) Capstone 5 knows nothing; they are as long as IMUL, 0f af."""

FP = tuple(f"xmm{n}" for n in range(16))
X87 = {f"fp{n}": 80 for n in range(8)} | {"fpcw": 16, "fpsw": 16, "fptag": 16, "mxcsr": 32}
"""The x87's registers by their places, not by their distance from the top of its stack, with the MMX ones in their
significands; and the modes and exceptions of both kinds of floating point."""
FLAGS = {"cf": 0, "pf": 2, "af": 4, "zf": 6, "sf": 7, "df": 10, "of": 11}
REGISTERS = RegisterFile(
    bits=64,
    gpr=GPR,
    aliases={"rip": "pc", "rflags": "eflags"},
    status="eflags",
    arguments=("rdi", "rsi", "rdx", "rcx", "r8", "r9"),
    result="rax",
    stack="rsp",
    link=None,
    flags=tuple(FLAGS),
    fp=(*FP, *X87),
    widths=X87,
)

EFLAGS_IF = 1 << 9
EFLAGS_FIXED = 1 << 1
INT1 = 0xF1
KINDS = {
    0: TrapKind.DIVIDE,
    1: TrapKind.TRACE,
    3: TrapKind.BREAK,
    4: TrapKind.OVERFLOW,
    6: TrapKind.ILLEGAL,
    17: TrapKind.UNALIGNED,
    0x80: TrapKind.SYSCALL,
}
# After these (SDM table 6-5, "contributory" and double fault) the next exception would be a double fault.
CONTRIBUTORY = frozenset({0, 8, 10, 11, 12, 13})
FIRST_SOFTWARE_VECTOR = 32


def interpret(stop: EngineStop) -> Outcome:
    """The saved pc is the instruction after a trap (int3, int n, #DB) and the instruction itself for a fault."""
    if stop.fault is not None:
        return plain_fault(stop)
    if stop.hooked is not None:  # syscall, sysenter
        return Outcome(Trap(TrapKind.SYSCALL, stop.start), stop.start + 2)
    if stop.interrupt is None:
        return _not_decoded(stop)
    kind = KINDS.get(stop.interrupt, TrapKind.OTHER)
    code = stop.interrupt if stop.interrupt >= FIRST_SOFTWARE_VECTOR else None
    at = stop.pc if kind is TrapKind.TRACE else stop.start
    return Outcome(Trap(kind, at, code), stop.pc, stale=stop.interrupt in CONTRIBUTORY)


def _not_decoded(stop: EngineStop) -> Outcome:
    """The engine calls it invalid; but int1 is a #DB with the pc after it."""
    if stop.fetch(stop.start, 1)[0] == INT1:
        return Outcome(Trap(TrapKind.TRACE, stop.start + 1), stop.start + 1)
    return Outcome(Trap(TrapKind.ILLEGAL, stop.start), stop.start)


SPEC = UnicornSpec(
    arch="X86",
    modes=("64",),
    cpu_model="X86_HASWELL",
    file=REGISTERS,
    gpr=tuple(name.upper() for name in REGISTERS.gpr),
    pc="RIP",
    interpret=interpret,
    registers={"eflags": "EFLAGS", **{name: name.upper() for name in (*FP, *X87)}},
    flags={name: ("eflags", bit) for name, bit in FLAGS.items()},
    initial={"EFLAGS": EFLAGS_IF | EFLAGS_FIXED},
    guard=GUARD,
    insn_hooks=("SYSCALL", "SYSENTER"),
    virtual_tlb=True,  # without paging the engine has 52 bits of address, and the kernel is above
)


def make_cpu(id: int, memory: Memory) -> UnicornCpu:
    return UnicornCpu(SPEC, id, memory)


def insn_size(insn: bytes) -> int:
    """1 to 15, as Capstone decodes it; DecodeError if it cannot."""
    code = bytes(insn[:MAX_SIZE])
    ud = UD_MODRM.fullmatch(code)
    size = capstone_text.insn_length(ud[1] + b"\xaf" + ud[2] if ud else code)
    if size is None:
        raise DecodeError(f"bytes {insn[:MAX_SIZE].hex()}: no x86-64 instruction")
    return size


def word(insn: bytes) -> str:
    """The bytes in memory order: `48 89 e5` is `4889e5`."""
    return insn.hex()


def parse_word(text: str) -> bytes:
    """Hexadecimal bytes in memory order, up to 15, with or without spaces and `0x`; DecodeError."""
    insn = parse_bytes(text)
    if len(insn) > MAX_SIZE:
        raise DecodeError(f"bytes {text!r}: expected 1 to {MAX_SIZE} bytes in hexadecimal, in memory order")
    return insn


def disassemble(insn: bytes, addr: int) -> str:
    """Capstone's text; DecodeError if it knows no such instruction."""
    return capstone_text.disassemble(capstone_text.X86_64, bytes(insn[:MAX_SIZE]), addr)


def assemble(text: str, addr: int) -> bytes:
    """Keystone's bytes; EncodeError."""
    return keystone_text.assemble(ASSEMBLER, text, addr)
