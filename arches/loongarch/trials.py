"""LoongArch instructions to be tried under probes: the rows of kprobes.rules and of insns.decode."""

from __future__ import annotations

from collections.abc import Sequence

from arches.loongarch.insns import TABLE
from arches.loongarch.isa import assemble
from arches.loongarch.registers import CSR
from arches.loongarch.verdict import RULES
from emu.bits import field
from emu.trials import Limit, TrialRow, Trials, rule_rows, table_rows
from emu.verdict.site import Release

LL_W, LL_D = 0x20, 0x22  # bits 31:24; sc is the next
LLACQ_W, LLACQ_D = 0xE15E0, 0xE15E2  # bits 31:10; screl is the next
T0 = 12
CSR_ACCESS = 0x04  # bits 31:24
EXCEPTION_STATE = (0, 1, 5, 6, 7, 8)  # CRMD, PRMD, ESTAT, ERA, BADV, BADI


def to_bytes(word: int) -> bytes:
    return word.to_bytes(4, "little")


def is_instruction(insn: bytes) -> bool:
    return TABLE.find(int.from_bytes(insn, "little"), 4) is not None


def rows(release: Release | None) -> Sequence[TrialRow]:
    return (*rule_rows(RULES, release, to_bytes, is_instruction), *table_rows(TABLE, "insns.decode"))


def partner(insn: bytes) -> bytes:
    """The store-conditional for a load-linked, to where it loaded from: ll to sc, llacq to screl, from $t0."""
    word = int.from_bytes(insn, "little")
    base = word & 31 << 5
    if word & 31 == base >> 5:
        return b""
    if word >> 24 in (LL_W, LL_D):
        return to_bytes(word & ~31 | 1 << 24 | T0)
    if word >> 10 in (LLACQ_W, LLACQ_D):
        return to_bytes((word >> 10 | 1) << 10 | base | T0)
    return b""


def csr_of(insn: bytes) -> int | None:
    """The number of the control and status register that csrrd, csrwr or csrxchg accesses."""
    word = int.from_bytes(insn, "little")
    return field(word, 23, 10) if word >> 24 == CSR_ACCESS else None


def names_exception_state(insn: bytes) -> bool:
    """Accesses to what an exception overwrites or restores."""
    return csr_of(insn) in EXCEPTION_STATE


def touches_unmodelled_state(insn: bytes) -> bool:
    """Accesses to registers that read 0 here and ignore writes."""
    csr = csr_of(insn)
    return csr is not None and csr not in CSR


TRIALS = Trials(
    rows=rows,
    canary=assemble("addi.d $t0, $t0, 1", 0),
    partner=partner,
    base=0x9000_0000_0020_0000,
    limits=(
        Limit(
            "exception state",
            names_exception_state,
            "the breakpoint's exception changes this CSR, which is not modelled but for PRMD.PIE",
        ),
        Limit("CSR", touches_unmodelled_state, "this CSR is not modelled"),
    ),
)
