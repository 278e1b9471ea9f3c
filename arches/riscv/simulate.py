"""The simulation routines of Linux on RISC-V (arch/riscv/kernel/probes/simulate-insn.c), by release.

Each does at the probed address what the instruction would have done there. `insn` is the 32 bits at the address (the
rows of 16-bit instructions look at the low half alone), `addr` where the probe is. Immediates are laid out as in
the unprivileged ISA manual, 2.3 and 26.

Two mistakes were corrected on the way, and the older routines are kept beside the newer ones:
- `..._x0_fails`: a write to x0 counted as a failure, and the routine gave up before it moved the PC. Nobody looks
  at the result, so the breakpoint is hit for ever (until 8cb22bec1426, v6.7).
- `simulate_jalr_rd_first`: rd was written before rs1 was read, which matters where they are the same register (until
  ca0254998be4, v6.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from arches.riscv import bugs
from emu.bits import field, mask, sext
from emu.machine.frame import PtRegs
from emu.verdict.site import NO_REPAIRS, Repairs

Simulate = Callable[[PtRegs, int, int], None]

_X = mask(64)
_RA = 1


def _rd(insn: int) -> int:
    return field(insn, 11, 7)


def _gather(insn: int, *pieces: tuple[int, int, int]) -> int:
    """A value from pieces (high, low, at): bits high..low of the instruction are the value's from `at` up."""
    return sum(field(insn, high, low) << at for high, low, at in pieces)


def _imm_j(insn: int) -> int:
    return sext(_gather(insn, (31, 31, 20), (30, 21, 1), (20, 20, 11), (19, 12, 12)), 21)


def _imm_b(insn: int) -> int:
    return sext(_gather(insn, (31, 31, 12), (30, 25, 5), (11, 8, 1), (7, 7, 11)), 13)


def _imm_cj(insn: int) -> int:
    pieces = ((12, 12, 11), (11, 11, 4), (10, 9, 8), (8, 8, 10), (7, 7, 6), (6, 6, 7), (5, 3, 1), (2, 2, 5))
    return sext(_gather(insn, *pieces), 12)


def _imm_cb(insn: int) -> int:
    return sext(_gather(insn, (12, 12, 8), (11, 10, 3), (6, 5, 6), (4, 3, 1), (2, 2, 5)), 9)


def simulate_jal(regs: PtRegs, insn: int, addr: int) -> None:
    regs.gpr[_rd(insn)] = (addr + 4) & _X
    regs.pc = (addr + _imm_j(insn)) & _X


def simulate_jal_x0_fails(regs: PtRegs, insn: int, addr: int) -> None:
    if _rd(insn):
        simulate_jal(regs, insn, addr)


def _jalr_target(regs: PtRegs, insn: int) -> int:
    return (regs.gpr[field(insn, 19, 15)] + sext(field(insn, 31, 20), 12)) & _X & ~1


def simulate_jalr(regs: PtRegs, insn: int, addr: int) -> None:
    target = _jalr_target(regs, insn)
    regs.gpr[_rd(insn)] = (addr + 4) & _X
    regs.pc = target


def simulate_jalr_x0_fails(regs: PtRegs, insn: int, addr: int) -> None:
    if _rd(insn):
        simulate_jalr(regs, insn, addr)


def simulate_jalr_link_first(regs: PtRegs, insn: int, addr: int) -> None:
    regs.gpr[_rd(insn)] = (addr + 4) & _X
    regs.pc = _jalr_target(regs, insn)


def simulate_jalr_rd_first(regs: PtRegs, insn: int, addr: int) -> None:
    if _rd(insn):
        simulate_jalr_link_first(regs, insn, addr)


def simulate_auipc(regs: PtRegs, insn: int, addr: int) -> None:
    regs.gpr[_rd(insn)] = (addr + sext(insn & 0xFFFFF000, 32)) & _X
    regs.pc = (addr + 4) & _X


def simulate_auipc_x0_fails(regs: PtRegs, insn: int, addr: int) -> None:
    if _rd(insn):
        simulate_auipc(regs, insn, addr)


def simulate_branch(regs: PtRegs, insn: int, addr: int) -> None:
    """The reserved funct3 2 and 3 come here too: the kernel leaves the PC where it is, and the probe is hit again."""
    a, b = regs.gpr[field(insn, 19, 15)], regs.gpr[field(insn, 24, 20)]
    conditions = {0: a == b, 4: sext(a, 64) < sext(b, 64), 6: a < b}
    funct3 = field(insn, 14, 12)
    if funct3 in (2, 3):
        return
    taken = conditions[funct3 & ~1] != bool(funct3 & 1)
    regs.pc = (addr + (_imm_b(insn) if taken else 4)) & _X


def simulate_c_j(regs: PtRegs, insn: int, addr: int) -> None:
    regs.pc = (addr + _imm_cj(insn)) & _X


def simulate_c_jr(regs: PtRegs, insn: int, addr: int) -> None:
    regs.pc = regs.gpr[_rd(insn)]


def simulate_c_jalr(regs: PtRegs, insn: int, addr: int) -> None:
    target = regs.gpr[_rd(insn)]  # before the link is written: `c.jalr ra` goes to the old ra
    regs.gpr[_RA] = (addr + 2) & _X
    regs.pc = target


def _c_branch(regs: PtRegs, insn: int, addr: int, taken: bool) -> None:
    regs.pc = (addr + (_imm_cb(insn) if taken else 2)) & _X


def simulate_c_beqz(regs: PtRegs, insn: int, addr: int) -> None:
    _c_branch(regs, insn, addr, regs.gpr[8 + field(insn, 9, 7)] == 0)


def simulate_c_bnez(regs: PtRegs, insn: int, addr: int) -> None:
    _c_branch(regs, insn, addr, regs.gpr[8 + field(insn, 9, 7)] != 0)


def clear_bit_0(routine: Simulate) -> Simulate:
    """A register jump with the ISA's last step, which the kernel leaves out for the compressed ones."""

    def simulate(regs: PtRegs, insn: int, addr: int) -> None:
        routine(regs, insn, addr)
        regs.pc &= ~1

    return simulate


_ROUTINES = (
    simulate_jal,
    simulate_jal_x0_fails,
    simulate_jalr,
    simulate_jalr_x0_fails,
    simulate_jalr_rd_first,
    simulate_auipc,
    simulate_auipc_x0_fails,
    simulate_branch,
    simulate_c_j,
    simulate_c_jr,
    simulate_c_jalr,
    simulate_c_beqz,
    simulate_c_bnez,
)


def _older(repairs: Repairs) -> dict[str, Simulate]:
    """Routines of older releases, as far as they have been repaired."""
    jalr_of_6_1 = {
        (False, True): simulate_jalr_link_first,
        (True, False): simulate_jalr_x0_fails,
        (True, True): simulate_jalr,
    }
    found: dict[str, Simulate] = {}
    if bugs.X0_FAILS.id in repairs:
        found["simulate_jal_x0_fails"] = simulate_jal
        found["simulate_jalr_x0_fails"] = simulate_jalr
        found["simulate_auipc_x0_fails"] = simulate_auipc
    repaired = bugs.RD_FIRST.id in repairs, bugs.X0_FAILS.id in repairs
    found["simulate_jalr_rd_first"] = jalr_of_6_1.get(repaired, simulate_jalr_rd_first)
    return found


@cache
def actions(repairs: Repairs) -> Mapping[str, Simulate]:
    """The routines by the names that kprobes.rules uses, with these bugs repaired."""
    found = {routine.__name__: routine for routine in _ROUTINES} | _older(repairs)
    if bugs.C_JUMP_BIT_0.id in repairs:
        found |= {routine.__name__: clear_bit_0(routine) for routine in (simulate_c_jr, simulate_c_jalr)}
    return MappingProxyType(found)


ACTIONS = actions(NO_REPAIRS)
"""As Linux has them."""
