"""RISC-V instructions to be tried under probes: the rows of kprobes.rules and of insns.decode."""

from __future__ import annotations

from collections.abc import Sequence

from arches.riscv.insns import assemble, disassemble, table
from arches.riscv.isa import insn_size
from arches.riscv.verdict import RULES
from emu.bits import field
from emu.errors import DecodeError
from emu.trials import TrialRow, Trials, rule_rows, table_rows
from emu.verdict.site import Release

LR_MASK, LR, SC = 0xF800607F, 0x1000202F, 0x03  # funct5, funct3 but for its lowest bit, opcode; funct5 of sc
T0, T1, T2 = 5, 6, 7


def to_bytes(word: int) -> bytes:
    insn = word.to_bytes(4, "little")
    return insn[: insn_size(insn)]


def is_instruction(insn: bytes) -> bool:
    try:
        disassemble(insn, 0)
    except DecodeError:
        return False
    return True


def partner(insn: bytes) -> bytes:
    """The store-conditional for a load-reserved, to where it loaded from; into t0, unless that is the address."""
    word = int.from_bytes(insn, "little")
    base = field(word, 19, 15)
    if word & LR_MASK != LR or field(word, 11, 7) == base:
        return b""
    flag = T0 if base != T0 else T1
    return to_bytes(word & ~(31 << 7 | 31 << 20 | 31 << 27) | SC << 27 | T2 << 20 | flag << 7)


def rows(release: Release | None) -> Sequence[TrialRow]:
    return (*rule_rows(RULES, release, to_bytes, is_instruction), *table_rows(table(), "insns.decode"))


TRIALS = Trials(rows=rows, canary=assemble("addi t0, t0, 1", 0), partner=partner)
