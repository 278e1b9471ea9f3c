"""What a CPU does that runs into the int3 of text_poke_bp: the new instruction, in software.

Sources: text_poke_loc_init and poke_int3_handler in arch/x86/kernel/alternative.c (smp_text_poke_* since 6.16).
"""

from __future__ import annotations

from collections.abc import Callable

from arches.x86.breaks import INT3
from arches.x86.insns import decode_fields
from arches.x86.insns_fields import X86Insn
from arches.x86.simulate import Action, call, following, jcc, jmp, ret
from emu.errors import UsageError
from emu.machine.frame import PtRegs

JMP32 = b"\xe9"
JMP32_SIZE = 5
RET, CALL, JMP8 = b"\xc3", b"\xe8", b"\xeb"
NOPS = (b"\x66\x90", b"\x0f\x1f\x44\x00\x00")  # of two and five bytes; Linux records them as jumps of +0
SHORT_JCC = range(0x70, 0x80)
NEAR_JCC = range(0x80, 0x90)  # behind 0f


def jump(addr: int, target: int) -> bytes:
    """`jmp rel32` at addr, in memory order; UsageError if the target is too far."""
    distance = target - addr - JMP32_SIZE
    if not -(1 << 31) <= distance < 1 << 31:
        raise UsageError(f"jump from {addr:#x} to {target:#x}: expected a distance of 32 bits")
    return JMP32 + distance.to_bytes(4, "little", signed=True)


def poke_emulation(text: bytes, addr: int) -> Callable[[PtRegs], None] | None:
    """What stands in for `text`, that is being written at addr, until it is there; None for int3: not ours.

    UsageError for an instruction that Linux does not emulate there (it BUGs when the patch is queued).
    """
    if text[:1] == INT3:
        return None
    insn = decode_fields(text, addr)
    action = None if insn is None else _action(insn)
    if insn is None or action is None or text[insn.size :].strip(INT3):
        raise UsageError(
            f"text_poke_bp of {text.hex()} at {addr:#x}: expected ret, call, jmp, jcc, a nop of 2 or 5 bytes or int3"
        )
    chosen, decoded = action, insn
    return lambda regs: chosen(regs, decoded, addr)


def _action(insn: X86Insn) -> Action | None:
    if insn.code in NOPS:
        return _next
    if len(insn.opcode) == 1 and insn.opcode[0] in SHORT_JCC:
        return jcc
    if len(insn.opcode) == 2 and insn.opcode[1] in NEAR_JCC:
        return jcc
    return {RET: ret, CALL: call, JMP32: jmp, JMP8: jmp}.get(insn.opcode)


def _next(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    regs.pc = following(insn, addr)
