"""Interrupts to every CPU (kernel/smp.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.explore.ops import join, update
from emu.kernel.percpu import Interrupt

if TYPE_CHECKING:
    from emu.kernel.kernel import Kernel
    from emu.kernel.percpu import Percpu


async def on_each_cpu(kernel: Kernel, name: str, addr: int, size: int) -> None:
    """Interrupt every CPU and wait until each has synchronised; one with interrupts off takes it later."""
    if kernel.text.in_flux(addr):  # else nobody can tell a fetch before the interrupt from one behind it
        await update("call_single_queue")
    left = {cpu.id for cpu in kernel.percpu}

    async def synchronise(cpu: Percpu) -> None:
        kernel.text.flush(cpu.cpu, addr, size)
        left.discard(cpu.id)

    for cpu in kernel.percpu:
        cpu.raise_interrupt(Interrupt(name, synchronise))
    await join(f"{name}.done", lambda: not left)
