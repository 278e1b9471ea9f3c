"""The structs that kernel code reads and writes: the kernel, its CPUs, and what an architecture's kernel side provides.

As in the kernel's headers there is next to no code here; `boot.py` builds all of it. Field names are Linux's where
Linux has them. Of this folder only other files of structs are imported.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emu.explore.canonical import NO_STATE
from emu.explore.ops import SharedObject
from emu.explore.task import KernelCode
from emu.isa.isa import Isa
from emu.kernel.configuration import Flush, Patching, Preempt, Views
from emu.kernel.locks import Mutex
from emu.kernel.outcome import AnyOutcome, Outcome, OwnOutcome
from emu.kernel.probe import Kprobe, KprobeCtlblk, KprobeStatus, ProbeTable
from emu.machine.cpu import Cpu, Trap
from emu.machine.frame import PtRegs
from emu.machine.machine import Machine
from emu.verdict.probing import Probing
from emu.verdict.site import NO_REPAIRS, Release, Repairs

Action = Callable[[PtRegs, Any, int], Awaitable[None] | None]
"""A simulation routine: (regs, instruction, address of the probe); the instruction as `Port.operand` gives it."""

Emulate = Callable[[PtRegs], None]
PatchText = Callable[["Kernel", int, bytes], Awaitable[None]]


def as_word(opcode: bytes) -> int:
    """An instruction as the little-endian word that most routines take."""
    return int.from_bytes(opcode, "little")


@dataclass(frozen=True)
class Variant:
    """One version of an architecture's kprobe code; `release` None means the newest known.

    `patching` is the policy that this kernel uses by itself. `fatal_reentry` are the states in which hitting another
    probe is unrecoverable; in `stuck_reentry` the kernel only warns, and returns to the same address. `options` are
    switches that only the architecture's own handlers read. `since` is the first release with these handlers, None if
    there were no others before. `actions(repairs)` are the simulation routines by name; `repairs` are the bugs that
    this kernel has no more (what if), for which its handlers, routines and verdicts ask one by one.
    """

    name: str
    title: str
    release: Release | None
    patching: Patching
    rechecks_word: bool
    fatal_reentry: frozenset[KprobeStatus]
    trap: Callable[[Percpu, PtRegs, Trap], Awaitable[None]]
    actions: Callable[[Repairs], Mapping[str, Action]]
    options: frozenset[str] = field(default_factory=frozenset)
    stuck_reentry: frozenset[KprobeStatus] = field(default_factory=frozenset)
    since: Release | None = None
    repairs: Repairs = NO_REPAIRS

    def action(self, name: str) -> Action:
        """A simulation routine."""
        return self.actions(self.repairs)[name]


@dataclass(frozen=True)
class StepOps:
    """How the copy in an insn slot is stepped.

    `prepare` saves the interrupt state, masks interrupts in the saved status and points pc to the slot;
    `restore` undoes the masking. `done` runs when a probe is finished (preempt_enable where the
    handler disabled preemption). `boosts`: the copy is executed without a step and goes back by itself; None where no
    copy does.
    """

    prepare: Callable[[Percpu, PtRegs, Kprobe], None]
    restore: Callable[[Percpu, PtRegs], None]
    done: Callable[[Percpu], None]
    boosts: Callable[[Percpu, Kprobe], bool] | None = None


@dataclass(frozen=True)
class TextPoke:
    """What an architecture adds to text_poke_bp.

    `jump(addr, target)` is the jump that a patchable nop becomes; `emulation(text, addr)` what the breakpoint handler
    does in place of an instruction, None where the breakpoint is not for it.
    """

    jump: Callable[[int, int], bytes]
    emulation: Callable[[bytes, int], Emulate | None]


@dataclass(frozen=True)
class Port:
    """The kernel side of one architecture.

    `fill_slot(p, addr_of_slot, following, variant)` gives a slot's bytes and sets `p.ainsn.restore`, or gives None
    if no copy can be made; `following` is the original text behind the probed instruction.
    `operand` turns the probed bytes into what simulation routines take. `step` is None where the architecture does
    not share the state machine (MIPS). `new_kcb` makes the architecture's kprobe_ctlblk. `frees_slots`:
    arch_remove_kprobe gives the slot back. `slot_for_simulated`: simulated instructions have a slot too (MIPS steps
    the delay slot there).
    `may_change_live(addr, old, new)` is what the architecture promises to a CPU that fetches while text changes.
    `insn_size` is the length in the eyes of the kernel's own decoder, None where that is `Isa.insn_size`. `text_poke`
    is None where there is no text_poke_bp.
    """

    irqs_enabled: Callable[[int], bool]
    slot_size: int
    fill_slot: Callable[[Kprobe, int, bytes, Variant], bytes | None]
    step: StepOps | None
    flush: Flush
    may_change_live: Callable[[int, bytes, bytes], bool]
    variants: Mapping[str, Variant]
    operand: Callable[[bytes], Any] = as_word
    new_kcb: Callable[[], KprobeCtlblk] = KprobeCtlblk
    slot_for_simulated: bool = False
    frees_slots: bool = True
    patchings: tuple[Patching, ...] = (Patching.LIVE, Patching.STOP_MACHINE)
    insn_size: Callable[[bytes], int] | None = None
    text_poke: TextPoke | None = None


@dataclass(frozen=True)
class Config:
    """How a kernel is built. `views` stale: an instruction view does not follow a store, not even at an IPI."""

    isa: Isa
    probing: Probing
    port: Port
    variant: Variant
    patching: Patching
    preempt: Preempt = Preempt.NONE
    views: Views = Views.COHERENT

    def __post_init__(self) -> None:
        """The choices may also be given by their values."""
        for name, choice in (("preempt", Preempt), ("views", Views), ("patching", Patching)):
            object.__setattr__(self, name, choice(getattr(self, name)))


@dataclass(frozen=True)
class Event:
    """One line of a timeline: which task, and what it did.

    `place` is the address of an instruction of a guest, by symbol, and empty for all else; `unseen` marks an
    instruction that no other task can influence or observe.

    >>> import trapline
    >>> event = trapline.run("foreign_break", "arm64", cpus=1).events[-1]
    >>> event.task, event.text, event.place
    ('cpu0', 'die: Oops - BRK #0x4 at foreign_break+0x4', '')
    """

    task: str
    text: str
    place: str = ""
    unseen: bool = False


@dataclass(frozen=True)
class Interrupt:
    """Something to be run on a CPU. A `stopper` is a thread, so it also needs the CPU's task to be preemptible.

    >>> from trapline import Interrupt, raise_interrupt, run
    >>> def interrupted(lab):
    ...     async def timer(cpu):
    ...         print("on", cpu.name)
    ...     raise_interrupt(lab.cpus[1], Interrupt("timer", timer))
    ...     return {}
    >>> done = run(interrupted, "mips")
    on cpu1
    """

    name: str
    handler: Callable[[Percpu], KernelCode]
    stopper: bool = False


@dataclass(frozen=True)
class DieNotifier:
    """`call(event, cpu, regs)` returns True for NOTIFY_STOP.

    >>> from trapline import DieNotifier
    >>> DieNotifier("kgdb", priority=-100, call=lambda event, cpu, regs: True).name
    'kgdb'
    """

    name: str
    priority: int
    call: Callable[[str, Percpu, PtRegs], bool]


@dataclass
class TrapSeen:
    """The last trap at some pc: the state it was taken in, `skips` then, and how many before it were the same."""

    state: tuple[object, ...]
    skips: int
    alike: int = 0


@dataclass(eq=False, repr=False)
class Percpu:
    """One CPU of the kernel; `core` is the emulated CPU under it."""

    core: Cpu
    kernel: Kernel
    kprobe_ctlblk: KprobeCtlblk
    current_kprobe: Kprobe | None = None
    runs_guest: bool = False
    preempt_count: int = 0
    irqs_enabled: bool = True
    handler_irqs: bool = True  # whether the handler that called the running guest function has interrupts on
    trap_depth: int = 0
    interrupts: deque[Interrupt] = field(default_factory=deque)
    skips: int = 0  # pre_handlers that returned true
    traps_seen: dict[int, TrapSeen] = field(default_factory=dict)

    @property
    def id(self) -> int:
        return self.core.id

    @property
    def name(self) -> str:
        return f"cpu{self.core.id}"


@dataclass
class InsnSlots:
    """struct kprobe_insn_cache: slots of the architecture's size in one executable region."""

    base: int
    stride: int
    count: int
    used: int = 0  # slots that were ever taken are below this
    free: list[int] = field(default_factory=list)  # of those


@dataclass
class TextViews:
    """Where memory and the CPUs' views of text may differ. `in_flux`: address -> (old, new) of a live store that not
    every CPU has synchronised with; `stale`, by CPU: address -> size of what it has not seen."""

    in_flux: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    stale: dict[int, dict[int, int]] = field(default_factory=dict)


@dataclass
class TextPokeArray:
    """What text_poke_bp is patching: address -> what the handler does there, None if the breakpoint is not for it."""

    refs: list[int]  # text_poke_array_refs
    vec: dict[int, Emulate | None] = field(default_factory=dict)


@dataclass(eq=False, repr=False)
class Kernel:
    """One kernel: its configuration and all that its CPUs share. Made anew for every execution."""

    config: Config
    machine: Machine
    patch_text: PatchText
    slots: InsnSlots
    bug_table: Mapping[int, int] = field(metadata=NO_STATE)
    text_poke_array: TextPokeArray
    percpu: list[Percpu] = field(default_factory=list)
    booting: bool = True
    version: int = 0  # counts what has changed in text and the kprobe table
    outcomes: set[AnyOutcome] = field(default_factory=set)
    own_outcomes: dict[str, OwnOutcome] = field(default_factory=dict)  # those that the scenario declares
    events: list[Event] | None = field(default=None, metadata=NO_STATE)
    watched: dict[int, SharedObject] = field(default_factory=dict, metadata=NO_STATE)  # its keys are told apart
    guest_runs: list[tuple[int, str, int]] = field(default_factory=list)
    kprobe_table: ProbeTable = field(default_factory=ProbeTable)
    kprobe_mutex: Mutex = field(default_factory=lambda: Mutex("kprobe_mutex"))
    text_mutex: Mutex = field(default_factory=lambda: Mutex("text_mutex"))
    stop_cpus_mutex: Mutex = field(default_factory=lambda: Mutex("stop_cpus_mutex"))
    grace_periods: list[set[int]] = field(default_factory=list)  # of RCU: the CPUs that each still waits for
    die_chain: list[DieNotifier] = field(default_factory=list)
    blacklist: frozenset[str] = frozenset({"guest_start", "guest_exit"})
    views: TextViews = field(default_factory=TextViews)

    @property
    def isa(self) -> Isa:
        return self.config.isa

    @property
    def port(self) -> Port:
        return self.config.port

    @property
    def variant(self) -> Variant:
        return self.config.variant

    def note(self, outcome: AnyOutcome | str) -> None:
        """UsageError for what is neither an outcome nor declared as one of the scenario's own."""
        self.outcomes.add(self.own_outcomes.get(outcome) or Outcome(outcome))

    def changed(self) -> None:
        """Something that a spinning CPU may be waiting for is different."""
        self.version += 1

    def set_kprobe(self, addr: int, p: Kprobe | None) -> None:
        """Insert, replace or remove the table's entry, as one RCU-protected store does."""
        if p is None:
            del self.kprobe_table[addr]
        else:
            self.kprobe_table[addr] = p
        self.changed()
