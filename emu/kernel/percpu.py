"""Per-CPU kernel state: the running kprobe, interrupt and preemption state, and interrupts to be taken.

Field names are Linux's (include/linux/kprobes.h, asm/kprobes.h).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from emu.explore.task import KernelCode
from emu.machine.cpu import Cpu

if TYPE_CHECKING:
    from emu.kernel.kernel import Kernel
    from emu.kernel.kprobes import Kprobe


class KprobeStatus(Enum):
    """Linux's values, so that a status can be shown as the kernel would."""

    NONE = 0
    HIT_ACTIVE = 1
    HIT_SS = 2
    REENTER = 4
    HIT_SSDONE = 8


@dataclass
class PrevKprobe:
    """The one level of nesting that kprobe_ctlblk can save."""

    kp: Kprobe | None = None
    status: KprobeStatus = KprobeStatus.NONE
    saved_status: int = 0
    saved_epc: int = 0


@dataclass
class KprobeCtlblk:
    """struct kprobe_ctlblk. `saved_status` is the interrupt state before the step, in the architecture's image."""

    status: KprobeStatus = KprobeStatus.NONE
    saved_status: int = 0
    prev_kprobe: PrevKprobe | None = None
    saved_epc: int = 0  # MIPS: where the breakpoint was
    match_addr: int | None = None  # C-SKY ss_ctx: where the trace trap must arrive
    target_epc: int | None = None  # MIPS: where a probed branch goes
    skip_delayslot: bool = False  # MIPS: SKIP_DELAYSLOT in kcb->flags


@dataclass(frozen=True)
class Interrupt:
    """Something to be run on a CPU. A `stopper` is a thread, so it also needs the CPU's task to be preemptible."""

    name: str
    handler: Callable[[Percpu], KernelCode]
    stopper: bool = False


@dataclass
class TrapSeen:
    """The last trap at some pc: the state it was taken in, `skips` then, and how many before it were the same."""

    state: tuple[object, ...]
    skips: int
    alike: int = 0


class Percpu:
    """One CPU of the kernel; `cpu` is the emulated CPU under it."""

    def __init__(self, cpu: Cpu, kernel: Kernel) -> None:
        self.id = cpu.id
        self.cpu = cpu
        self.kernel = kernel
        self.current_kprobe: Kprobe | None = None
        self.kprobe_ctlblk = KprobeCtlblk()
        self.runs_guest = False
        self.preempt_count = 0
        self.irqs_enabled = True
        self.handler_irqs = True  # whether the handler that called the running guest function has interrupts on
        self.trap_depth = 0
        self.qs = 0  # quiescent states passed through, for RCU
        self.interrupts: deque[Interrupt] = deque()
        self.skips = 0  # pre_handlers that returned true
        self.traps_seen: dict[int, TrapSeen] = {}

    @property
    def name(self) -> str:
        return f"cpu{self.id}"

    def preemptible(self) -> bool:
        """Whether another thread can be scheduled here now.

        A guest stands for code that reaches a schedule point wherever it is; a trap handler, and a copy that is
        executed with interrupts on (x86's boosted ones), do so only in a fully preemptible kernel.
        """
        if not self.irqs_enabled or self.preempt_count:
            return False
        if self.kernel.config.preempt == "full":
            return True
        return self.trap_depth == 0 and not self.kernel.in_slot(self.cpu.pc)

    def pending(self) -> bool:
        """`Interrupts.pending` of this CPU's task."""
        if not self.interrupts or not self.irqs_enabled:
            return False
        return any(not i.stopper for i in self.interrupts) or self.preemptible()

    def take(self) -> KernelCode:
        """`Interrupts.take`: plain interrupts before threads, first come first served."""
        chosen = next((i for i in self.interrupts if not i.stopper), self.interrupts[0])
        self.interrupts.remove(chosen)
        self.kernel.log(self, f"[{chosen.name}]")
        return chosen.handler(self)

    def raise_interrupt(self, interrupt: Interrupt) -> None:
        self.interrupts.append(interrupt)
