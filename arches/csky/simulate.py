"""The simulation routines of Linux on C-SKY (arch/csky/kernel/probes/simulate-insn.c), and how they ought to be.

Each does at the probed address what the instruction should have done there. `insn` is the 32 bits at the address as a
little-endian load has them: the first halfword in bits 15:0, the second one of a 32-bit instruction in bits 31:16.

Where the kernel is wrong (bugs.py), `actions(repairs)` has the routine as in the C-SKY CPU manual if that is repaired.
For bnezad the manual's formula says "positive", as the kernel does; its name and the emulator that this project's
C-SKY is checked against say "not zero".

The `..._unsigned` routines are those before 3f47a7b0096d (v5.12): they compare the register as an unsigned number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from arches.csky import bugs
from emu.bits import field, mask, sext
from emu.machine.frame import PtRegs
from emu.verdict.site import NO_REPAIRS, Repairs

Simulate = Callable[[PtRegs, int, int], None]
Condition = Callable[[PtRegs, int], bool]
Distance = Callable[[int], int]

_W = mask(32)
_SP, _LR = 14, 15
_PSR_C = 1


# Distances in bytes from the instruction itself


def _kernel_distance16(insn: int) -> int:
    return sext(insn << 1, 10)  # the ISA's sign bit is bit 10; the kernel takes bit 9


def _isa_distance16(insn: int) -> int:
    return sext(insn << 1, 11)


def _kernel_distance32(insn: int) -> int:
    return sext(field(insn, 31, 16) << 1, 16)


def _isa_distance32(insn: int) -> int:
    return sext(field(insn, 31, 16) << 1, 17)


def _offset26(insn: int) -> int:
    return field(insn, 9, 0) << 16 | field(insn, 31, 16)


def _kernel_distance_bsr(insn: int) -> int:
    return sext(_offset26(insn) << 1, 16)


def _isa_distance_bsr(insn: int) -> int:
    return sext(_offset26(insn) << 1, 27)


# Conditions


def _rx(regs: PtRegs, insn: int) -> int:
    return regs.gpr[field(insn, 4, 0)]


def _signed(regs: PtRegs, insn: int) -> int:
    return sext(_rx(regs, insn), 32)


def _decremented(regs: PtRegs, insn: int) -> int:
    regs.gpr[field(insn, 4, 0)] = value = (_rx(regs, insn) - 1) & _W
    return value


def _always(regs: PtRegs, insn: int) -> bool:
    return True


def _c_set(regs: PtRegs, insn: int) -> bool:
    return bool(regs.status & _PSR_C)


def _c_clear(regs: PtRegs, insn: int) -> bool:
    return not regs.status & _PSR_C


_CONDITIONS32: Mapping[str, Condition] = {
    "br32": _always,
    "bt32": _c_set,
    "bf32": _c_clear,
    "bez32": lambda regs, insn: _rx(regs, insn) == 0,
    "bnez32": lambda regs, insn: _rx(regs, insn) != 0,
    "bnezad32": lambda regs, insn: sext(_decremented(regs, insn), 32) > 0,
    "bhsz32": lambda regs, insn: _signed(regs, insn) >= 0,
    "bhz32": lambda regs, insn: _signed(regs, insn) > 0,
    "blsz32": lambda regs, insn: _signed(regs, insn) <= 0,
    "blz32": lambda regs, insn: _signed(regs, insn) < 0,
}
_CONDITIONS32_UNSIGNED: Mapping[str, Condition] = {
    "bhsz32_unsigned": _always,
    "bhz32_unsigned": _CONDITIONS32["bnez32"],
    "blsz32_unsigned": _CONDITIONS32["bez32"],
    "blz32_unsigned": lambda regs, insn: False,
}


def _not_zero(regs: PtRegs, insn: int) -> bool:
    """Of bnezad: what its name says, and what a comparison with 0 without a sign comes to."""
    return _decremented(regs, insn) != 0


_CONDITIONS16: Mapping[str, Condition] = {"br16": _always, "bt16": _c_set, "bf16": _c_clear}


def _branch(size: int, taken: Condition, distance: Distance) -> Simulate:
    """The routine of a branch of `size` bytes."""

    def simulate(regs: PtRegs, insn: int, addr: int) -> None:
        regs.pc = (addr + (distance(insn) if taken(regs, insn) else size)) & _W

    return simulate


def _branches(size: int, conditions: Mapping[str, Condition], distance: Distance) -> dict[str, Simulate]:
    return {f"simulate_{name}": _branch(size, taken, distance) for name, taken in conditions.items()}


def _bsr(distance: Distance) -> Simulate:
    def simulate(regs: PtRegs, insn: int, addr: int) -> None:
        regs.gpr[_LR] = (addr + 4) & _W
        regs.pc = (addr + distance(insn)) & _W

    return simulate


# Jumps to a register or to a word in the text


def simulate_jmp16(regs: PtRegs, insn: int, addr: int) -> None:
    regs.pc = regs.gpr[field(insn, 5, 2)] & ~1


def simulate_jsr16(regs: PtRegs, insn: int, addr: int) -> None:
    target = regs.gpr[field(insn, 5, 2)] & ~1  # before lr is written, which may be the same register
    regs.gpr[_LR] = (addr + 2) & _W
    regs.pc = target


def simulate_jmp32(regs: PtRegs, insn: int, addr: int) -> None:
    regs.pc = _rx(regs, insn) & ~1


def simulate_jsr32(regs: PtRegs, insn: int, addr: int) -> None:
    target = _rx(regs, insn) & ~1
    regs.gpr[_LR] = (addr + 4) & _W
    regs.pc = target


def _literal32(regs: PtRegs, insn: int, addr: int) -> int:
    return regs.load((addr + 4 * field(insn, 31, 16)) & _W & ~3, 4)


def simulate_jmpi32(regs: PtRegs, insn: int, addr: int) -> None:
    regs.pc = _literal32(regs, insn, addr)


def simulate_jsri32(regs: PtRegs, insn: int, addr: int) -> None:
    regs.pc = _literal32(regs, insn, addr)
    regs.gpr[_LR] = (addr + 4) & _W


def _to_halfword(routine: Simulate) -> Simulate:
    """A jump that drops bit 0 of where it goes, as the ISA has it."""

    def simulate(regs: PtRegs, insn: int, addr: int) -> None:
        routine(regs, insn, addr)
        regs.pc &= ~1

    return simulate


# Loads from the text


def _imm7(insn: int) -> int:
    return field(insn, 9, 8) << 5 | field(insn, 4, 0)


def _lrw16(rounds: bool) -> Simulate:
    def simulate(regs: PtRegs, insn: int, addr: int) -> None:
        literal = (addr + 4 * _imm7(insn)) & _W
        regs.gpr[field(insn, 7, 5)] = regs.load(literal & ~3 if rounds else literal, 4)

    return simulate


def simulate_lrw32(regs: PtRegs, insn: int, addr: int) -> None:
    regs.gpr[field(insn, 4, 0)] = _literal32(regs, insn, addr)


def _going_on(routine: Simulate, size: int) -> Simulate:
    """A routine that forgets the pc, and then moves it behind the instruction."""

    def simulate(regs: PtRegs, insn: int, addr: int) -> None:
        routine(regs, insn, addr)
        regs.pc = (addr + size) & _W

    return simulate


def simulate_lrw16_far(regs: PtRegs, insn: int, addr: int) -> None:
    """The extended lrw: its distance is encoded as the complement. Linux steps it (far-lrw-stepped)."""
    distance = 1020 - 4 * _imm7(insn)
    regs.gpr[field(insn, 7, 5)] = regs.load((addr + distance) & _W & ~3, 4)
    regs.pc = (addr + 2) & _W


def simulate_grs32(regs: PtRegs, insn: int, addr: int) -> None:
    """An address in the text. Linux steps it (grs-stepped)."""
    offset = field(insn, 1, 0) << 16 | field(insn, 31, 16)
    regs.gpr[field(insn, 9, 5)] = (addr + sext(offset << 1, 19)) & _W
    regs.pc = (addr + 4) & _W


# Pops, which return


def _pop(regs: PtRegs, numbers: list[int]) -> None:
    sp = regs.gpr[_SP]
    for number in numbers:
        regs.gpr[number] = regs.load(sp, 4)
        sp = (sp + 4) & _W
    regs.gpr[_SP] = sp
    regs.pc = regs.gpr[_LR]


def _from_r4(count: int, with_lr: int) -> list[int]:
    return [*range(4, 4 + count), *([_LR] if with_lr else [])]


def simulate_pop16(regs: PtRegs, insn: int, addr: int) -> None:
    _pop(regs, _from_r4(field(insn, 3, 0), field(insn, 4, 4)))


def _pop32(last: int) -> Simulate:
    """`last` is the register that bit 24, the top of the list, stands for."""

    def simulate(regs: PtRegs, insn: int, addr: int) -> None:
        low = _from_r4(field(insn, 19, 16), field(insn, 20, 20))
        high = [*range(16, 16 + field(insn, 23, 21)), *([last] if field(insn, 24, 24) else [])]
        _pop(regs, low + high)

    return simulate


def _conditions32(repairs: Repairs) -> Mapping[str, Condition]:
    """Those of branches of 32 bits, and of the ones before 5.12."""
    signed = {**_CONDITIONS32, **({"bnezad32": _not_zero} if bugs.BNEZAD.id in repairs else {})}
    unsigned = {
        name: signed[name.removesuffix("_unsigned")] if bugs.UNSIGNED.id in repairs else taken
        for name, taken in _CONDITIONS32_UNSIGNED.items()
    }
    return {**signed, **unsigned, "bnezad32_unsigned": _not_zero}


def _branches_of(repairs: Repairs) -> dict[str, Simulate]:
    distance16 = _isa_distance16 if bugs.BR16_DISTANCE.id in repairs else _kernel_distance16
    distance32 = _isa_distance32 if bugs.BR32_DISTANCE.id in repairs else _kernel_distance32
    return {
        **_branches(2, _CONDITIONS16, distance16),
        **_branches(4, _conditions32(repairs), distance32),
        "simulate_bsr32": _bsr(_isa_distance_bsr if bugs.BSR32_DISTANCE.id in repairs else _kernel_distance_bsr),
    }


def _jumps_of(repairs: Repairs) -> dict[str, Simulate]:
    """Jumps to a register are right; the address of the others is read from memory or popped."""
    read = {
        "simulate_jmpi32": simulate_jmpi32,
        "simulate_jsri32": simulate_jsri32,
        "simulate_pop16": simulate_pop16,
        "simulate_pop32": _pop32(last=28 if bugs.POP32_R28.id in repairs else 29),
    }
    if bugs.JUMP_BIT_0.id in repairs:
        read = {name: _to_halfword(routine) for name, routine in read.items()}
    registers = (simulate_jmp16, simulate_jsr16, simulate_jmp32, simulate_jsr32)
    return {**read, **{routine.__name__: routine for routine in registers}}


def _loads_of(repairs: Repairs) -> dict[str, Simulate]:
    lrw16: Simulate = _lrw16(bugs.LRW16_BASE.id in repairs)
    lrw32: Simulate = simulate_lrw32
    if bugs.LRW_PC.id in repairs:
        lrw16, lrw32 = _going_on(lrw16, 2), _going_on(lrw32, 4)
    return {
        "simulate_lrw16": lrw16,
        "simulate_lrw32": lrw32,
        "simulate_lrw16_far": simulate_lrw16_far,
        "simulate_grs32": simulate_grs32,
    }


@cache
def actions(repairs: Repairs) -> Mapping[str, Simulate]:
    """The routines by the names that kprobes.rules and verdict_repaired.rules use, with these bugs repaired."""
    return MappingProxyType({**_branches_of(repairs), **_jumps_of(repairs), **_loads_of(repairs)})


ACTIONS = actions(NO_REPAIRS)
"""As Linux has them."""
