"""Interrupts to every CPU (kernel/smp.c)."""

from __future__ import annotations

from emu.explore.ops import SharedObject, join, update
from emu.kernel import text
from emu.kernel.interrupts import raise_interrupt
from emu.kernel.state import Interrupt, Kernel, Percpu

CALL_SINGLE_QUEUE = SharedObject("call_single_queue")


async def on_each_cpu(kernel: Kernel, name: str, addr: int, size: int) -> None:
    """Interrupt every CPU and wait until each has synchronised; one with interrupts off takes it later."""
    if text.in_flux(kernel, addr):  # else nobody can tell a fetch before the interrupt from one behind it
        await update(CALL_SINGLE_QUEUE)
    left, done = {cpu.id for cpu in kernel.percpu}, SharedObject(f"{name}.done")

    async def synchronise(cpu: Percpu) -> None:
        text.flush(kernel, cpu.core, addr, size)
        left.discard(cpu.id)

    for cpu in kernel.percpu:
        raise_interrupt(cpu, Interrupt(name, synchronise))
    await join(done, lambda: not left, (done,))
