"""What happens once a breakpoint is a kprobe's: handlers, the step or the simulation, re-entry.

ARM64, RISC-V, C-SKY, LoongArch and x86 share this state machine; each keeps its own copy in Linux
(arch/*/kernel/probes/kprobes.c) and differs in what a `Variant` and its `StepOps` say. MIPS has another.
"""

from __future__ import annotations

from emu.blame import call
from emu.errors import MemoryAccessError
from emu.kernel.kprobes import kprobes_inc_nmissed_count
from emu.kernel.outcome import Outcome
from emu.kernel.probe import Kprobe, KprobeStatus
from emu.kernel.state import Percpu, StepOps
from emu.kernel.trace import log
from emu.kernel.traps import die
from emu.machine.frame import PtRegs


async def kprobe_hit(p: Kprobe, regs: PtRegs, cpu: Percpu) -> bool:
    """The breakpoint at p.addr was taken by this CPU; True, because it is ours."""
    kcb = cpu.kprobe_ctlblk
    if cpu.current_kprobe is not None:
        return await reenter_kprobe(p, regs, cpu)
    cpu.current_kprobe, kcb.status = p, KprobeStatus.HIT_ACTIVE
    cpu.kernel.note(Outcome.HIT)
    log(cpu, "kprobe hit: pre_handler")
    if p.pre_handler is None or not await call(p.pre_handler, p, regs):
        await setup_singlestep(p, regs, cpu, reenter=False)
    else:
        cpu.current_kprobe = None
        cpu.skips += 1
        step_ops(cpu).done(cpu)
    return True


async def reenter_kprobe(p: Kprobe, regs: PtRegs, cpu: Percpu) -> bool:
    """Another probe was hit while one is running: it is missed, but its instruction is executed."""
    if cpu.kprobe_ctlblk.status in cpu.kernel.variant.fatal_reentry:
        die(cpu, regs, "failed to recover from reentered kprobes")
    if cpu.kprobe_ctlblk.status in cpu.kernel.variant.stuck_reentry:
        log(cpu, "WARN: failed to recover from reentered kprobes")
        return True
    kprobes_inc_nmissed_count(p)
    cpu.kernel.note(Outcome.MISSED)
    log(cpu, "kprobe re-entered: nmissed")
    await setup_singlestep(p, regs, cpu, reenter=True)
    return True


async def setup_singlestep(p: Kprobe, regs: PtRegs, cpu: Percpu, *, reenter: bool) -> None:
    kcb = cpu.kprobe_ctlblk
    boosts = step_ops(cpu).boosts
    if boosts is not None and boosts(cpu, p):
        return boost(p, regs, cpu, reenter=reenter)
    if reenter:
        kcb.save_previous(cpu.current_kprobe)
        cpu.current_kprobe, kcb.status = p, KprobeStatus.REENTER
    else:
        kcb.status = KprobeStatus.HIT_SS
    if p.ainsn.simulate is None:
        step_ops(cpu).prepare(cpu, regs, p)
        return
    log(cpu, "simulate")
    try:
        under_way = p.ainsn.simulate(regs)
        if under_way is not None:
            await under_way
    except MemoryAccessError as error:
        die(cpu, regs, f"unable to handle kernel paging request: {error}")
    await post_kprobe_handler(p, regs, cpu)


def boost(p: Kprobe, regs: PtRegs, cpu: Percpu, *, reenter: bool) -> None:
    """No step: the copy ends in a jump back. A probe that is interrupted stays current, for none takes its place."""
    assert p.ainsn.slot is not None
    log(cpu, "boost")
    regs.pc = p.ainsn.slot
    if not reenter:
        cpu.current_kprobe = None
    step_ops(cpu).done(cpu)


async def post_kprobe_handler(p: Kprobe, regs: PtRegs, cpu: Percpu) -> None:
    kcb = cpu.kprobe_ctlblk
    if p.ainsn.restore:
        regs.pc = p.ainsn.restore
    if kcb.status is KprobeStatus.REENTER:
        cpu.current_kprobe = kcb.restore_previous()
    else:
        kcb.status = KprobeStatus.HIT_SSDONE
        if p.post_handler is not None:
            log(cpu, "post_handler")
            await call(p.post_handler, p, regs, 0)
        cpu.current_kprobe = None
    step_ops(cpu).done(cpu)


def step_ops(cpu: Percpu) -> StepOps:
    step = cpu.kernel.port.step
    assert step is not None, "an architecture without StepOps has a state machine of its own"
    return step


def stepping(cpu: Percpu) -> bool:
    """Whether this CPU is in an insn slot, as far as its state says."""
    in_step = cpu.kprobe_ctlblk.status in (KprobeStatus.HIT_SS, KprobeStatus.REENTER)
    return cpu.current_kprobe is not None and in_step


async def kprobe_single_step_handler(cpu: Percpu, regs: PtRegs) -> bool:
    """The trap behind the copy: accepted only where the current probe's step must end."""
    p = cpu.current_kprobe
    if p is None or not stepping(cpu) or p.ainsn.slot is None or regs.pc != p.ainsn.slot + p.ainsn.length:
        return False
    log(cpu, "single step done")
    step_ops(cpu).restore(cpu, regs)
    await post_kprobe_handler(p, regs, cpu)
    return True
