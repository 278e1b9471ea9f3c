"""The simulation routines of Linux on LoongArch (arch/loongarch/kernel/inst.c).

Each does at the probed address what the instruction would have done there. `insn` is the word, `addr` where the
probe is; fields and displacements are those of the LoongArch manual, volume 1, 2.2.5. Both refuse a PC that is not
a multiple of 4: they warn and leave everything as it is.

Not modelled: the kernel writes a destination of $zero into the saved r0. No instruction can read that back, as the
frame here is the CPU's own registers, whose r0 stays 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from arches.loongarch import bugs
from emu.bits import field, mask, sext
from emu.machine.frame import PtRegs
from emu.verdict.site import NO_REPAIRS, Repairs

Simulate = Callable[[PtRegs, int, int], None]

_D = mask(64)
_RA = 1

PCADDI, PCALAU12I, PCADDU18I = 0x0C, 0x0D, 0x0F  # bits 31:25; the fourth is pcaddu12i, 0x0e
BEQZ, BNEZ, JIRL, B, BL = 0x10, 0x11, 0x13, 0x14, 0x15  # bits 31:26
BEQ, BNE, BLT, BGE, BLTU, BGEU = range(0x16, 0x1C)


def _pc_relative(insn: int, addr: int) -> int:
    imm = field(insn, 24, 5)
    if insn >> 25 == PCADDI:
        return addr + sext(imm << 2, 22)
    if insn >> 25 == PCADDU18I:
        return addr + sext(imm << 18, 38)
    page = addr + sext(imm << 12, 32)
    return page & ~0xFFF if insn >> 25 == PCALAU12I else page


def _write_address(regs: PtRegs, insn: int, addr: int, value: int) -> None:
    regs.gpr[field(insn, 4, 0)] = value & _D
    regs.pc = (addr + 4) & _D


def simu_pc(regs: PtRegs, insn: int, addr: int) -> None:
    """As the kernel has it: pcaddu18i's immediate is shifted in a 32-bit variable and never becomes negative.

    Right only below 0x4000, which is forward and less than 4 GiB away.
    """
    if addr & 3:
        return
    if insn >> 25 == PCADDU18I:
        _write_address(regs, insn, addr, addr + (field(insn, 24, 5) << 18 & mask(32)))
    else:
        _write_address(regs, insn, addr, _pc_relative(insn, addr))


def simu_pc_64_bits(regs: PtRegs, insn: int, addr: int) -> None:
    """With pcaddu18i as in the manual, 2.2.1.5."""
    if not addr & 3:
        _write_address(regs, insn, addr, _pc_relative(insn, addr))


def _compare(opcode: int, rj: int, rd: int) -> bool:
    equal, less, below = rj == rd, sext(rj, 64) < sext(rd, 64), rj < rd
    return {BEQ: equal, BNE: not equal, BLT: less, BGE: not less, BLTU: below, BGEU: not below}[opcode]


def _offs16(insn: int) -> int:
    return sext(field(insn, 25, 10) << 2, 18)


def _jirl(regs: PtRegs, insn: int, addr: int) -> int:
    target = regs.gpr[field(insn, 9, 5)] + _offs16(insn)  # before the link is written, which may be the same register
    regs.gpr[field(insn, 4, 0)] = (addr + 4) & _D
    return target


def _jump(regs: PtRegs, insn: int, addr: int) -> int:
    if insn >> 26 == BL:
        regs.gpr[_RA] = (addr + 4) & _D
    return addr + sext(field(insn, 9, 0) << 18 | field(insn, 25, 10) << 2, 28)


def _branch_if_zero(regs: PtRegs, insn: int, addr: int) -> int:
    zero = regs.gpr[field(insn, 9, 5)] == 0
    taken = zero == (insn >> 26 == BEQZ)
    return addr + (sext(field(insn, 4, 0) << 18 | field(insn, 25, 10) << 2, 23) if taken else 4)


def _compare_and_branch(regs: PtRegs, insn: int, addr: int) -> int:
    taken = _compare(insn >> 26, regs.gpr[field(insn, 9, 5)], regs.gpr[field(insn, 4, 0)])
    return addr + (_offs16(insn) if taken else 4)


_TARGETS: Mapping[int, Callable[[PtRegs, int, int], int]] = MappingProxyType(
    {BEQZ: _branch_if_zero, BNEZ: _branch_if_zero, JIRL: _jirl, B: _jump, BL: _jump}
    | dict.fromkeys((BEQ, BNE, BLT, BGE, BLTU, BGEU), _compare_and_branch)
)


def simu_branch(regs: PtRegs, insn: int, addr: int) -> None:
    if not addr & 3:
        regs.pc = _TARGETS[insn >> 26](regs, insn, addr) & _D


@cache
def actions(repairs: Repairs) -> Mapping[str, Simulate]:
    """The routines by the names that kprobes.rules uses, with these bugs repaired."""
    repaired = bugs.PCADDU18I.id in repairs
    return MappingProxyType({"simu_pc": simu_pc_64_bits if repaired else simu_pc, "simu_branch": simu_branch})


ACTIONS = actions(NO_REPAIRS)
"""As Linux has them."""
