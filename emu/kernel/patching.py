"""Patching policies: how a breakpoint gets into running text and out again.

A policy is `async (kernel, addr, data)`; the caller holds text_mutex and cpus_read_lock, as arm_kprobe does.
"""

from __future__ import annotations

from collections.abc import Mapping

from emu.explore.ops import SharedObject, store
from emu.kernel import kallsyms, text
from emu.kernel.configuration import Flush, Patching
from emu.kernel.smp import on_each_cpu
from emu.kernel.state import Kernel, PatchText
from emu.kernel.stop_machine import LastArriver, stop_machine_cpuslocked
from emu.kernel.text_poke import three_steps, write_and_sync


async def live(kernel: Kernel, addr: int, data: bytes) -> None:
    """A plain store and the architecture's own flush: MIPS, LoongArch before 2026."""
    if kernel.booting:
        return text.store(kernel, addr, data, live=False)
    await store(kallsyms.text_at(kernel, addr))
    text.store(kernel, addr, data, live=True)
    await FLUSH[kernel.port.flush](kernel, addr, len(data))
    text.synchronised(kernel, addr)


async def stop_machine(kernel: Kernel, addr: int, data: bytes) -> None:
    """The store while every CPU is stopped: ARM64, RISC-V, C-SKY, LoongArch since 2026.

    The last to arrive writes. LoongArch's callback has no counter, there the caller writes (e3ef9a28f558): with views
    that follow at once nobody can tell the difference.
    """
    write = LastArriver(len(kernel.percpu), lambda: text.store(kernel, addr, data, live=False))
    await stop_machine_cpuslocked(kernel, write)


async def text_poke(kernel: Kernel, addr: int, data: bytes) -> None:
    """x86, one byte: the store, then an interrupt that serialises every CPU (since 5c02ece81848, v5.5)."""
    if kernel.booting:
        return text.store(kernel, addr, data, live=False)
    await write_and_sync(kernel, addr, 0, data)


async def breakpoint_protocol(kernel: Kernel, addr: int, data: bytes) -> None:
    """What if kprobes were armed by x86's protocol for several bytes. Linux never does: whoever meets the breakpoint
    on the way out finds it a kprobe's, since nothing emulates the first byte of just any instruction."""
    if kernel.booting:
        return text.store(kernel, addr, data, live=False)
    await three_steps(kernel, addr, data)


async def flush_broadcast(kernel: Kernel, addr: int, size: int) -> None:
    """The flush reaches every CPU by itself (ARM64 IC IVAU, RISC-V SBI remote fence.i)."""
    await store(SharedObject("icache", addr, f"icache[{kallsyms.at(kernel, addr)}]"))
    for cpu in kernel.machine.cpus:
        text.flush(kernel, cpu, addr, size)


async def flush_ipi(kernel: Kernel, addr: int, size: int) -> None:
    """Every CPU flushes in an interrupt, and the caller waits for it (MIPS r4k_on_each_cpu)."""
    await on_each_cpu(kernel, "flush_icache", addr, size)


async def flush_local(kernel: Kernel, addr: int, size: int) -> None:
    """Only the caller's own pipeline is flushed (LoongArch IBAR); nobody waits and nobody else is told."""


FLUSH = {Flush.BROADCAST: flush_broadcast, Flush.IPI: flush_ipi, Flush.LOCAL: flush_local}
POLICIES: Mapping[Patching, PatchText] = {
    Patching.LIVE: live,
    Patching.STOP_MACHINE: stop_machine,
    Patching.TEXT_POKE: text_poke,
    Patching.TEXT_POKE_BP: breakpoint_protocol,
}
