"""RCU, as far as kprobes needs it: synchronize_rcu waits for every CPU that may be in a read-side section.

Code with interrupts or preemption off is such a section (kernel/rcu, since the flavours were merged in v5.0).
"""

from __future__ import annotations

from emu.explore.ops import SharedObject, wait
from emu.kernel.interrupts import preemptible
from emu.kernel.state import Kernel, Percpu


async def synchronize_rcu(kernel: Kernel) -> None:
    """Returns when every CPU has been in a quiescent state since the call."""
    if kernel.booting:
        return
    readers = [(cpu, cpu.qs) for cpu in kernel.percpu if not preemptible(cpu)]
    reads = tuple(rcu_state(cpu) for cpu, _ in readers)
    await wait("synchronize_rcu", lambda: all(_quiescent(cpu, since) for cpu, since in readers), reads)


def rcu_state(cpu: Percpu) -> SharedObject:
    """Whether a CPU may be in a read-side section, as announcements name it."""
    return SharedObject("rcu", cpu.id, f"rcu[{cpu.id}]")


def _quiescent(cpu: Percpu, since: int) -> bool:
    return cpu.qs != since or preemptible(cpu)
