"""C-SKY instructions to be tried under probes: the rows of kprobes.rules and of insns.decode."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from arches.csky.insns import TABLE, halfword_size
from arches.csky.isa import assemble
from arches.csky.registers import DATA_BASE, GPR, REGISTERS, RESET, SP, control_name
from arches.csky.verdict import RULES
from emu.bits import mask
from emu.errors import DecodeError
from emu.isa.table import Insn
from emu.trials import Limit, TrialRow, Trials, rule_rows, table_rows
from emu.verdict.site import Release

EXCEPTION_STATE = (2, 3, 4, 5)  # EPSR, FPSR, EPC, FPC, all of bank 0


def to_bytes(word: int) -> bytes:
    """The kernel's word, which has the first halfword low."""
    return word.to_bytes(4, "little")[: halfword_size(word & 0xFFFF)]


def decoded(insn: bytes) -> Insn | None:
    try:
        return TABLE.decode(*TABLE.from_bytes(insn))
    except DecodeError:
        return None


def is_instruction(insn: bytes) -> bool:
    return decoded(insn) is not None


def rows(release: Release | None) -> Sequence[TrialRow]:
    return (*rule_rows(RULES, release, to_bytes, is_instruction), *table_rows(TABLE, "insns.decode"))


def names_exception_state(insn: bytes) -> bool:
    found = decoded(insn)
    if found is None or found.name not in ("mfcr32", "mtcr32"):
        return False
    return found.fields["bank"] == 0 and found.fields["cr"] in EXCEPTION_STATE


def touches_unmodelled_state(insn: bytes) -> bool:
    """mtcr to what is plain storage here and is not compared, and mfcr from what is not there at all."""
    found = decoded(insn)
    if found is None or found.name not in ("mfcr32", "mtcr32"):
        return False
    name = control_name(found.fields["cr"], found.fields["bank"])
    return name not in RESET if found.name == "mfcr32" else name != REGISTERS.status


def reads_itself(insn: bytes) -> bool:
    found = decoded(insn)
    return found is not None and found.fields.get("lit") == 0


def partner(insn: bytes) -> bytes:
    """The exclusive store for an exclusive load, of a3 to where it loaded from."""
    found = decoded(insn)
    if found is None or found.name != "ldex.w32" or found.rz == found.rx:
        return b""
    return TABLE.to_bytes(TABLE.encode("stex.w32", rz=3, rx=found.rx, disp=found.disp), 4)


def steer(insn: bytes, regs: dict[str, int], _rng: Random) -> None:
    """lrs and srs, whose base is a register of its own, get to where the stack is."""
    found = decoded(insn)
    if found is not None and "goff" in found.fields:
        regs[GPR[DATA_BASE]] = regs.get(GPR[SP], 0) - found.fields["goff"] & mask(32)


TRIALS = Trials(
    rows=rows,
    canary=assemble("addi a3, 1", 0),
    partner=partner,
    literals=True,
    randomised=("hi", "lo"),
    limits=(
        Limit("its own text", reads_itself, "it reads the breakpoint in its own place"),
        Limit(
            "exception state",
            names_exception_state,
            "the breakpoint's exception changes this control register, which is not modelled",
        ),
        Limit("control register", touches_unmodelled_state, "what this control register does is not modelled"),
    ),
    steer=steer,
)
