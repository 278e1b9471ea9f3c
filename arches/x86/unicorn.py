"""x86-64 on Unicorn: its exceptions as traps, and what the engine must not be given.

Numbers are from the Intel Software Developer's Manual, volume 3, chapter 6 (vectors) and volume 1, 3.4.3 (EFLAGS).

Undefined instructions that abort Unicorn 2.1.4: LOCK BT, BTS, BTR and BTC with a register as destination.

The SDM (volume 2A, BTS) has #UD for them; the engine's translator asserts that the operand is memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from arches.x86.registers import FLAGS, FP, REGISTERS, X87
from emu.machine.cpu import Cpu, Trap, TrapKind
from emu.machine.memory import Memory
from emu.machine.unicorn.guard import Guard
from emu.machine.unicorn.host_values import HostValue, HostValueSpec
from emu.machine.unicorn.spec import EngineStop, Meaning, UnicornSpec, plain_fault
from emu.machine.unicorn.start import unicorn_cpu

# A LOCK prefix, then others, then 0f a3/ab/b3/bb /r or 0f ba /4..7 with ModRM.mod 3.
PREFIXES = rb"[\x26\x2e\x36\x3e\x64-\x67\xf0\xf2\xf3]"
PATTERN = re.compile(
    rb"(?s)(?=" + PREFIXES + rb"{0,13}[\x40-\x4f]?\x0f(?:[\xa3\xab\xb3\xbb][\xc0-\xff]|\xba[\xe0-\xff]))" + PREFIXES
)
PREFIX_BYTES = frozenset(b"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3")
MAX_SIZE = 15
LOCK, REX = 0xF0, 0x40


def find(text: bytes) -> list[int]:
    """Offsets where such an instruction begins, wherever a LOCK stands among its prefixes."""
    return [match.start() for match in PATTERN.finditer(text) if _is_locked(text, match.start())]


def _is_locked(text: bytes, at: int) -> bool:
    return LOCK in text[at : text.index(0x0F, at)]


GUARD = Guard(find, alignment=1, reach=MAX_SIZE)

# rdtsc, rdpmc, rdtscp; rdrand and rdseed: 0f c7 /6 and /7 with ModRM.mod 3 (rdpid, which has f3 too, is another one).
ASKS_THE_HOST = re.compile(rb"(?s)\x0f(?:[\x31\x33]|\x01\xf9|\xc7[\xf0-\xff])")
LOW = 0xFFFF_FFFF


def rdtsc(count: int, _cpu: int) -> dict[str, int]:
    return {"rax": count & LOW, "rdx": count >> 32 & LOW}


def rdtscp(count: int, cpu: int) -> dict[str, int]:
    """Linux keeps the CPU's number in IA32_TSC_AUX, which this gives too."""
    return {**rdtsc(count, cpu), "rcx": cpu}


HOST_VALUES = {0x31: HostValue("rdtsc", rdtsc), 0x01: HostValue("rdtscp", rdtscp), 0x33: HostValue("rdpmc")}
RDRAND, RDSEED = HostValue("rdrand"), HostValue("rdseed")
RDSEED_MODRM, REP = 0xF8, 0xF3


def host_values(text: bytes) -> Iterator[tuple[int, HostValue]]:
    """Each with every place from which its prefixes and it are one instruction."""
    for match in ASKS_THE_HOST.finditer(text):
        opcode, modrm = match[0][1], match[0][-1]
        value = HOST_VALUES.get(opcode) or (RDSEED if modrm >= RDSEED_MODRM else RDRAND)
        yield from ((at, value) for at in _starts(text, match.start()) if not _is_rdpid(text, at, value))


def _starts(text: bytes, opcode_at: int) -> Iterator[int]:
    yield (at := opcode_at)
    if at and text[at - 1] & 0xF0 == REX:
        yield (at := at - 1)
    while at and text[at - 1] in PREFIX_BYTES and opcode_at - at < MAX_SIZE:
        yield (at := at - 1)


def _is_rdpid(text: bytes, at: int, value: HostValue) -> bool:
    return value is RDSEED and REP in text[at : text.index(0x0F, at)]


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


def interpret(stop: EngineStop) -> Meaning:
    """The saved pc is the instruction after a trap (int3, int n, #DB) and the instruction itself for a fault."""
    if stop.fault is not None:
        return plain_fault(stop)
    if stop.hooked is not None:  # syscall, sysenter
        return Meaning(Trap(TrapKind.SYSCALL, stop.start), stop.start + 2)
    if stop.interrupt is None:
        return _not_decoded(stop)
    kind = KINDS.get(stop.interrupt, TrapKind.OTHER)
    code = stop.interrupt if stop.interrupt >= FIRST_SOFTWARE_VECTOR else None
    at = stop.pc if kind is TrapKind.TRACE else stop.start
    return Meaning(Trap(kind, at, code), stop.pc, stale=stop.interrupt in CONTRIBUTORY)


def _not_decoded(stop: EngineStop) -> Meaning:
    """The engine calls it invalid; but int1 is a #DB with the pc after it."""
    if stop.fetch(stop.start, 1)[0] == INT1:
        return Meaning(Trap(TrapKind.TRACE, stop.start + 1), stop.start + 1)
    return Meaning(Trap(TrapKind.ILLEGAL, stop.start), stop.start)


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
    host_values=HostValueSpec(host_values, MAX_SIZE),
    insn_hooks=("SYSCALL", "SYSENTER"),
    virtual_tlb=True,  # without paging the engine has 52 bits of address, and the kernel is above
)


def make_cpu(id: int, memory: Memory) -> Cpu:
    return unicorn_cpu(SPEC, id, memory)
