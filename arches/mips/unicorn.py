"""MIPS32 on Unicorn: its exceptions as traps, and what the engine must not be given.

Numbers are from the MIPS32 Architecture manuals (MD00086, MD00090): ExcCode values do not appear, since the
engine has numbers of its own.

Words that Unicorn 2.1.4 must not get.

SPECIAL with function 5 (`pmon` to the engine) it takes for a call of a boot monitor, and prints on the host's standard
output. It is undefined on the CPUs here (MD00086, table A.3), and LSA on those with MSA or Release 6.

After an ERET to where nothing is mapped it dies of the next instruction. A guest here has nothing to return from, since
the host takes its exceptions: the step is a trap.
"""

from __future__ import annotations

import re

from arches.mips.insns import is_branch
from arches.mips.registers import FP, REGISTERS
from emu.bits import field
from emu.machine.cpu import Cpu, Fault, MemoryAccess, Trap, TrapKind
from emu.machine.memory import Memory
from emu.machine.unicorn.guard import Guard
from emu.machine.unicorn.pairs import PairSpec
from emu.machine.unicorn.spec import EngineStop, Fetch, Meaning, UnicornSpec, plain_fault
from emu.machine.unicorn.start import unicorn_cpu

PMON = rb"[\x05\x45\x85\xc5]..[\x00-\x03]"
ERET = rb"[\x18\x58\x98\xd8]..[\x42\x43]"  # COP0 with CO set and function 0x18; the engine looks at nothing else
LETHAL = re.compile(rb"(?s)(?=" + PMON + rb"|" + ERET + rb")")
RESERVED = (0x0E).to_bytes(4, "little")  # SPECIAL with function 14


def find(text: bytes) -> list[int]:
    """Offsets of these words in text that begins at a word."""
    return [match.start() for match in LETHAL.finditer(text) if match.start() % 4 == 0]


def kind(insn: bytes) -> TrapKind:
    return TrapKind.OTHER if re.match(rb"(?s)" + ERET, insn) else TrapKind.ILLEGAL


GUARD = Guard(find, alignment=4, substitute=RESERVED, kind=kind)


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


def interpret(stop: EngineStop) -> Meaning:
    """EPC is the instruction or, with Cause.BD, the branch before it. The engine's own pc is lost (it reads 0)."""
    in_slot = _steps_branch(stop)
    pc = stop.start + 4 if in_slot else stop.start
    if stop.fault is not None:
        access, address = stop.fault
        if access is MemoryAccess.FETCH and not in_slot:
            return plain_fault(stop)
        return Meaning(Fault(access, address, pc), stop.start, stale=in_slot)
    kind = KINDS.get(stop.interrupt or 0, TrapKind.OTHER)
    code = trap_code(kind, int.from_bytes(stop.fetch(pc, 4), "little"))
    # What is stale is that a branch is pending.
    return Meaning(Trap(kind, pc, code, delay_slot=in_slot), stop.start, stale=in_slot)


def _steps_branch(stop: EngineStop) -> bool:
    """Whether the stop is the delay slot's: branches themselves access no memory and do not trap."""
    if stop.fault is not None and stop.fault[0] is MemoryAccess.FETCH and stop.fault[1] != stop.start + 4:
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


def make_cpu(id: int, memory: Memory) -> Cpu:
    return unicorn_cpu(SPEC, id, memory)
