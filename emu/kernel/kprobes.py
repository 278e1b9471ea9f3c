"""The kprobes core: registration, lookup, arming (kernel/kprobes.c).

The order of shared accesses is Linux's: insertion into the hash before arming; disarming before removal
from the hash; synchronize_rcu before the insn slot is freed. Functions return 0 or a negative errno.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntFlag
from typing import TYPE_CHECKING, Any

from emu.explore.ops import load, store
from emu.isa.site import Verdict
from emu.kernel.handlers import call
from emu.kernel.rcu import synchronize_rcu
from emu.machine.frame import PtRegs

if TYPE_CHECKING:
    from emu.kernel.kernel import Kernel

PreHandler = Callable[["Kprobe", PtRegs], Any]
PostHandler = Callable[["Kprobe", PtRegs, int], Any]


class KprobeFlag(IntFlag):
    GONE = 1
    DISABLED = 2


NO_FLAGS = KprobeFlag(0)


@dataclass
class ArchInsn:
    """struct arch_specific_insn: a slot and where to go after it, or the routine that simulates."""

    slot: int | None = None
    restore: int = 0
    simulate: Callable[[PtRegs], None] | None = None
    length: int = 0  # bytes of the probed instruction
    boostable: bool = False


@dataclass(eq=False)
class Kprobe:
    """struct kprobe: give `addr`, or `symbol_name` and `offset`. Handlers may be plain or `async` functions.

    `pre_handler(p, regs)` returns true if it changed the pc and the instruction is not to be stepped;
    `post_handler(p, regs, flags)` runs after the step.
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
    list: list[Kprobe] = field(default_factory=list, init=False)  # the probes behind an aggregator
    aggregates: bool = field(default=False, init=False)

    @property
    def where(self) -> int:
        """The address, once it is resolved."""
        assert self.addr is not None
        return self.addr

    @property
    def disabled(self) -> bool:
        return bool(self.flags & (KprobeFlag.DISABLED | KprobeFlag.GONE))


def kprobes_inc_nmissed_count(p: Kprobe) -> None:
    """Every probe behind an aggregator misses."""
    for probe in p.list if p.aggregates else [p]:
        probe.nmissed += 1


async def get_kprobe(kernel: Kernel, addr: int) -> Kprobe | None:
    """The probe at addr. Callers hold kprobe_mutex or cannot be preempted."""
    await load(kernel.table_name(addr))  # another CPU may unregister first
    return kernel.kprobe_table.get(addr)


async def register_kprobe(kernel: Kernel, p: Kprobe) -> int:
    """0, or -EINVAL, -ENOENT, -EILSEQ, -ENOMEM ... as Linux gives them."""
    addr = kprobe_addr(kernel, p)
    if addr < 0:
        return addr
    kernel.watch(addr)
    if registered(kernel, p):
        return -errno.EINVAL
    p.addr, p.nmissed, p.flags = addr, 0, p.flags & KprobeFlag.DISABLED
    if error := check_kprobe_address_safe(kernel, addr):
        return error
    async with kernel.kprobe_mutex:
        old = await get_kprobe(kernel, addr)
        if old is not None:
            return await register_aggr_kprobe(kernel, old, p)
        return await register_first_kprobe(kernel, p)


async def register_first_kprobe(kernel: Kernel, p: Kprobe) -> int:
    async with kernel.text_mutex:
        if error := prepare_kprobe(kernel, p):
            return error
    await store(kernel.table_name(p.where))
    kernel.set_kprobe(p.where, p)
    if not p.disabled:
        await arm_kprobe(kernel, p)
    return 0


def registered(kernel: Kernel, p: Kprobe) -> bool:
    """Whether this very object is registered already (__get_valid_kprobe)."""
    ap = kernel.kprobe_table.get(p.addr) if p.addr is not None else None
    return ap is p or (ap is not None and p in ap.list)


def kprobe_addr(kernel: Kernel, p: Kprobe) -> int:
    """The address asked for: exactly one of addr and symbol_name, or -EINVAL; inside a known symbol, or -ENOENT."""
    if (p.symbol_name is None) == (p.addr is None):
        return -errno.EINVAL
    base = p.addr
    if p.symbol_name is not None:
        base = kernel.machine.address_of(p.symbol_name)
        if base is None:
            return -errno.ENOENT
        p.symbol_name = None
    assert base is not None
    addr, p.offset = base + p.offset, 0
    return addr if kernel.machine.image.symbol_at(addr) is not None else -errno.ENOENT


def check_kprobe_address_safe(kernel: Kernel, addr: int) -> int:
    """Not text, blacklisted, or a bug-table address: -EINVAL."""
    symbol_at = kernel.machine.image.symbol_at(addr)
    blacklisted = symbol_at is not None and symbol_at[0].name in kernel.blacklist
    if not kernel.kernel_text(addr) or blacklisted or addr in kernel.bug_table:
        return -errno.EINVAL
    return 0


def prepare_kprobe(kernel: Kernel, p: Kprobe) -> int:
    """arch_prepare_kprobe: the verdict, then a slot with the copy or the simulation routine."""
    site = kernel.site(p.where)
    decision = kernel.arch.decide(site, kernel.variant.release)
    if decision.verdict is Verdict.REJECT:
        return -int(getattr(errno, decision.errno or "EINVAL"))
    size = kernel.arch.insn_size(site.insn)
    p.opcode, p.ainsn = site.insn[:size], ArchInsn(length=size, boostable=bool(decision.boostable))
    if decision.verdict is Verdict.SIMULATE and decision.action is not None:
        p.ainsn.simulate = bind(kernel, p, decision.action)
        if not kernel.arch.port.slot_for_simulated:
            return 0
    return kernel.slots.fill(p, site.insn[size:])


def bind(kernel: Kernel, p: Kprobe, action: str) -> Callable[[PtRegs], None]:
    """The variant's simulation routine, for this probe."""
    routine, operand, addr = kernel.variant.actions[action], kernel.arch.port.operand(p.opcode), p.where
    return lambda regs: routine(regs, operand, addr)


async def arm_kprobe(kernel: Kernel, p: Kprobe) -> None:
    """The breakpoint, as wide as the architecture makes it for this instruction."""
    async with kernel.text_mutex:
        await kernel.patch_text(kernel, p.where, kernel.arch.kprobe_break(p.opcode))


async def disarm_kprobe(kernel: Kernel, p: Kprobe) -> None:
    async with kernel.text_mutex:
        size = len(kernel.arch.kprobe_break(p.opcode))
        await kernel.patch_text(kernel, p.where, p.opcode[:size])


async def unregister_kprobe(kernel: Kernel, p: Kprobe) -> None:
    """Disarm, remove from the hash, wait for the readers, free the slot. One that is not registered is skipped."""
    async with kernel.kprobe_mutex:
        ap = kernel.kprobe_table.get(p.addr) if p.addr is not None else None
        if not registered(kernel, p) or ap is None:
            return
        gone = await remove_kprobe(kernel, ap, p)
    await synchronize_rcu(kernel)
    if gone:
        kernel.slots.free(ap)


async def remove_kprobe(kernel: Kernel, ap: Kprobe, p: Kprobe) -> bool:
    """Whether the last probe at the address went (__unregister_kprobe_top)."""
    if ap.aggregates and len(ap.list) > 1:
        ap.list.remove(p)
        if all(q.disabled for q in ap.list) and not ap.disabled:
            await disarm_kprobe(kernel, ap)
            ap.flags |= KprobeFlag.DISABLED
        return False
    if not ap.disabled and not p.disabled:
        await disarm_kprobe(kernel, ap)
    await store(kernel.table_name(ap.where))
    kernel.set_kprobe(ap.where, None)
    return True


async def disable_kprobe(kernel: Kernel, p: Kprobe) -> int:
    """Disarms at once and waits for nobody: a CPU that has trapped may still run the handlers."""
    async with kernel.kprobe_mutex:
        ap = kernel.kprobe_table.get(p.addr) if p.addr is not None else None
        if not registered(kernel, p) or ap is None:
            return -errno.EINVAL
        if not p.disabled:
            p.flags |= KprobeFlag.DISABLED
            if ap is p or all(q.disabled for q in ap.list):
                await disarm_kprobe(kernel, ap)
                ap.flags |= KprobeFlag.DISABLED
    return 0


async def enable_kprobe(kernel: Kernel, p: Kprobe) -> int:
    async with kernel.kprobe_mutex:
        ap = kernel.kprobe_table.get(p.addr) if p.addr is not None else None
        if not registered(kernel, p) or ap is None or p.flags & KprobeFlag.GONE:
            return -errno.EINVAL
        was_disabled = ap.disabled
        p.flags &= ~KprobeFlag.DISABLED
        ap.flags &= ~KprobeFlag.DISABLED
        if was_disabled:
            await arm_kprobe(kernel, ap)
    return 0


async def register_aggr_kprobe(kernel: Kernel, old: Kprobe, p: Kprobe) -> int:
    """A second probe at an address: an aggregator takes the first one's place in the hash, in one RCU replacement."""
    ap = old
    if not old.aggregates:
        ap = aggregator(old)
        await store(kernel.table_name(ap.where))
        kernel.set_kprobe(ap.where, ap)
    p.opcode, p.ainsn = ap.opcode, ap.ainsn
    ap.list.append(p)
    if p.post_handler is not None:
        ap.post_handler = aggr_post_handler
    if ap.disabled and not p.disabled:
        ap.flags &= ~KprobeFlag.DISABLED
        await arm_kprobe(kernel, ap)
    return 0


def aggregator(p: Kprobe) -> Kprobe:
    ap = Kprobe(p.addr, pre_handler=aggr_pre_handler, flags=p.flags)
    ap.post_handler = aggr_post_handler if p.post_handler is not None else None
    ap.opcode, ap.ainsn, ap.list, ap.aggregates = p.opcode, p.ainsn, [p], True
    return ap


async def aggr_pre_handler(ap: Kprobe, regs: PtRegs) -> bool:
    """Each enabled probe's handler in turn; the first that returns true ends it."""
    for p in list(ap.list):
        if p.pre_handler is not None and not p.disabled and await call(p.pre_handler, p, regs):
            return True
    return False


async def aggr_post_handler(ap: Kprobe, regs: PtRegs, flags: int) -> None:
    for p in list(ap.list):
        if p.post_handler is not None and not p.disabled:
            await call(p.post_handler, p, regs, flags)
