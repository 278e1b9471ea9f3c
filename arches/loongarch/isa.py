"""LoongArch64: registers, the instruction table, and CPUs that run it.

Words are written as eight hexadecimal digits; text is LLVM's (`$a0`, distances of branches in bytes).
"""

from __future__ import annotations

from importlib.resources import files

from arches.loongarch import semantics, semantics_arithmetic, semantics_bits, semantics_memory, semantics_system
from emu.isa.registers import RegisterFile
from emu.isa.table import OperandKind, PcRelative, RegisterName, Table
from emu.isa.words import parse_word32
from emu.machine.interp_cpu import InterpCpu, InterpSpec, semantics_of
from emu.machine.memory import Memory

_ABI = ("zero", "ra", "tp", "sp", *(f"a{n}" for n in range(8)), *(f"t{n}" for n in range(9)), "r21", "fp")
ABI_NAMES = (*_ABI, *(f"s{n}" for n in range(9)))
"""The names of r0..r31 in the calling convention; r21, which user space reserves, is Linux's u0."""


def _aliases() -> dict[str, str]:
    numbered = {f"r{n}": f"r{n}" for n in range(32)}
    named = {name: f"r{n}" for n, name in enumerate(ABI_NAMES)} | {"u0": "r21", "s9": "r22"}
    plain = numbered | named
    return {name: to for name, to in named.items() if name != to} | {f"${name}": to for name, to in plain.items()}


REGISTERS = RegisterFile(
    bits=64,
    gpr=tuple(f"r{n}" for n in range(32)),
    aliases=_aliases(),
    status="prmd",
    arguments=tuple(f"r{n}" for n in range(4, 12)),
    result="r4",
    stack="r3",
    link="r1",
    zero=0,
    special=tuple(name for name in semantics_system.CSR.values() if name != "prmd"),
    flags=tuple(f"fcc{n}" for n in range(8)),
)

_KINDS: dict[str, OperandKind] = {
    "r[djk]": RegisterName(
        tuple(f"${name}" for name in ABI_NAMES),
        {name: int(to[1:]) for name, to in _aliases().items()} | {f"r{n}": n for n in range(32)},
    ),
    "cj": RegisterName(tuple(f"$fcc{n}" for n in range(8)), {f"fcc{n}": n for n in range(8)}),
    "off": PcRelative(absolute=False),
}

TABLE = Table.parse(
    (files("arches.loongarch") / "insns.decode").read_text(encoding="utf-8"),
    "arches/loongarch/insns.decode",
    kinds=_KINDS,
)

PRMD_PIE = 1 << 2
_CRMD_RUNNING = 0xB4  # PLV0, interrupts on, paging on, accesses coherent and cached: as Linux sets it

_MODULES = (semantics, semantics_arithmetic, semantics_bits, semantics_memory, semantics_system)

SPEC = InterpSpec(
    table=TABLE,
    semantics=semantics_of(TABLE, {name: value for module in _MODULES for name, value in vars(module).items()}),
    registers=REGISTERS,
    reset={"prmd": PRMD_PIE, "crmd": _CRMD_RUNNING, "fcc": 0, "counter": 0},
    flag_bits={f"fcc{n}": ("fcc", n) for n in range(8)},
)


def make_cpu(id: int, memory: Memory) -> InterpCpu:
    """A CPU in kernel mode with interrupts on; CSR.CPUID and the counter's id are its number."""
    cpu = InterpCpu(SPEC, id, memory)
    cpu.special["cpuid"] = cpu.special["tid"] = id
    return cpu


def insn_size(insn: bytes) -> int:
    """Always 4."""
    return 4


def disassemble(insn: bytes, addr: int) -> str:
    """One instruction as text; DecodeError if it is none."""
    return TABLE.disassemble(*TABLE.from_bytes(insn), addr)


def assemble(text: str, addr: int) -> bytes:
    """One instruction in memory order; EncodeError."""
    return TABLE.assemble(text, addr)


def word(insn: bytes) -> str:
    """The bytes of an instruction as its word: 0x002a000a."""
    value, _ = TABLE.from_bytes(insn)
    return f"0x{value:08x}"


def parse_word(text: str) -> bytes:
    """A word such as 0x002a000a or 2a000a as bytes in memory order; DecodeError."""
    return parse_word32(text)
