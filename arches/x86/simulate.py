"""What Linux computes in software for instructions that change RIP or IF, mistakes included.

Since 5.13 (6256e668b7af) such an instruction is not stepped in a slot. An action has the breakpoint's frame
(pc behind the int3), the decoded instruction and its address, and leaves `regs.pc` final. Sources are
arch/x86/kernel/kprobes/core.c and int3_emulate_* in arch/x86/include/asm/text-patching.h. With a bug repaired
(bugs.py) `actions(repairs)` has what the processor does; Intel SDM vol. 2 for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from arches.x86 import bugs
from arches.x86.insns_fields import X86Insn
from emu.bits import mask
from emu.machine.frame import PtRegs
from emu.verdict.site import NO_REPAIRS, Repairs

Action = Callable[[PtRegs, X86Insn, int], None]

REGISTERS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))
CF, PF, AF, ZF, SF, TF, IF, DF, OF = (1 << bit for bit in (0, 2, 4, 6, 7, 8, 9, 10, 11))
IOPL, NT, RF, VM, AC, ID = 3 << 12, 1 << 14, 1 << 16, 1 << 17, 1 << 18, 1 << 21
POPF_LOADS = CF | PF | AF | ZF | SF | TF | IF | DF | OF | IOPL | NT | AC | ID  # in 64-bit mode at CPL 0
CALL_SIZE = 5  # of e8 without prefixes
REX_W, REX_B = 8, 1
LOOPNE, LOOPE, JCXZ = 0, 1, 3  # low bits of the opcodes e0, e1, e3; e2 is plain LOOP


def following(insn: X86Insn, addr: int) -> int:
    return (addr + insn.size) & mask(64)


def relative(insn: X86Insn, addr: int) -> int:
    """The target of a relative branch. Without an immediate (an instruction behind VEX) it is the next one."""
    return (following(insn, addr) + insn.imm) & mask(64)


def push(regs: PtRegs, value: int, size: int = 8) -> None:
    top = (regs.get("rsp") - size) & mask(64)
    regs.set("rsp", top)
    regs.store(top, value, size)


def pop(regs: PtRegs, size: int = 8) -> int:
    top = regs.get("rsp")
    value = regs.load(top, size)
    regs.set("rsp", (top + size) & mask(64))
    return value


def operand_register(insn: X86Insn) -> str:
    """The register that ModRM.rm and REX.B name."""
    return REGISTERS[(insn.rm or 0) + (8 if insn.rex & REX_B else 0)]


def condition(flags: int, code: int) -> bool:
    """Condition codes 0-15 as Jcc, SETcc and CMOVcc number them; Intel SDM vol. 1, appendix B."""
    less = bool(flags & SF) != bool(flags & OF)
    zero = bool(flags & ZF)
    base = (
        bool(flags & OF),
        bool(flags & CF),
        zero,
        bool(flags & CF) or zero,
        bool(flags & SF),
        bool(flags & PF),
        less,
        less or zero,
    )[code >> 1]
    return base != bool(code & 1)


def cli(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    regs.status &= ~IF
    regs.pc = following(insn, addr)


def sti(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    regs.status |= IF
    regs.pc = following(insn, addr)


def _pushf(repairs: Repairs) -> Action:
    """Linux: always eight bytes, and the flags as they are."""
    hidden = RF | VM if bugs.FLAG_BITS.id in repairs else 0

    def pushf(regs: PtRegs, insn: X86Insn, addr: int) -> None:
        push(regs, regs.status & ~hidden, _operand_size(insn, repairs))
        regs.pc = following(insn, addr)

    return pushf


def _popf(repairs: Repairs) -> Action:
    """Linux: always eight bytes, and every bit of them becomes a flag."""

    def popf(regs: PtRegs, insn: X86Insn, addr: int) -> None:
        size = _operand_size(insn, repairs)
        loads, cleared = mask(8 * size), 0
        if bugs.FLAG_BITS.id in repairs:
            loads, cleared = loads & POPF_LOADS, RF
        regs.status = regs.status & ~loads & ~cleared | pop(regs, size) & loads
        regs.pc = following(insn, addr)

    return popf


def _operand_size(insn: X86Insn, repairs: Repairs) -> int:
    """Of pushf and popf: 64 bits, or 16 with prefix 66."""
    is_16 = b"\x66" in insn.prefixes and not insn.rex & REX_W
    return 2 if is_16 and bugs.PUSHF_POPF_16.id in repairs else 8


def ret(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    """Near, whatever the opcode; an immediate is ignored."""
    regs.pc = pop(regs)


def call(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    """The return address is five bytes on, also for a call with prefixes."""
    push(regs, addr + CALL_SIZE)
    regs.pc = relative(insn, addr)


def jmp(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    regs.pc = relative(insn, addr)


def jcc(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    taken = condition(regs.status, insn.opcode[-1] & 15)
    regs.pc = relative(insn, addr) if taken else following(insn, addr)


def jcc_jle_and(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    """Before 8924779df820 (6.0): jle, and jg as its opposite, asked for ZF and SF!=OF instead of or."""
    code, flags = insn.opcode[-1] & 15, regs.status
    taken = condition(flags, code)
    if code >= 14:
        taken = (condition(flags, 4) and condition(flags, 12)) != bool(code & 1)
    regs.pc = relative(insn, addr) if taken else following(insn, addr)


def _loop(repairs: Repairs) -> Action:
    """Linux: the counter is compared before it is decremented; of a 32-bit one, the upper half of RCX stays."""

    def loop(regs: PtRegs, insn: X86Insn, addr: int) -> None:
        kind, counted = insn.opcode[-1] & 3, mask(8 * insn.addr_size)
        rcx = regs.get("rcx")
        left = (rcx - 1) & counted
        if kind == JCXZ:
            return _loop_branch(regs, insn, addr, rcx & counted == 0)
        keeps = 0 if bugs.LOOP_UPPER_HALF.id in repairs else rcx & ~counted
        regs.set("rcx", keeps | left)
        _loop_branch(regs, insn, addr, (left if bugs.LOOP_COUNTER.id in repairs else rcx & counted) != 0)

    return loop


def _loop_branch(regs: PtRegs, insn: X86Insn, addr: int, taken: bool) -> None:
    kind, zero = insn.opcode[-1] & 3, bool(regs.status & ZF)
    if kind in (LOOPNE, LOOPE):
        taken = taken and zero == (kind == LOOPE)
    regs.pc = relative(insn, addr) if taken else following(insn, addr)


def call_reg_5(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    """Before f5d03da48d06 (6.8): the return address is five bytes on, though the call has two or three."""
    target = regs.get(operand_register(insn))
    push(regs, addr + CALL_SIZE)
    regs.pc = target


def call_reg(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    """The register is read after the push, so `call *%rsp` goes eight bytes too low."""
    push(regs, following(insn, addr))
    regs.pc = regs.get(operand_register(insn))


def repaired_call_reg(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    target = regs.get(operand_register(insn))
    push(regs, following(insn, addr))
    regs.pc = target


def jmp_reg(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    regs.pc = regs.get(operand_register(insn))


def repaired_ret(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    regs.pc = pop(regs)
    regs.set("rsp", (regs.get("rsp") + (insn.imm & mask(16))) & mask(64))


def repaired_call(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    push(regs, following(insn, addr))
    regs.pc = relative(insn, addr)


@cache
def actions(repairs: Repairs) -> Mapping[str, Action]:
    """The routines by the names that kprobes.rules uses, with these bugs repaired."""
    return MappingProxyType(
        {
            "cli": cli,
            "sti": sti,
            "pushf": _pushf(repairs),
            "popf": _popf(repairs),
            "ret": repaired_ret if bugs.RET_IMM.id in repairs else ret,
            "call": repaired_call if bugs.CALL_PREFIX.id in repairs else call,
            "jmp": jmp,
            "jcc": jcc,
            "jcc_jle_and": jcc if bugs.JLE.id in repairs else jcc_jle_and,
            "loop": _loop(repairs),
            "call_reg": repaired_call_reg if bugs.CALL_RSP.id in repairs else call_reg,
            "call_reg_5": repaired_call_reg if bugs.CALL_REG_5.id in repairs else call_reg_5,
            "jmp_reg": jmp_reg,
        }
    )


ACTIONS = actions(NO_REPAIRS)
"""As Linux has them."""
