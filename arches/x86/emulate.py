"""What Linux computes in software for instructions that change RIP or IF, mistakes included.

Since 5.13 (6256e668b7af) such an instruction is not stepped in a slot. An action has the breakpoint's frame
(pc behind the int3), the decoded instruction and its address, and leaves `regs.pc` final. Sources are
arch/x86/kernel/kprobes/core.c and int3_emulate_* in arch/x86/include/asm/text-patching.h. `FIXED` has what the
processor does, by the same names; Intel SDM vol. 2 for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from emu.bits import mask
from emu.isa.capstone_text import X86Insn
from emu.machine.frame import PtRegs

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


def pushf(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    """Always eight bytes, and the flags as they are."""
    push(regs, regs.status)
    regs.pc = following(insn, addr)


def popf(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    """Always eight bytes, and every bit of them becomes a flag."""
    regs.status = pop(regs)
    regs.pc = following(insn, addr)


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


def loop(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    """The counter is compared before it is decremented; of a 32-bit one, the upper half of RCX stays."""
    kind, counted = insn.opcode[-1] & 3, mask(8 * insn.addr_size)
    rcx = regs.get("rcx")
    if kind == JCXZ:
        taken = rcx & counted == 0
    else:
        taken = rcx & counted != 0
        regs.set("rcx", rcx & ~counted | (rcx - 1) & counted)
    _loop_branch(regs, insn, addr, taken)


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


def jmp_reg(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    regs.pc = regs.get(operand_register(insn))


def _operand_size(insn: X86Insn) -> int:
    """Of pushf and popf: 64 bits, or 16 with prefix 66."""
    return 2 if b"\x66" in insn.prefixes and not insn.rex & REX_W else 8


def fixed_pushf(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    push(regs, regs.status & ~(RF | VM), _operand_size(insn))
    regs.pc = following(insn, addr)


def fixed_popf(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    size = _operand_size(insn)
    loads = POPF_LOADS & mask(8 * size)
    regs.status = (regs.status & ~loads & ~RF) | (pop(regs, size) & loads)
    regs.pc = following(insn, addr)


def fixed_ret(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    regs.pc = pop(regs)
    regs.set("rsp", (regs.get("rsp") + (insn.imm & mask(16))) & mask(64))


def fixed_call(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    push(regs, following(insn, addr))
    regs.pc = relative(insn, addr)


def fixed_loop(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    kind, counted = insn.opcode[-1] & 3, mask(8 * insn.addr_size)
    rcx = regs.get("rcx")
    taken = rcx & counted == 0
    if kind != JCXZ:
        rcx = (rcx - 1) & counted  # writing ECX clears the upper half of RCX
        taken = rcx != 0
        regs.set("rcx", rcx)
    _loop_branch(regs, insn, addr, taken)


def fixed_call_reg(regs: PtRegs, insn: X86Insn, addr: int) -> None:
    target = regs.get(operand_register(insn))
    push(regs, following(insn, addr))
    regs.pc = target


ACTIONS: Mapping[str, Action] = {
    "cli": cli,
    "sti": sti,
    "pushf": pushf,
    "popf": popf,
    "ret": ret,
    "call": call,
    "jmp": jmp,
    "jcc": jcc,
    "jcc_jle_and": jcc_jle_and,
    "loop": loop,
    "call_reg": call_reg,
    "call_reg_5": call_reg_5,
    "jmp_reg": jmp_reg,
}

FIXED: Mapping[str, Action] = {
    **ACTIONS,
    "pushf": fixed_pushf,
    "popf": fixed_popf,
    "ret": fixed_ret,
    "call": fixed_call,
    "jcc_jle_and": jcc,
    "loop": fixed_loop,
    "call_reg": fixed_call_reg,
    "call_reg_5": fixed_call_reg,
}
