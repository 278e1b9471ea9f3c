"""RCU, as far as kprobes needs it: synchronize_rcu waits for every CPU that may be in a read-side section.

Code with interrupts or preemption off is such a section (kernel/rcu, since the flavours were merged in v5.0).
"""

from __future__ import annotations

from emu.explore.ops import wait
from emu.kernel.interrupts import preemptible
from emu.kernel.state import Kernel, Percpu


async def synchronize_rcu(kernel: Kernel) -> None:
    """Returns when every CPU has been in a quiescent state since the call."""
    if kernel.booting:
        return
    readers = [(cpu, cpu.qs) for cpu in kernel.percpu if not preemptible(cpu)]
    await wait("synchronize_rcu", lambda: all(_quiescent(cpu, since) for cpu, since in readers))


def _quiescent(cpu: Percpu, since: int) -> bool:
    return cpu.qs != since or preemptible(cpu)
