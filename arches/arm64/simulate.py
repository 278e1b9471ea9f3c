"""The simulation routines of Linux on ARM64 (arch/arm64/kernel/probes/simulate-insn.c).

Each does at the probed address what the instruction would have done there, so that nothing has to be executed out
of line. `insn` is the word, `addr` where the probe is. Register 31 is the zero register: it reads 0 and a
write to it is dropped. The displacements are those of the Arm ARM, C6.2. None of the routines models branch
target identification or a guarded control stack, nor does the kernel at EL1.

A literal that no memory holds raises `MemoryAccessError`; the kernel's plain load would fault there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from arches.arm64 import bugs
from emu.bits import field, mask, sext
from emu.machine.frame import PtRegs
from emu.verdict.site import NO_REPAIRS, Repairs

Simulate = Callable[[PtRegs, int, int], None]

_X = mask(64)
_W = mask(32)
_LINK = 30


def _read(regs: PtRegs, number: int) -> int:
    return 0 if number == 31 else regs.gpr[number]


def _write(regs: PtRegs, number: int, value: int) -> None:
    if number != 31:
        regs.gpr[number] = value & _X


def _branch(regs: PtRegs, addr: int, displacement: int, taken: bool = True) -> None:
    regs.pc = (addr + (displacement if taken else 4)) & _X


def _imm19(insn: int) -> int:
    return sext(field(insn, 23, 5) << 2, 21)


def simulate_b_bl(regs: PtRegs, insn: int, addr: int) -> None:
    if insn >> 31:
        _write(regs, _LINK, addr + 4)
    _branch(regs, addr, sext(field(insn, 25, 0) << 2, 28))


def condition_holds(regs: PtRegs, cond: int) -> bool:
    """The Arm ARM's ConditionHolds(): odd codes are the negation of the even ones, but 0b1111 is "always" too."""
    n, z, c, v = (bool(regs.get(flag)) for flag in "nzcv")
    base = (z, c, n, v, c and not z, n == v, n == v and not z, True)[cond >> 1]
    return base != bool(cond & 1) if cond != 0b1111 else base


def simulate_b_cond(regs: PtRegs, insn: int, addr: int) -> None:
    _branch(regs, addr, _imm19(insn), condition_holds(regs, insn & 0xF))


def simulate_cbz_cbnz(regs: PtRegs, insn: int, addr: int) -> None:
    value = _read(regs, field(insn, 4, 0)) & (_X if insn >> 31 else _W)
    _branch(regs, addr, _imm19(insn), (value != 0) == bool(insn & 1 << 24))


def simulate_tbz_tbnz(regs: PtRegs, insn: int, addr: int) -> None:
    number = insn >> 31 << 5 | field(insn, 23, 19)
    bit = _read(regs, field(insn, 4, 0)) >> number & 1
    _branch(regs, addr, sext(field(insn, 18, 5) << 2, 16), bit == field(insn, 24, 24))


def simulate_adr_adrp(regs: PtRegs, insn: int, addr: int) -> None:
    imm = sext(field(insn, 23, 5) << 2 | field(insn, 30, 29), 21)
    value = (addr & ~0xFFF) + (imm << 12) if insn >> 31 else addr + imm
    _write(regs, field(insn, 4, 0), value)
    regs.pc = addr + 4


def simulate_br_blr_ret(regs: PtRegs, insn: int, addr: int) -> None:
    target = _read(regs, field(insn, 9, 5))  # before the link is written: `blr x30` goes to the old x30
    if field(insn, 22, 21) == 1:
        _write(regs, _LINK, addr + 4)
    regs.pc = target


def simulate_br_blr(regs: PtRegs, insn: int, addr: int) -> None:
    simulate_br_blr_ret(regs, insn, addr)


def simulate_ret(regs: PtRegs, insn: int, addr: int) -> None:
    simulate_br_blr_ret(regs, insn, addr)


def _load_literal(regs: PtRegs, insn: int, addr: int, size: int, result: Callable[[int], int]) -> None:
    value = regs.load((addr + _imm19(insn)) & _X, size)
    _write(regs, field(insn, 4, 0), result(value))
    regs.pc = addr + 4


def simulate_ldr_literal(regs: PtRegs, insn: int, addr: int) -> None:
    _load_literal(regs, insn, addr, 8 if insn & 1 << 30 else 4, int)


def simulate_ldr_literal_64(regs: PtRegs, insn: int, addr: int) -> None:
    """As before 50f813e57601 (v6.12): the W form loads 64 bits too, and keeps the lower half.

    In little-endian memory the only difference is what is touched: the four bytes behind the literal too, which need
    not be there.
    """
    _load_literal(regs, insn, addr, 8, lambda value: value & (_X if insn & 1 << 30 else _W))


def simulate_ldrsw_literal(regs: PtRegs, insn: int, addr: int) -> None:
    _load_literal(regs, insn, addr, 4, lambda value: sext(value, 32))


def simulate_nop(regs: PtRegs, insn: int, addr: int) -> None:
    regs.pc = addr + 4  # the kernel clears PSTATE.BTYPE too, which is not modelled here


_ROUTINES = (
    simulate_b_bl,
    simulate_b_cond,
    simulate_cbz_cbnz,
    simulate_tbz_tbnz,
    simulate_adr_adrp,
    simulate_br_blr_ret,
    simulate_br_blr,
    simulate_ret,
    simulate_ldr_literal,
    simulate_ldr_literal_64,
    simulate_ldrsw_literal,
    simulate_nop,
)


@cache
def actions(repairs: Repairs) -> Mapping[str, Simulate]:
    """The routines by the names that kprobes.rules uses, with these bugs repaired."""
    found = {routine.__name__: routine for routine in _ROUTINES}
    if bugs.LDR_W_LITERAL.id in repairs:
        found["simulate_ldr_literal_64"] = simulate_ldr_literal
    return MappingProxyType(found)


ACTIONS = actions(NO_REPAIRS)
"""As Linux has them."""
