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
    readers = {cpu.id for cpu in kernel.percpu if not preemptible(cpu)}
    kernel.grace_periods.append(readers)
    reads = tuple(rcu_state(kernel.percpu[number]) for number in sorted(readers))
    await wait("synchronize_rcu", lambda: all(preemptible(kernel.percpu[number]) for number in readers), reads)
    kernel.grace_periods = [others for others in kernel.grace_periods if others is not readers]


def quiescent(cpu: Percpu) -> None:
    """A CPU is outside of every read-side section that began before."""
    for readers in cpu.kernel.grace_periods:
        readers.discard(cpu.id)


def rcu_state(cpu: Percpu) -> SharedObject:
    """Whether a CPU may be in a read-side section, as announcements name it."""
    return SharedObject("rcu", cpu.id, f"rcu[{cpu.id}]")
