"""MIPS32 release 2, little endian, as an ISA: registers, words, text, and its CPU (a 74Kf).

Numbers are from the MIPS32 Architecture manuals (MD00086, MD00090): ExcCode values do not appear, since the
engine has numbers of its own.
"""

from __future__ import annotations

from arches.mips.accesses import memory_operands
from arches.mips.insns import is_branch
from arches.mips.lethal import GUARD
from emu.bits import field
from emu.isa import capstone_text, keystone_text
from emu.isa.registers import RegisterFile
from emu.isa.words import four as insn_size
from emu.isa.words import parse_word32 as parse_word
from emu.isa.words import word32 as word
from emu.machine.cpu import Fault, Trap, TrapKind
from emu.machine.memory import Memory
from emu.machine.unicorn.cpu import UnicornCpu
from emu.machine.unicorn.pairs import PairSpec
from emu.machine.unicorn.spec import EngineStop, Fetch, Outcome, UnicornSpec, plain_fault

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

DECODER = capstone_text.Decoder("MIPS", ("MIPS32",))
ASSEMBLER = keystone_text.Assembler("MIPS", ("MIPS32",), prologue=".set noreorder; .set mips32r2; ")

ABI_NAMES = (
    *("zero", "at", "v0", "v1", "a0", "a1", "a2", "a3"),
    *(f"t{n}" for n in range(8)),
    *(f"s{n}" for n in range(8)),
    *("t8", "t9", "k0", "k1", "gp", "sp", "fp", "ra"),
)
"""The o32 names of r0..r31."""

FP = tuple(f"f{n}" for n in range(32))  # 64 bits with Status.FR; without it f1 is the upper half of f0, and so on


def _aliases() -> dict[str, str]:
    named = {name: f"r{n}" for n, name in enumerate(ABI_NAMES)} | {"s8": "r30"}
    dollar = {f"${name}": to for name, to in named.items()} | {f"${n}": f"r{n}" for n in range(32)}
    return named | dollar


REGISTERS = RegisterFile(
    bits=32,
    gpr=tuple(f"r{n}" for n in range(32)),
    aliases=_aliases(),
    status="cp0_status",
    arguments=("r4", "r5", "r6", "r7"),
    result="r2",
    stack="r29",
    link="r31",
    zero=0,
    special=("hi", "lo", "fcsr"),
    fp=FP,
    fp_bits=64,
    callee="r25",
    pointers={"r28": "_gp"},
)

# Exceptions by the number that the engine gives its interrupt hook.
KINDS = {
    12: TrapKind.UNALIGNED,  # of a load
    13: TrapKind.UNALIGNED,  # of a store
    17: TrapKind.SYSCALL,
    18: TrapKind.BREAK,
    20: TrapKind.ILLEGAL,
    21: TrapKind.OVERFLOW,
    22: TrapKind.TRAP,
}
STATUS_IE = 1 << 0
STATUS_FR = 1 << 26  # 32 floating point registers of 64 bits, not 16
STATUS_CU1 = 1 << 29


def trap_code(kind: TrapKind, word: int) -> int | None:
    """The code in break and syscall (20 bits), and in teq and relatives (10 bits; none in teqi)."""
    if kind in (TrapKind.BREAK, TrapKind.SYSCALL):
        return field(word, 25, 6)
    if kind is TrapKind.TRAP and word >> 26 == 0:
        return field(word, 15, 6)
    return None


def interpret(stop: EngineStop) -> Outcome:
    """EPC is the instruction or, with Cause.BD, the branch before it. The engine's own pc is lost (it reads 0)."""
    in_slot = _steps_branch(stop)
    pc = stop.start + 4 if in_slot else stop.start
    if stop.fault is not None:
        access, address = stop.fault
        if access == "fetch" and not in_slot:
            return plain_fault(stop)
        return Outcome(Fault(access, address, pc), stop.start, stale=in_slot)
    kind = KINDS.get(stop.interrupt or 0, TrapKind.OTHER)
    code = trap_code(kind, int.from_bytes(stop.fetch(pc, 4), "little"))
    # What is stale is that a branch is pending.
    return Outcome(Trap(kind, pc, code, delay_slot=in_slot), stop.start, stale=in_slot)


def _steps_branch(stop: EngineStop) -> bool:
    """Whether the stop is the delay slot's: branches themselves access no memory and do not trap."""
    if stop.fault is not None and stop.fault[0] == "fetch" and stop.fault[1] != stop.start + 4:
        return False
    return is_branch(int.from_bytes(stop.fetch(stop.start, 4), "little"))


FIRST_ACCESS = 0x20  # major opcodes from here on are loads and stores


def leaves_pending(start: int, pc: int, fetch: Fetch) -> bool:
    """Whether that was a branch with a load or store in its delay slot."""
    return pc != start + 4 and fetch(start + 4, 4)[3] >> 2 >= FIRST_ACCESS


SPEC = UnicornSpec(
    arch="MIPS",
    modes=("MIPS32",),
    cpu_model="MIPS32_74KF",
    file=REGISTERS,
    gpr=tuple(str(n) for n in range(32)),
    pc="PC",
    interpret=interpret,
    registers={"hi": "HI", "lo": "LO", "fcsr": "FCSR", **{name: name.upper() for name in FP}},
    soft={"cp0_status": STATUS_CU1 | STATUS_IE},
    pc_alignment=4,
    # ll $0, 0x7000($0): the reservation is of that page now. The break ends what the engine translates at once.
    clear_reservation=bytes.fromhex("007000c0 0d000000"),
    scratch=0x7000,
    leaves_pending=leaves_pending,
    virtual_tlb=True,  # kseg0 addresses are where their regions are
    guard=GUARD,
    pairs=PairSpec(tuple(zip(FP[::2], FP[1::2], strict=True)), "cp0_status", STATUS_FR.bit_length() - 1, "CP0_STATUS"),
)


def make_cpu(id: int, memory: Memory) -> UnicornCpu:
    return UnicornCpu(SPEC, id, memory)


def disassemble(insn: bytes, addr: int) -> str:
    """Capstone's text; DecodeError if it knows no such instruction."""
    return capstone_text.disassemble(DECODER, insn[:4], addr)


def assemble(text: str, addr: int) -> bytes:
    """Keystone's bytes, delay slots as written; EncodeError."""
    return keystone_text.assemble(ASSEMBLER, text, addr)
