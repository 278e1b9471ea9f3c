"""MIPS32 instructions to be tried under probes: the rows of kprobes.rules, and the classes of insns.decode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from arches.mips.insns import classes, is_branch
from arches.mips.isa import assemble, disassemble
from arches.mips.registers import FP
from arches.mips.unicorn import SPEC, STATUS_FR
from arches.mips.verdict import RULES, has_delay_slot
from emu.bits import field, mask
from emu.errors import DecodeError
from emu.trials import Limit, TrialRow, Trials, class_rows, rule_rows
from emu.verdict.site import Release

COP0, COP2 = 0x10, 0x12  # bits 31:26
BPOSGE32 = 0x041C  # bits 31:16
BNE, BGTZ = 0x05, 0x07
BLTZ = 0x0400  # bits 31:16, on $0
JR, JALR = 0x08, 0x09  # SPECIAL functions
NOP = bytes(4)
NOPS = 0.4  # how many delay slots have one
CONDITIONS = 0xFE800000  # of fcsr
FR1 = 0.3  # how often there are 32 floating point registers, not 16


def to_bytes(word: int) -> bytes:
    return word.to_bytes(4, "little")


def to_word(insn: bytes) -> int:
    return int.from_bytes(insn[:4], "little")


def is_instruction(insn: bytes) -> bool:
    try:
        disassemble(insn, 0x80000000)
    except DecodeError:
        return False
    return True


def rows(release: Release | None) -> Sequence[TrialRow]:
    found = class_rows(classes(), "insns.decode", is_instruction)
    return (*rule_rows(RULES, release, to_bytes, is_instruction), *found)


def following(insn: bytes, rng: Random) -> bytes:
    """What stands in a delay slot, the CPU's or one that only the kernel sees: a nop, or something simple."""
    word = to_word(insn)
    if not is_branch(word) and not has_delay_slot(word):
        return b""
    return NOP if rng.random() < NOPS else to_bytes(_simple(rng))


def _simple(rng: Random) -> int:
    opcode, registers = rng.choice((0x09, 0x0D, 0x23, 0x2B, 0x00)), rng.getrandbits(10)
    if opcode:
        return opcode << 26 | registers << 16 | rng.getrandbits(16)
    return registers << 16 | rng.getrandbits(5) << 11 | rng.choice((0x21, 0x2A, 0x25))  # addu, slt, or


def steer(insn: bytes, regs: dict[str, int], rng: Random) -> None:
    """Conditions for bc1 and movf, and no FPU exception enabled; both modes of the FPU; jumps to words."""
    regs["fcsr"] = rng.getrandbits(32) & CONDITIONS
    if rng.random() < FR1:
        regs["cp0_status"] = regs.get("cp0_status", SPEC.soft["cp0_status"]) | STATUS_FR
    else:
        regs.update({name: regs[name] & mask(32) for name in FP[1::2] if name in regs})
    register = jump_register(insn)
    if register is not None:
        regs[register] &= ~3


def jump_register(insn: bytes) -> str | None:
    """The register that jr or jalr goes to; None for another instruction, and for $0."""
    word = to_word(insn)
    number = field(word, 25, 21)
    return f"r{number}" if word >> 26 == 0 and word & 0x3F in (JR, JALR) and number else None


def more(insn: bytes, way: int) -> bool:
    """A branch that is never taken is a nop to the engine: its delay slot is a step of its own."""
    word = to_word(insn)
    opcode, rs, rt = word >> 26, field(word, 25, 21), field(word, 20, 16)
    never = (opcode == BNE and rs == rt) or (rs == 0 and (opcode == BGTZ or word >> 16 == BLTZ))
    return way == 4 and never


def beyond(insn: bytes, regs: Mapping[str, int]) -> str | None:
    register = jump_register(insn)
    if register is not None and regs.get(register, 0) & 3:
        return "a jump to no word: bit 0 is MIPS16, which is not here, and the engine does not survive it"
    return None


TRIALS = Trials(
    rows=rows,
    canary=assemble("addiu $t0, $t0, 1", 0),
    randomised=("hi", "lo"),
    limits=(
        Limit(
            "privileged",
            lambda insn: to_word(insn) >> 26 == COP0,
            "the engine's coprocessor 0 does not have the interrupt state of the kernel here",
        ),
        Limit(
            "branch to its own delay slot",
            lambda insn: is_branch(to_word(insn)) and insn[:2] == bytes(2) and to_word(insn) >> 26 != 0,
            "the engine sometimes keeps it pending, and executes the delay slot twice",
        ),
        Limit(
            "not fitted",
            lambda insn: to_word(insn) >> 26 == COP2 or to_word(insn) >> 16 == BPOSGE32,
            "the engine has no coprocessor 2, and the DSP is off",
        ),
    ),
    following=following,
    steer=steer,
    beyond=beyond,
    more=more,
)
