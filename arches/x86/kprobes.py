"""x86-64's kprobe handlers (arch/x86/kernel/kprobes/core.c).

int3 is everybody's, so nothing but the address tells whose it is; the address is the saved IP minus one. The gate
clears IF, so a CPU takes no interrupt from the trap to its return. Since 5.13 (6256e668b7af) the step ends at a second
int3 and what changes IP or IF is emulated; the option `trap-flag` is the kernel before, which stepped by #DB.
"""

from __future__ import annotations

from dataclasses import dataclass

from arches.x86.breaks import INT3
from arches.x86.insns import decode_fields
from arches.x86.insns_fields import X86Insn
from arches.x86.kprobes_copy import SlotError, build_slot, resume_execution, resume_singlestep, saved_flags
from arches.x86.simulate import IF, TF
from arches.x86.verdict import SLOT_SIZE
from emu.kernel.kprobes import get_kprobe
from emu.kernel.probe import Kprobe, KprobeCtlblk, KprobeStatus, PrevKprobe
from emu.kernel.recheck import breakpoint_is_gone
from emu.kernel.state import Percpu, StepOps, Variant
from emu.kernel.state_machine import kprobe_hit, post_kprobe_handler, stepping
from emu.kernel.trace import log
from emu.machine.frame import PtRegs

TRAP_FLAG = "trap-flag"  # option of a variant: copies are stepped by TF, as before 5.13


@dataclass
class X86PrevKprobe(PrevKprobe):
    saved_status: int


@dataclass
class X86Ctlblk(KprobeCtlblk):
    """Only here are the flags part of what is saved of an interrupted probe (prev_kprobe in each asm/kprobes.h)."""

    prev_kprobe: X86PrevKprobe | None = None

    def save_previous(self, current: Kprobe | None) -> None:
        self.prev_kprobe = X86PrevKprobe(current, self.status, self.saved_status)

    def restore_previous(self) -> Kprobe | None:
        assert self.prev_kprobe is not None
        self.saved_status = self.prev_kprobe.saved_status
        return super().restore_previous()


async def kprobe_int3_handler(cpu: Percpu, regs: PtRegs) -> bool:
    """A probe's int3, or the one that ends a step. False if it is neither."""
    addr = regs.pc - len(INT3)
    p = await get_kprobe(cpu.kernel, addr)  # another CPU may have unregistered it since the trap
    if p is not None:
        if cpu.current_kprobe is None:
            save_flags(cpu, regs)
        return await kprobe_hit(p, regs, cpu)
    if await step_ended(cpu, regs):
        return True
    # Linux kernel commit 8e791f7eba4c ("x86/kprobes: Drop removed INT3 handling code") (in v6.3) removed this.
    if not await breakpoint_is_gone(cpu, addr, INT3):
        return False
    regs.pc = addr
    return True


async def step_ended(cpu: Percpu, regs: PtRegs) -> bool:
    """The second int3: accepted anywhere in the slot of the probe that is being stepped."""
    p = cpu.current_kprobe
    if p is None or not stepping(cpu) or TRAP_FLAG in cpu.kernel.variant.options or p.ainsn.slot is None:
        return False
    if not p.ainsn.slot < regs.pc < p.ainsn.slot + SLOT_SIZE:
        return False
    log(cpu, "single step done")
    resume_singlestep(regs, p.where, p.ainsn.slot, cpu.kprobe_ctlblk.saved_status)
    await post_kprobe_handler(p, regs, cpu)
    return True


async def kprobe_debug_handler(cpu: Percpu, regs: PtRegs) -> bool:
    """#DB behind the copy, until 5.12; in a later kernel it is nobody's here."""
    p = cpu.current_kprobe
    if p is None or TRAP_FLAG not in cpu.kernel.variant.options or p.ainsn.slot is None:
        return False
    log(cpu, "single step done")
    insn, before = decoded(p), cpu.kprobe_ctlblk.saved_status
    resume_execution(regs, insn, p.ainsn.slot, before)
    regs.status |= saved_flags(before, insn)
    await post_kprobe_handler(p, regs, cpu)
    return not regs.status & TF  # somebody else was stepping too


def save_flags(cpu: Percpu, regs: PtRegs) -> None:
    """set_current_kprobe: the flags that the step hides."""
    kept = TF | IF if TRAP_FLAG in cpu.kernel.variant.options else IF
    cpu.kprobe_ctlblk.saved_status = regs.status & kept


def prepare_singlestep(cpu: Percpu, regs: PtRegs, p: Kprobe) -> None:
    """The copy runs with IF clear. The flags of a first hit are those of before its pre_handler."""
    assert p.ainsn.slot is not None
    if cpu.kprobe_ctlblk.status is KprobeStatus.REENTER:
        save_flags(cpu, regs)
    if TRAP_FLAG in cpu.kernel.variant.options:
        regs.status |= TF
    regs.status &= ~IF
    regs.pc = p.ainsn.slot


def boosts(cpu: Percpu, p: Kprobe) -> bool:
    """Whether the copy jumps back by itself. Since 5.13 that is settled when the slot is made, so a post_handler that
    joins such a probe later is never called."""
    return p.ainsn.boostable and (p.post_handler is None or TRAP_FLAG not in cpu.kernel.variant.options)


def nothing(cpu: Percpu, regs: PtRegs) -> None:
    """resume_singlestep has put the flags back."""


def done(cpu: Percpu) -> None:
    """Preemption is not counted here: IF is clear."""


STEP = StepOps(prepare_singlestep, nothing, done, boosts=boosts)


def irqs_enabled(eflags: int) -> bool:
    return bool(eflags & IF)


def fill_slot(p: Kprobe, slot: int, following: bytes, variant: Variant) -> bytes | None:
    """The copy, and a jump back if it is boosted, else an int3, else (stepping by TF) nothing."""
    try:
        return build_slot(decoded(p), slot, boost=p.ainsn.boostable, int3=TRAP_FLAG not in variant.options).code
    except SlotError:
        return None


def insn_size(insn: bytes) -> int:
    """Where the kernel's decoder sees the instruction end, which is not always where the processor does."""
    found = decode_fields(insn)
    assert found is not None, "judge refuses what cannot be decoded"
    return found.size


def decoded(p: Kprobe) -> X86Insn:
    """The probed instruction as the kernel's decoder takes it apart, at its own address."""
    insn = decode_fields(p.opcode, p.where)
    assert insn is not None, "judge refuses what cannot be decoded"
    return insn
