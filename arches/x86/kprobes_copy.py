"""The copy of a probed instruction in its slot, and what has to be put right after it ran there.

Sources: __copy_instruction, prepare_singlestep, resume_singlestep and, until 5.12, prepare_boost, is_IF_modifier
and resume_execution in arch/x86/kernel/kprobes/core.c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from arches.x86.insns import split_prefixes
from arches.x86.insns_fields import X86Insn
from arches.x86.simulate import IF, TF
from arches.x86.verdict import INT3, JMP32_SIZE, SLOT_SIZE
from emu.bits import fits_signed, mask
from emu.errors import TraplineError
from emu.machine.frame import PtRegs

JMP32 = b"\xe9"
PUSHF, CALL, GROUP5 = 0x9C, 0xE8, 0xFF
RETURNS = (0xC2, 0xC3, 0xCA, 0xCB, 0xCF, 0xEA)  # near, far and interrupt returns, absolute far jump
IF_MODIFIERS = (0xFA, 0xFB, 0xCF, 0x9D)  # cli, sti, iret, popf


class SlotError(TraplineError):
    """An instruction that cannot be copied to this slot; `errno` is what registration returns."""

    def __init__(self, errno: str, message: str) -> None:
        super().__init__(message)
        self.errno = errno


@dataclass(frozen=True)
class Slot:
    """What a slot holds: the copy, then an int3 (`boosted` false), a jump back, or with trap-flag stepping nothing."""

    addr: int
    code: bytes
    boosted: bool


def build_slot(insn: X86Insn, slot: int, *, boost: bool = False, int3: bool = True) -> Slot:
    """The bytes for the slot at `slot`, of the instruction decoded at its own address.

    `boost` asks for a jump back behind the copy, which needs five bytes; without room for it the probe is not
    boosted. `int3` is false for trap-flag stepping (until 5.12). Raises `SlotError`: EINVAL if a RIP-relative
    operand or the jump back is out of range, ENOSPC if no byte is left for the int3.
    """
    copy = relocate(insn, slot)
    if boost and insn.size + JMP32_SIZE <= SLOT_SIZE:
        distance = (insn.addr + insn.size) - (slot + insn.size + JMP32_SIZE)
        return Slot(slot, copy + JMP32 + _displacement(distance, insn, slot), True)
    if int3 and insn.size + len(INT3) > SLOT_SIZE:
        raise SlotError("ENOSPC", f"{insn.code.hex()}: no room for an int3 behind it in {SLOT_SIZE} bytes")
    return Slot(slot, copy + (INT3 if int3 else b""), False)


def relocate(insn: X86Insn, slot: int) -> bytes:
    """The instruction's bytes with a RIP-relative displacement that reaches the same address from the slot."""
    if not insn.rip_relative or not insn.disp_size:
        return insn.code
    disp = _displacement(insn.disp + insn.addr - slot, insn, slot)
    return insn.code[: insn.disp_offset] + disp + insn.code[insn.disp_offset + insn.disp_size :]


def _displacement(distance: int, insn: X86Insn, slot: int) -> bytes:
    if not fits_signed(distance, 32):
        raise SlotError(
            "EINVAL", f"{insn.code.hex()} at {insn.addr:#x}: displacement {distance:#x} from slot {slot:#x}"
            " does not fit 32 bits",
        )  # fmt: skip
    return distance.to_bytes(4, "little", signed=True)


def resume_singlestep(regs: PtRegs, addr: int, slot: int, saved_flags: int) -> None:
    """After the slot's int3: back behind the instruction at `addr`, with the IF that the step had cleared."""
    regs.status |= saved_flags & IF
    regs.pc = (regs.pc + (addr - slot) - len(INT3)) & mask(64)


def saved_flags(flags: int, insn: X86Insn) -> int:
    """With trap-flag stepping: the IF and TF that the step's end restores; not IF if the instruction changes it."""
    return flags & (TF | (0 if first_opcode(insn) in IF_MODIFIERS else IF))


def resume_execution(regs: PtRegs, insn: X86Insn, slot: int, old_flags: int) -> None:
    """With trap-flag stepping (until 5.12): correct IP, and flags or a return address that were pushed.

    `insn` is decoded at the probe's address, `old_flags` are the TF and IF of before the step. The caller then
    sets the `saved_flags` again.
    """
    regs.status &= ~TF
    offset, opcode = insn.addr - slot, first_opcode(insn)
    ip_is_final = opcode in RETURNS
    if opcode == PUSHF:
        _edit_top(regs, lambda top: top & ~(TF | IF) | old_flags & (TF | IF))
    elif opcode == CALL:
        _edit_top(regs, lambda top: top + offset)
    elif opcode == GROUP5:
        kind = (insn.modrm or 0) >> 4 & 3  # 1: calls, near and far; 2: jumps
        ip_is_final = kind in (1, 2)
        if kind == 1:
            _edit_top(regs, lambda top: top + offset)
    if not ip_is_final:
        regs.pc = (regs.pc + offset) & mask(64)


def first_opcode(insn: X86Insn) -> int:
    """The byte behind the prefixes, also where that is an escape or VEX (`skip_prefixes`)."""
    return insn.code[split_prefixes(insn.code).length]


def _edit_top(regs: PtRegs, edit: Callable[[int], int]) -> None:
    """Change the word on top of the guest's stack."""
    top = regs.get("rsp")
    regs.store(top, edit(regs.load(top, 8)) & mask(64), 8)
