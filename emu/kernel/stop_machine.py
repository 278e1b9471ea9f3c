"""stop_machine: every CPU is brought to a stop, one runs the function, all go on (kernel/stop_machine.c).

A CPU joins when its current task can be scheduled away, because the stopper is a thread. From the state DISABLE_IRQ
on nothing else runs on it. Each CPU acknowledges each state once; the last to do so advances it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import partial

from emu.explore.ops import SharedObject, join, update
from emu.explore.task import KernelCode
from emu.kernel.interrupts import raise_interrupt
from emu.kernel.state import Interrupt, Kernel, Percpu

STOP_DONE = SharedObject("cpu_stop_done.completion")
MULTI_STOP_STATE = SharedObject("multi_stop.state")
CPU_COUNT = SharedObject("patch.cpu_count")

StopFn = Callable[["Percpu"], KernelCode]


class MultiStopState(IntEnum):
    NONE = 0
    PREPARE = 1
    DISABLE_IRQ = 2
    RUN = 3
    EXIT = 4


class MultiStopData:
    """struct multi_stop_data; `active` are the CPUs that run the function."""

    def __init__(self, fn: StopFn, active: frozenset[int], num_threads: int) -> None:
        self.fn = fn
        self.active = active
        self.num_threads = num_threads
        self.state = MultiStopState.PREPARE
        self.thread_ack = num_threads
        self.done = 0

    def has_left(self, state: MultiStopState) -> bool:
        return self.state is not state

    def ack_state(self) -> None:
        self.thread_ack -= 1
        if self.thread_ack == 0:
            self.thread_ack = self.num_threads
            if self.state is not MultiStopState.EXIT:
                self.state = MultiStopState(self.state + 1)


async def stop_machine_cpuslocked(kernel: Kernel, fn: StopFn, active: frozenset[int] | None = None) -> None:
    """Run fn(cpu) on the active CPUs (all by default) while every CPU is stopped; the caller holds cpus_read_lock."""
    cpus = kernel.percpu
    if kernel.booting:  # before the stoppers exist Linux just runs it
        await fn(cpus[0])
        return
    async with kernel.stop_cpus_mutex:
        ids = active if active is not None else frozenset(cpu.id for cpu in cpus)
        msdata = MultiStopData(fn, ids, len(cpus))
        for cpu in cpus:
            raise_interrupt(cpu, Interrupt("stopper", lambda c: multi_cpu_stop(c, msdata), stopper=True))
        await join(STOP_DONE, lambda: msdata.done == len(cpus), (STOP_DONE,))


async def multi_cpu_stop(cpu: Percpu, msdata: MultiStopData) -> None:
    """The stopper's loop on one CPU."""
    irqs_enabled, curstate = cpu.irqs_enabled, MultiStopState.NONE
    while curstate is not MultiStopState.EXIT:
        await join(MULTI_STOP_STATE, partial(msdata.has_left, curstate))
        curstate = msdata.state
        if curstate is MultiStopState.DISABLE_IRQ:
            cpu.irqs_enabled = False
        elif curstate is MultiStopState.RUN and cpu.id in msdata.active:
            await msdata.fn(cpu)
        msdata.ack_state()
    cpu.irqs_enabled = irqs_enabled
    msdata.done += 1


class LastArriver:
    """The arrival counter of the text patching callbacks: the last to arrive writes, the others spin until then."""

    def __init__(self, num_online: int, write: Callable[[], None]) -> None:
        self._num_online = num_online
        self._write = write
        self._cpu_count = 0

    async def __call__(self, cpu: Percpu) -> None:
        if cpu.kernel.booting:
            return self._write()
        await update(CPU_COUNT)
        self._cpu_count += 1
        if self._cpu_count == self._num_online:
            self._write()
            self._cpu_count += 1
        else:
            await join(CPU_COUNT, lambda: self._cpu_count > self._num_online, (CPU_COUNT,))
