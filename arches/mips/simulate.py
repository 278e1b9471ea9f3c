"""Where a branch goes, as Linux on MIPS computes it (__compute_return_epc_for_insn, arch/mips/kernel/branch.c).

A probed branch is not simulated whole: its target and its link are computed, mistakes included, and the instruction in
its delay slot is then stepped or skipped. Which words count as branches is decided elsewhere (kprobes.rules);
any COP1 word does, and is evaluated here as if it were bc1f, bc1t, bc1fl or bc1tl.

Departures from the MIPS32 manual (volume II):
- A link is written before the register is read: `jalr` with rs = rd goes to EPC + 8, and bltzal and bgezal on $31
  test the link (bugs.py: link-first). The manual leaves these unpredictable: the branch could not be restarted.
- bltzal and bltzall on $0 go to their target, although 0 is not negative; bgezall on $0 is not reported as likely
  (bltzal-of-zero).
- Only condition code 0 of bc1fl and bc1tl is reported as likely (likely-polarity).
- The result BRANCH_LIKELY_TAKEN makes the caller skip the delay slot where the manual would execute it
  (likely-polarity, for the caller to repair, who has `annulled` for that).

Release 6, which gives other meanings to some of these words, is not covered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType

from arches.mips import bugs
from emu.bits import field, mask, sext
from emu.errors import UsageError
from emu.machine.frame import PtRegs
from emu.verdict.site import NO_REPAIRS, Repairs

Simulate = Callable[[PtRegs, int, int], None]

SPECIAL, REGIMM, J, JAL, BEQ, BNE, BLEZ, BGTZ = range(8)
COP1, BEQL, BNEL, BLEZL, BGTZL = 0x11, 0x14, 0x15, 0x16, 0x17
BBIT0, BBIT032, BBIT1, BBIT132 = 0x32, 0x36, 0x3A, 0x3E
JR, JALR = 0x08, 0x09  # SPECIAL functions
BLTZ, BGEZ, BLTZL, BGEZL = range(4)  # REGIMM, in rt
BLTZAL, BGEZAL, BLTZALL, BGEZALL = range(0x10, 0x14)
BPOSGE32 = 0x1C
BC1 = 0x08  # COP1, in rs
_RA = 31


@dataclass(frozen=True, slots=True)
class Branch:
    """What evaluating a branch gave. Link registers have been written by then.

    `target` is the new EPC; None is the kernel's failure (it sends SIGBUS or SIGILL), and nothing was changed.
    `likely_taken` is the kernel's BRANCH_LIKELY_TAKEN. `annulled` says that by the manual the delay slot is not
    executed: the branch is a likely one and not taken.
    """

    target: int | None
    likely_taken: bool = False
    annulled: bool = False


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of a branch, and where it is."""

    insn: int
    epc: int

    @property
    def opcode(self) -> int:
        return self.insn >> 26

    @property
    def rs(self) -> int:
        return field(self.insn, 25, 21)

    @property
    def rt(self) -> int:
        return field(self.insn, 20, 16)

    @property
    def link(self) -> int:
        return self.epc + 8 & mask(32)

    def go(self, taken: bool) -> int:
        return self.epc + (4 + (sext(self.insn, 16) << 2) if taken else 8) & mask(32)


def _conditional(i: _Fields, taken: bool, likely: bool, reported: bool = True) -> Branch:
    return Branch(i.go(taken), likely_taken=likely and reported and taken, annulled=likely and not taken)


def _register_jump(regs: PtRegs, i: _Fields, repairs: Repairs) -> Branch:
    target = regs.gpr[i.rs]
    if field(i.insn, 5, 0) == JALR:
        rd = field(i.insn, 15, 11)
        regs.gpr[rd] = i.link
        if rd == i.rs and bugs.LINK_FIRST.id not in repairs:
            target = i.link
    return Branch(target)


def _special(regs: PtRegs, i: _Fields, repairs: Repairs) -> Branch:
    return _register_jump(regs, i, repairs) if field(i.insn, 5, 0) in (JR, JALR) else Branch(i.epc)


def _sign_and_link(regs: PtRegs, i: _Fields, repairs: Repairs) -> Branch:
    before = regs.gpr[i.rs]
    regs.gpr[_RA] = i.link
    value = sext(before if bugs.LINK_FIRST.id in repairs else regs.gpr[i.rs], 32)
    taken = value >= 0 if i.rt & 1 else value < 0
    if i.rs == 0 and bugs.LINK_ON_ZERO.id not in repairs:
        return Branch(i.go(True))
    return _conditional(i, taken, i.rt in (BLTZALL, BGEZALL))


def _dsp_position(regs: PtRegs, i: _Fields, repairs: Repairs) -> Branch:
    dspcontrol = _optional(regs, "dspcontrol")
    if dspcontrol is None:  # a CPU without the DSP ASE: the kernel sends SIGILL
        return Branch(None)
    return Branch(i.go(field(dspcontrol, 5, 0) >= 32))


def _regimm(regs: PtRegs, i: _Fields, repairs: Repairs) -> Branch:
    if i.rt in (BLTZ, BGEZ, BLTZL, BGEZL):
        negative = sext(regs.gpr[i.rs], 32) < 0
        return _conditional(i, negative != bool(i.rt & 1), i.rt in (BLTZL, BGEZL))
    if i.rt in (BLTZAL, BGEZAL, BLTZALL, BGEZALL):
        return _sign_and_link(regs, i, repairs)
    return _dsp_position(regs, i, repairs) if i.rt == BPOSGE32 else Branch(i.epc)


def _jump(regs: PtRegs, i: _Fields, repairs: Repairs) -> Branch:
    if i.opcode == JAL:
        regs.gpr[_RA] = i.link
    return Branch((i.epc + 4) & 0xF0000000 | field(i.insn, 25, 0) << 2)


def _equal(regs: PtRegs, i: _Fields, repairs: Repairs) -> Branch:
    equal = regs.gpr[i.rs] == regs.gpr[i.rt]
    return _conditional(i, equal == (i.opcode in (BEQ, BEQL)), i.opcode in (BEQL, BNEL))


def _sign(regs: PtRegs, i: _Fields, repairs: Repairs) -> Branch:
    positive = sext(regs.gpr[i.rs], 32) > 0
    return _conditional(i, positive == (i.opcode in (BGTZ, BGTZL)), i.opcode in (BLEZL, BGTZL))


def _floating_point(regs: PtRegs, i: _Fields, repairs: Repairs) -> Branch:
    if i.rs != BC1 and bugs.COP1.id in repairs:
        return Branch(i.epc)
    code, true, likely = i.rt >> 2, bool(i.rt & 1), bool(i.rt & 2)
    fcsr = _optional(regs, "fcsr") or 0  # without an FPU it is the thread's saved one, which starts as 0
    condition = bool(fcsr & 1 << (24 + code if code else 23))
    return _conditional(i, condition == true, likely, reported=code == 0 or bugs.LIKELY.id in repairs)


def _bit(regs: PtRegs, i: _Fields, repairs: Repairs) -> Branch:
    number = i.rt + (32 if i.opcode in (BBIT032, BBIT132) else 0)
    return Branch(i.go(bool(regs.gpr[i.rs] >> number & 1) == (i.opcode in (BBIT1, BBIT132))))


def _optional(regs: PtRegs, name: str) -> int | None:
    """A register that this CPU may lack."""
    try:
        return regs.get(name)
    except UsageError:
        return None


_OPCODES: Mapping[int, Callable[[PtRegs, _Fields, Repairs], Branch]] = MappingProxyType(
    {SPECIAL: _special, REGIMM: _regimm, COP1: _floating_point}
    | dict.fromkeys((J, JAL), _jump)
    | dict.fromkeys((BEQ, BNE, BEQL, BNEL), _equal)
    | dict.fromkeys((BLEZ, BGTZ, BLEZL, BGTZL), _sign)
    | dict.fromkeys((BBIT0, BBIT032, BBIT1, BBIT132), _bit)
)


def compute_return_epc_for_insn(regs: PtRegs, insn: int, epc: int, repairs: Repairs = NO_REPAIRS) -> Branch:
    """Evaluate the branch `insn` at `epc` as the kernel does; writes links but not `regs.pc`.

    A misaligned EPC fails. A word that is no branch to the kernel leaves EPC where it is.
    """
    evaluate = _OPCODES.get(insn >> 26)
    if epc & 3:
        return Branch(None)
    return evaluate(regs, _Fields(insn, epc), repairs) if evaluate else Branch(epc)


def _move_pc(repairs: Repairs, regs: PtRegs, insn: int, addr: int) -> None:
    target = compute_return_epc_for_insn(regs, insn, addr, repairs).target
    if target is not None:
        regs.pc = target


@cache
def actions(repairs: Repairs) -> Mapping[str, Simulate]:
    """The routine by the name that kprobes.rules uses: it moves EPC, and says nothing of the delay slot."""
    return MappingProxyType({"__compute_return_epc_for_insn": partial(_move_pc, repairs)})


ACTIONS = actions(NO_REPAIRS)
"""As Linux has it."""
