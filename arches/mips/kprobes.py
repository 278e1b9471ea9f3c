"""MIPS's kprobe handlers (arch/mips/kernel/kprobes.c): a state machine of their own.

A probed branch is evaluated in software, and the instruction in its delay slot is stepped, or skipped if it is a nop.
Known bugs are kept unless the variant repairs them (bugs.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from arches.mips import bugs
from arches.mips.breaks import GAS_KPROBE_BREAK, KPROBE_BREAK, STEP_BREAK
from arches.mips.simulate import compute_return_epc_for_insn
from arches.mips.verdict import has_delay_slot, is_cop1_operation
from emu.blame import call
from emu.explore.ops import own
from emu.kernel import text
from emu.kernel.kprobes import get_kprobe, kprobes_inc_nmissed_count
from emu.kernel.outcome import Outcome
from emu.kernel.probe import Kprobe, KprobeCtlblk, KprobeStatus, PrevKprobe
from emu.kernel.recheck import breakpoint_is_gone
from emu.kernel.state import Percpu, Variant
from emu.kernel.trace import log
from emu.machine.frame import PtRegs

ST0_IE = 1


@dataclass
class MipsPrevKprobe(PrevKprobe):
    saved_status: int
    saved_epc: int


@dataclass
class MipsCtlblk(KprobeCtlblk):
    """`saved_epc` is where the breakpoint was, `target_epc` where a probed branch goes, `skip_delayslot` a flag."""

    prev_kprobe: MipsPrevKprobe | None = None
    saved_epc: int = 0
    target_epc: int | None = None
    skip_delayslot: bool = False

    def save_previous(self, current: Kprobe | None) -> None:
        self.prev_kprobe = MipsPrevKprobe(current, self.status, self.saved_status, self.saved_epc)

    def restore_previous(self) -> Kprobe | None:
        before = self.prev_kprobe
        assert before is not None
        self.saved_status, self.saved_epc = before.saved_status, before.saved_epc
        return super().restore_previous()


def ctlblk(cpu: Percpu) -> MipsCtlblk:
    kcb = cpu.kprobe_ctlblk
    assert isinstance(kcb, MipsCtlblk)
    return kcb


async def kprobe_handler(cpu: Percpu, regs: PtRegs) -> bool:
    """The break of a kprobe. Preemption stays disabled from here until the step is done."""
    addr, kcb = regs.pc, ctlblk(cpu)
    await own("preempt_disable")  # until here another thread may be scheduled, the stopper for one
    cpu.preempt_count += 1
    p = await get_kprobe(cpu.kernel, addr)  # another CPU may have unregistered it since the trap
    if cpu.current_kprobe is not None and p is not None:
        return reenter_kprobe(p, regs, cpu)
    if p is None:
        gone = await breakpoint_is_gone(cpu, addr, *breakpoints(cpu.kernel.variant))
        cpu.preempt_count -= 1
        return gone
    set_current_kprobe(p, regs, cpu)
    kcb.status = KprobeStatus.HIT_ACTIVE
    cpu.kernel.note(Outcome.HIT)
    log(cpu, "kprobe hit: pre_handler")
    if p.pre_handler is not None and await call(p.pre_handler, p, regs):
        cpu.current_kprobe = None
        cpu.skips += 1
        cpu.preempt_count -= 1
        return True
    prepare_singlestep(p, regs, cpu)
    if kcb.skip_delayslot:
        await finish_skipped(p, regs, cpu)
    else:
        kcb.status = KprobeStatus.HIT_SS
    return True


def breakpoints(variant: Variant) -> tuple[bytes, ...]:
    """The words that are compared with: Linux forgets that do_bp takes another one for the same code."""
    return (KPROBE_BREAK, GAS_KPROBE_BREAK) if bugs.GAS_BREAK.id in variant.repairs else (KPROBE_BREAK,)


def reenter_kprobe(p: Kprobe, regs: PtRegs, cpu: Percpu) -> bool:
    """Another probe was hit while one is running: at any depth, with one place to save the previous one."""
    kcb = ctlblk(cpu)
    if kcb.status is KprobeStatus.HIT_SS and text.read(cpu.kernel, p.ainsn.slot or 0, 4) == KPROBE_BREAK:
        regs.status = regs.status & ~ST0_IE | kcb.saved_status
        cpu.preempt_count -= 1
        return False
    kcb.save_previous(cpu.current_kprobe)
    set_current_kprobe(p, regs, cpu)
    kprobes_inc_nmissed_count(p)
    cpu.kernel.note(Outcome.MISSED)
    log(cpu, "kprobe re-entered: nmissed")
    prepare_singlestep(p, regs, cpu)
    kcb.status = KprobeStatus.REENTER
    if kcb.skip_delayslot:
        resume_execution(p, regs, cpu)
        cpu.current_kprobe = kcb.restore_previous()
        cpu.preempt_count -= 1
    return True


def set_current_kprobe(p: Kprobe, regs: PtRegs, cpu: Percpu) -> None:
    kcb = ctlblk(cpu)
    cpu.current_kprobe = p
    kcb.saved_status, kcb.saved_epc = regs.status & ST0_IE, regs.pc


def prepare_singlestep(p: Kprobe, regs: PtRegs, cpu: Percpu) -> None:
    """EPC ends at the slot in all cases, even for a probed break that was meant to be stepped in place."""
    assert p.ainsn.slot is not None
    regs.status &= ~ST0_IE
    if is_branch(p, cpu.kernel.variant):
        evaluate_branch(p, regs, cpu)
    elif bugs.SKIP_LEAKS.id in cpu.kernel.variant.repairs:
        ctlblk(cpu).skip_delayslot = False  # in Linux a branch's flag leaks to the next probe on this CPU
    regs.pc = p.ainsn.slot


def is_branch(p: Kprobe, variant: Variant) -> bool:
    """Whether the delay slot is stepped and not the instruction; in Linux that is so for every COP1 word."""
    word = int.from_bytes(p.opcode, "little")
    return has_delay_slot(word) and not (bugs.COP1.id in variant.repairs and is_cop1_operation(word))


def evaluate_branch(p: Kprobe, regs: PtRegs, cpu: Percpu) -> None:
    """Where the branch goes, and whether the delay slot is skipped: a nop's, or, wrongly, a taken likely branch's."""
    kcb, repairs = ctlblk(cpu), cpu.kernel.variant.repairs
    branch = compute_return_epc_for_insn(regs, int.from_bytes(p.opcode, "little"), p.where, repairs)
    skips = branch.annulled if bugs.LIKELY.id in repairs else branch.likely_taken
    in_delay_slot = text.read(cpu.kernel, p.ainsn.slot or 0, 4)
    kcb.skip_delayslot = in_delay_slot == bytes(4) or skips
    kcb.target_epc = branch.target
    log(cpu, "branch evaluated" + (", delay slot skipped" if kcb.skip_delayslot else ""))


async def finish_skipped(p: Kprobe, regs: PtRegs, cpu: Percpu) -> None:
    """SKIP_DELAYSLOT: no step. Linux forgets to reset the current kprobe and to put the interrupt enable back, so
    this CPU goes on with interrupts off and takes every later probe for a nested one."""
    cpu.kprobe_ctlblk.status = KprobeStatus.HIT_SSDONE
    if p.post_handler is not None:
        await call(p.post_handler, p, regs, 0)
    resume_execution(p, regs, cpu)
    if bugs.IRQS_STAY_OFF.id in cpu.kernel.variant.repairs:
        regs.status |= cpu.kprobe_ctlblk.saved_status
    if bugs.STAYS_CURRENT.id in cpu.kernel.variant.repairs:
        cpu.current_kprobe = None
    cpu.preempt_count -= 1


def resume_execution(p: Kprobe, regs: PtRegs, cpu: Percpu) -> None:
    kcb = ctlblk(cpu)
    target = kcb.target_epc if is_branch(p, cpu.kernel.variant) else kcb.saved_epc + 4
    regs.pc = target if target is not None else kcb.saved_epc


async def post_kprobe_handler(cpu: Percpu, regs: PtRegs) -> bool:
    """The break behind the copy. The post_handler runs before EPC is put right, so it sees an address in the slot."""
    p, kcb = cpu.current_kprobe, ctlblk(cpu)
    if p is None:
        return False
    log(cpu, "single step done")
    if kcb.status is not KprobeStatus.REENTER and p.post_handler is not None:
        kcb.status = KprobeStatus.HIT_SSDONE
        await call(p.post_handler, p, regs, 0)
    resume_execution(p, regs, cpu)
    regs.status |= kcb.saved_status
    if kcb.status is KprobeStatus.REENTER:
        cpu.current_kprobe = kcb.restore_previous()
    else:
        cpu.current_kprobe = None
    cpu.preempt_count -= 1
    return True


def irqs_enabled(cp0_status: int) -> bool:
    return bool(cp0_status & ST0_IE)


def fill_slot(p: Kprobe, slot: int, following: bytes, variant: Variant) -> bytes | None:
    """The instruction, or the one in its delay slot, and the break that ends the step."""
    copied = following[:4] if is_branch(p, variant) else p.opcode
    return copied + STEP_BREAK if len(copied) == 4 else None
