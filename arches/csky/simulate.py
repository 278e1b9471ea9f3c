"""The simulation routines of Linux on C-SKY (arch/csky/kernel/probes/simulate-insn.c), and how they ought to be.

Each does at the probed address what the instruction should have done there. `insn` is the 32 bits at the address as a
little-endian load has them: the first halfword in bits 15:0, the second one of a 32-bit instruction in bits 31:16.

Where the kernel is wrong (all of it still so in v6.12), `FIXED` has the routine as in the C-SKY CPU manual:
- Branch distances lose their highest bits: right only from -512 to 510 bytes (16 bits), -32768 to 32766 (32 bits).
- lrw16 and lrw32 leave the PC where it is, so the probe is hit for ever; lrw16 does not round its base down to a word.
- pop32 puts r28 of its list into r29.
- pop, jmpi and jsri keep bit 0 of the address that they go to.
- bnezad branches if the new value is positive, as the manual's formula says as well. Its name and the emulator that
  this project's C-SKY is checked against say "not zero", and so does `FIXED`.

The `..._unsigned` routines are those before 3f47a7b0096d (v5.12): they compare the register as an unsigned number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from emu.bits import field, mask, sext
from emu.machine.frame import PtRegs

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
    "bnezad32_unsigned": lambda regs, insn: _decremented(regs, insn) > 0,
    "bhsz32_unsigned": _always,
    "bhz32_unsigned": _CONDITIONS32["bnez32"],
    "blsz32_unsigned": _CONDITIONS32["bez32"],
    "blz32_unsigned": lambda regs, insn: False,
}
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


def simulate_lrw16(regs: PtRegs, insn: int, addr: int) -> None:
    regs.gpr[field(insn, 7, 5)] = regs.load((addr + 4 * _imm7(insn)) & _W, 4)


def simulate_lrw32(regs: PtRegs, insn: int, addr: int) -> None:
    regs.gpr[field(insn, 4, 0)] = _literal32(regs, insn, addr)


def fixed_lrw16(regs: PtRegs, insn: int, addr: int) -> None:
    regs.gpr[field(insn, 7, 5)] = regs.load((addr + 4 * _imm7(insn)) & _W & ~3, 4)
    regs.pc = (addr + 2) & _W


def fixed_lrw32(regs: PtRegs, insn: int, addr: int) -> None:
    simulate_lrw32(regs, insn, addr)
    regs.pc = (addr + 4) & _W


def simulate_lrw16_far(regs: PtRegs, insn: int, addr: int) -> None:
    """The extended lrw: its distance is encoded as the complement. Linux steps it, so `fixed` alone has this."""
    distance = 1020 - 4 * _imm7(insn)
    regs.gpr[field(insn, 7, 5)] = regs.load((addr + distance) & _W & ~3, 4)
    regs.pc = (addr + 2) & _W


def simulate_grs32(regs: PtRegs, insn: int, addr: int) -> None:
    """An address in the text. Linux steps it, so `fixed` alone has this."""
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


simulate_pop32 = _pop32(last=29)

ACTIONS: Mapping[str, Simulate] = MappingProxyType(
    {
        **_branches(2, _CONDITIONS16, _kernel_distance16),
        **_branches(4, _CONDITIONS32, _kernel_distance32),
        **_branches(4, _CONDITIONS32_UNSIGNED, _kernel_distance32),
        "simulate_bsr32": _bsr(_kernel_distance_bsr),
        "simulate_jmp16": simulate_jmp16,
        "simulate_jsr16": simulate_jsr16,
        "simulate_jmp32": simulate_jmp32,
        "simulate_jsr32": simulate_jsr32,
        "simulate_jmpi32": simulate_jmpi32,
        "simulate_jsri32": simulate_jsri32,
        "simulate_lrw16": simulate_lrw16,
        "simulate_lrw32": simulate_lrw32,
        "simulate_pop16": simulate_pop16,
        "simulate_pop32": simulate_pop32,
    }
)
"""The routines by the names that kprobes.rules uses."""

_ISA_CONDITIONS32 = {**_CONDITIONS32, "bnezad32": lambda regs, insn: _decremented(regs, insn) != 0}
_ISA_BRANCHES32 = _branches(4, _ISA_CONDITIONS32, _isa_distance32)

FIXED: Mapping[str, Simulate] = MappingProxyType(
    {
        **_branches(2, _CONDITIONS16, _isa_distance16),
        **_ISA_BRANCHES32,
        **{
            f"simulate_{name}": _ISA_BRANCHES32[f"simulate_{name.removesuffix('_unsigned')}"]
            for name in _CONDITIONS32_UNSIGNED
        },
        "simulate_bsr32": _bsr(_isa_distance_bsr),
        "simulate_jmpi32": _to_halfword(simulate_jmpi32),
        "simulate_jsri32": _to_halfword(simulate_jsri32),
        "simulate_lrw16": fixed_lrw16,
        "simulate_lrw32": fixed_lrw32,
        "simulate_lrw16_far": simulate_lrw16_far,
        "simulate_grs32": simulate_grs32,
        "simulate_pop16": _to_halfword(simulate_pop16),
        "simulate_pop32": _to_halfword(_pop32(last=28)),
    }
)
"""What takes the place of a routine of ACTIONS under the variant `fixed`."""
