"""Interrupts of a CPU: raised, pending, taken; and whether another thread can be scheduled there."""

from __future__ import annotations

from emu.explore.task import KernelCode
from emu.kernel.configuration import Preempt
from emu.kernel.kallsyms import in_slot
from emu.kernel.state import Interrupt, Percpu
from emu.kernel.trace import log


def raise_interrupt(cpu: Percpu, interrupt: Interrupt) -> None:
    """That CPU takes it when its interrupts are on and the scheduler lets it run.

    >>> from trapline import Interrupt, log, raise_interrupt, run, update
    >>> def kicks(lab):
    ...     async def kicked(cpu):
    ...         log(cpu, "here")
    ...     async def kick():
    ...         await update("queue")
    ...         raise_interrupt(lab.cpus[1], Interrupt("kick", kicked))
    ...     return {"cpu0": kick()}
    >>> [(event.task, event.text) for event in run(kicks, "csky").events]
    [('cpu0', 'update queue'), ('cpu1', '[kick]'), ('cpu1', 'here')]
    """
    cpu.interrupts.append(interrupt)


def preemptible(cpu: Percpu) -> bool:
    """Whether another thread can be scheduled here now.

    A guest stands for code that reaches a schedule point wherever it is; a trap handler, and a copy that is
    executed with interrupts on (x86's boosted ones), do so only in a fully preemptible kernel.
    """
    if not cpu.irqs_enabled or cpu.preempt_count:
        return False
    if cpu.kernel.config.preempt is Preempt.FULL:
        return True
    return cpu.trap_depth == 0 and not in_slot(cpu.kernel, cpu.core.pc)


class CpuInterrupts:
    """Where a CPU's task takes its interrupts from (`emu.explore.task.Interrupts`)."""

    __slots__ = ("_cpu",)

    def __init__(self, cpu: Percpu) -> None:
        self._cpu = cpu

    def pending(self) -> bool:
        cpu = self._cpu
        if not cpu.interrupts or not cpu.irqs_enabled:
            return False
        return any(not i.stopper for i in cpu.interrupts) or preemptible(cpu)

    def take(self) -> KernelCode:
        """Plain interrupts before threads, first come first served."""
        cpu = self._cpu
        chosen = next((i for i in cpu.interrupts if not i.stopper), cpu.interrupts[0])
        cpu.interrupts.remove(chosen)
        log(cpu, f"[{chosen.name}]")
        return chosen.handler(cpu)
