"""The structs of one kprobe, and of a CPU that runs one (include/linux/kprobes.h and each asm/kprobes.h).

Field names are Linux's where Linux has them. Nothing here knows a kernel or a CPU.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, fields
from enum import Enum, IntFlag
from typing import Any

from emu.explore.ops import SharedObject
from emu.machine.frame import PtRegs

PreHandler = Callable[["Kprobe", PtRegs], Any]
PostHandler = Callable[["Kprobe", PtRegs, int], Any]


class KprobeFlag(IntFlag):
    """KPROBE_FLAG_*: a probe that is registered with DISABLED waits for `enable_kprobe`.

    >>> from trapline import Kprobe, KprobeFlag
    >>> Kprobe(symbol_name="probe_me", flags=KprobeFlag.DISABLED).disabled
    True
    """

    GONE = 1
    DISABLED = 2


NO_FLAGS = KprobeFlag(0)


@dataclass
class ArchInsn:
    """struct arch_specific_insn: a slot and where to go after it, or the routine that simulates."""

    slot: int | None = None
    restore: int = 0
    simulate: Callable[[PtRegs], Awaitable[None] | None] | None = None
    length: int = 0  # bytes of the probed instruction
    boostable: bool = False


@dataclass(eq=False)
class Kprobe:
    """struct kprobe: give `addr`, or `symbol_name` and `offset`. Handlers may be plain or `async` functions.

    `pre_handler(p, regs)` returns true if it changed the pc and the instruction is not to be stepped;
    `post_handler(p, regs, flags)` runs after the step.

    >>> from trapline import Kprobe, register_kprobe, run, run_guest
    >>> def handlers(lab):
    ...     def before(p, regs):
    ...         print("before", regs.pc == p.addr)
    ...     def after(p, regs, flags):
    ...         print("after", regs.pc == p.addr)
    ...     probe = Kprobe(symbol_name="probe_me", pre_handler=before, post_handler=after)
    ...     lab.boot(register_kprobe(lab.kernel, probe))
    ...     return {"cpu0": run_guest(lab.cpus[0])}
    >>> done = run(handlers, "riscv")
    before True
    after False
    """

    addr: int | None = None
    pre_handler: PreHandler | None = None
    post_handler: PostHandler | None = None
    symbol_name: str | None = None
    offset: int = 0
    flags: KprobeFlag = NO_FLAGS
    nmissed: int = field(default=0, init=False)
    opcode: bytes = field(default=b"", init=False)
    ainsn: ArchInsn = field(default_factory=ArchInsn, init=False)
    probes: list[Kprobe] = field(default_factory=list, init=False)  # those behind an aggregator
    list_object: SharedObject = field(default=SharedObject("kprobe_list"), init=False)  # that list, in announcements

    @property
    def where(self) -> int:
        """The address, once it is resolved."""
        assert self.addr is not None
        return self.addr

    @property
    def disabled(self) -> bool:
        return bool(self.flags & (KprobeFlag.DISABLED | KprobeFlag.GONE))


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

    kp: Kprobe | None
    status: KprobeStatus


@dataclass
class KprobeCtlblk:
    """struct kprobe_ctlblk, as far as all architectures have it; `Port.new_kcb` makes the architecture's own.

    `saved_status` is the interrupt state before the step, in the architecture's image.
    """

    status: KprobeStatus = KprobeStatus.NONE
    saved_status: int = 0
    prev_kprobe: PrevKprobe | None = None

    def save_previous(self, current: Kprobe | None) -> None:
        """save_previous_kprobe: what is under way, before another probe is."""
        self.prev_kprobe = PrevKprobe(current, self.status)

    def restore_previous(self) -> Kprobe | None:
        """restore_previous_kprobe: the probe that is current again."""
        assert self.prev_kprobe is not None
        self.status = self.prev_kprobe.status
        return self.prev_kprobe.kp

    def values(self) -> tuple[object, ...]:
        """All that it remembers, in the architecture's own fields too."""
        return tuple(getattr(self, one.name) for one in fields(self))


class ProbeTable(dict[int, Kprobe]):
    """The hash of kprobes by address; `watcher`, if there is one, is told of each access to one entry."""

    watcher: Callable[[int, bool], None] | None = None  # address, and whether it is a write

    def __getitem__(self, addr: int) -> Kprobe:
        self._tell(addr, False)
        return super().__getitem__(addr)

    def get(self, addr: int, default: Any = None) -> Any:
        self._tell(addr, False)
        return super().get(addr, default)

    def __contains__(self, addr: object) -> bool:
        if isinstance(addr, int):
            self._tell(addr, False)
        return super().__contains__(addr)

    def __setitem__(self, addr: int, p: Kprobe) -> None:
        self._tell(addr, True)
        super().__setitem__(addr, p)

    def __delitem__(self, addr: int) -> None:
        self._tell(addr, True)
        super().__delitem__(addr)

    def pop(self, addr: int, *default: Any) -> Any:
        self._tell(addr, True)
        return super().pop(addr, *default)

    def _tell(self, addr: int, writes: bool) -> None:
        if self.watcher is not None:
            self.watcher(addr, writes)
