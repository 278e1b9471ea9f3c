"""RISC-V instructions to be tried under probes: the rows of kprobes.rules and of insns.decode."""

from __future__ import annotations

from collections.abc import Sequence

from arches.riscv.asm import assemble, disassemble, table
from arches.riscv.isa import insn_size
from arches.riscv.verdict import RULES
from emu.errors import DecodeError
from emu.isa.site import Release
from emu.transparent.examples import ExampleRow, Examples, rule_rows, table_rows


def to_bytes(word: int) -> bytes:
    insn = word.to_bytes(4, "little")
    return insn[: insn_size(insn)]


def is_instruction(insn: bytes) -> bool:
    try:
        disassemble(insn, 0)
    except DecodeError:
        return False
    return True


def rows(release: Release | None) -> Sequence[ExampleRow]:
    return (*rule_rows(RULES, release, to_bytes, is_instruction), *table_rows(table(), "insns.decode"))


EXAMPLES = Examples(rows=rows, canary=assemble("addi t0, t0, 1", 0))
