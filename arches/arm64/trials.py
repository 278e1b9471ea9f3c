"""ARM64 instructions to be tried under probes: the rows of kprobes.rules, and the classes of insns.decode."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from arches.arm64.insns import classes
from arches.arm64.isa import assemble, disassemble
from arches.arm64.unicorn import is_lethal
from arches.arm64.verdict import RULES
from emu.bits import field
from emu.errors import DecodeError
from emu.trials import Limit, TrialRow, Trials, class_rows, rule_rows
from emu.verdict.site import Release

MRS, TIMER, PMU = 0xD53, 14, 9  # bits 31:20; CRn of the generic timer's registers and the performance monitors'
DC_ZVA, DC_ZVA_MASK, DC_LINE = 0xD50B7420, 0xFFFFFFE0, 64


def to_bytes(word: int) -> bytes:
    return word.to_bytes(4, "little")


def is_instruction(insn: bytes) -> bool:
    try:
        disassemble(insn, 0)
    except DecodeError:
        return False
    return True


def rows(release: Release | None) -> Sequence[TrialRow]:
    found = class_rows(classes(), "insns.decode", is_instruction)
    return (*rule_rows(RULES, release, to_bytes, is_instruction), *found)


def reads_a_counter(insn: bytes) -> bool:
    word = int.from_bytes(insn, "little")
    return word >> 20 == MRS and field(word, 15, 12) in (TIMER, PMU)


def steer(insn: bytes, regs: dict[str, int], _rng: Random) -> None:
    """dc zva gets a whole line of the buffer; it has no memory operand."""
    word = int.from_bytes(insn[:4], "little")
    if word & DC_ZVA_MASK == DC_ZVA and word & 31 != 31:
        regs[f"x{word & 31}"] = regs.get("sp", 0) & ~(DC_LINE - 1)


TRIALS = Trials(
    rows=rows,
    canary=assemble("add x9, x9, #1", 0),
    literals=True,
    randomised=("sp",),
    limits=(
        Limit("lethal", lambda insn: is_lethal(int.from_bytes(insn, "little")), "the engine does not survive it"),
        Limit("counter", reads_a_counter, "a counter runs on between the two"),
    ),
    steer=steer,
)
