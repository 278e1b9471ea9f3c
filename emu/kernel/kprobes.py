"""The kprobes core: registration, lookup, arming (kernel/kprobes.c).

The order of shared accesses is Linux's: insertion into the hash before arming; disarming before removal
from the hash; synchronize_rcu before the insn slot is freed. Functions return 0 or a negative errno.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable

from emu.blame import call
from emu.explore.ops import SharedObject, load, store
from emu.kernel import kallsyms, slots
from emu.kernel.probe import ArchInsn, Kprobe, KprobeFlag
from emu.kernel.rcu import synchronize_rcu
from emu.kernel.state import Kernel
from emu.machine.frame import PtRegs
from emu.verdict.site import Judgement, Site, Verdict


def kprobe_aggrprobe(p: Kprobe) -> bool:
    """Whether p stands for the probes in its list."""
    return p.pre_handler is aggr_pre_handler


def kprobes_inc_nmissed_count(p: Kprobe) -> None:
    """Every probe behind an aggregator misses."""
    for probe in p.probes if kprobe_aggrprobe(p) else [p]:
        probe.nmissed += 1


async def get_kprobe(kernel: Kernel, addr: int) -> Kprobe | None:
    """The probe at addr. Callers hold kprobe_mutex or cannot be preempted."""
    await load(kallsyms.table_at(kernel, addr))  # another CPU may unregister first
    found: Kprobe | None = kernel.kprobe_table.get(addr)
    return found


async def register_kprobe(kernel: Kernel, p: Kprobe) -> int:
    """0, or -EINVAL, -ENOENT, -EILSEQ, -ENOMEM ... as Linux gives them.

    >>> from trapline import Kprobe, explore, register_kprobe
    >>> def twice(lab):
    ...     async def register():
    ...         probe = Kprobe(lab.symbol("probe_me"))
    ...         assert await register_kprobe(lab.kernel, probe) == 0
    ...         assert await register_kprobe(lab.kernel, probe) == -22, "-EINVAL: it is there already"
    ...     return {"cpu0": register()}
    >>> explore(twice, "arm64", cpus=1).failed
    ()
    """
    addr = kprobe_addr(kernel, p)
    if addr < 0:
        return addr
    kallsyms.watch(kernel, addr)
    if valid_kprobe(kernel, p) is not None:
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
    await store(kallsyms.table_at(kernel, p.where))
    kernel.set_kprobe(p.where, p)
    if not p.disabled:
        await arm_kprobe(kernel, p)
    return 0


def valid_kprobe(kernel: Kernel, p: Kprobe) -> Kprobe | None:
    """What is in the hash for this very object, itself or its aggregator (__get_valid_kprobe)."""
    ap = kernel.kprobe_table.get(p.addr) if p.addr is not None else None
    return ap if ap is p or (ap is not None and p in ap.probes) else None


def kprobe_addr(kernel: Kernel, p: Kprobe) -> int:
    """The address asked for: exactly one of addr and symbol_name, or -EINVAL; inside a known symbol, or -ENOENT.

    register_kprobe fills in addr and leaves symbol_name: a probe that is to be registered again needs its addr cleared.
    """
    if (p.symbol_name is None) == (p.addr is None):
        return -errno.EINVAL
    base = p.addr if p.symbol_name is None else kernel.machine.address_of(p.symbol_name)
    if base is None or not kallsyms.knows(kernel, base + p.offset):
        return -errno.ENOENT
    return base + p.offset


def check_kprobe_address_safe(kernel: Kernel, addr: int) -> int:
    """Not text, blacklisted, or a bug-table address: -EINVAL."""
    symbol_at = kernel.machine.image.symbol_at(addr)
    blacklisted = symbol_at is not None and symbol_at[0].name in kernel.blacklist
    if not kallsyms.kernel_text(kernel, addr) or blacklisted or addr in kernel.bug_table:
        return -errno.EINVAL
    return 0


def verdict_at(kernel: Kernel, site: Site) -> Judgement:
    """What this kernel says to a probe there."""
    return kernel.config.probing.judge(site, kernel.variant.release, kernel.variant.repairs)


def prepare_kprobe(kernel: Kernel, p: Kprobe) -> int:
    """arch_prepare_kprobe: the verdict, then a slot with the copy or the simulation routine."""
    site = kallsyms.site(kernel, p.where)
    judgement = verdict_at(kernel, site)
    if judgement.verdict is Verdict.REJECT:
        return -int(getattr(errno, judgement.errno or "EINVAL"))
    size = (kernel.port.insn_size or kernel.isa.insn_size)(site.insn)
    p.opcode, p.ainsn = site.insn[:size], ArchInsn(length=size, boostable=bool(judgement.boostable))
    if judgement.verdict is Verdict.SIMULATE and judgement.action is not None:
        p.ainsn.simulate = bind(kernel, p, judgement.action)
        if not kernel.port.slot_for_simulated:
            return 0
    return slots.fill(kernel, p, site.insn[size:])


def bind(kernel: Kernel, p: Kprobe, action: str) -> Callable[[PtRegs], Awaitable[None] | None]:
    """The variant's simulation routine, for this probe."""
    routine, operand, addr = kernel.variant.action(action), kernel.port.operand(p.opcode), p.where
    return lambda regs: routine(regs, operand, addr)


async def arm_kprobe(kernel: Kernel, p: Kprobe) -> None:
    """The breakpoint, as wide as the architecture makes it for this instruction.

    >>> from trapline import Kprobe, arm_kprobe, disarm_kprobe, read_text, register_kprobe, run
    >>> def out_and_in(lab):
    ...     probe = Kprobe(lab.symbol("probe_me"))
    ...     before = read_text(lab.kernel, probe.addr, 4)
    ...     lab.boot(register_kprobe(lab.kernel, probe))
    ...     lab.boot(disarm_kprobe(lab.kernel, probe))
    ...     print(read_text(lab.kernel, probe.addr, 4) == before)
    ...     lab.boot(arm_kprobe(lab.kernel, probe))
    ...     print(read_text(lab.kernel, probe.addr, 4) == before)
    ...     return {}
    >>> done = run(out_and_in, "mips")
    True
    False
    """
    async with kernel.text_mutex:
        await kernel.patch_text(kernel, p.where, kernel.isa.breakpoint(p.opcode))


async def disarm_kprobe(kernel: Kernel, p: Kprobe) -> None:
    """The word that was there before; the probe stays in the table.

    >>> from trapline import Kprobe, disarm_kprobe, explore, register_kprobe, run_guest
    >>> def never_hit(lab):
    ...     probe = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
    ...     lab.boot(register_kprobe(lab.kernel, probe))
    ...     lab.boot(disarm_kprobe(lab.kernel, probe))
    ...     return {"cpu0": run_guest(lab.cpus[0])}
    >>> str(explore(never_hit, "mips", cpus=1).frequency("hit"))
    'never'
    """
    async with kernel.text_mutex:
        size = len(kernel.isa.breakpoint(p.opcode))
        await kernel.patch_text(kernel, p.where, p.opcode[:size])


async def unregister_kprobe(kernel: Kernel, p: Kprobe) -> None:
    """Disarm, remove from the hash, wait for the readers, free the slot. One that is not registered loses its addr.

    >>> from trapline import Kprobe, explore, register_kprobe, run_guest, unregister_kprobe
    >>> def race(lab):
    ...     probe = Kprobe(lab.symbol("probe_me"), pre_handler=lab.note("hit"))
    ...     lab.boot(register_kprobe(lab.kernel, probe))
    ...     return {"cpu0": run_guest(lab.cpus[0]), "cpu1": unregister_kprobe(lab.kernel, probe)}
    >>> str(explore(race, "csky").frequency("hit"))
    'sometimes'
    """
    async with kernel.kprobe_mutex:
        gone = await unregister_kprobe_top(kernel, p)
    await synchronize_rcu(kernel)
    if gone is not None:
        slots.free(kernel, gone)


async def unregister_kprobe_top(kernel: Kernel, p: Kprobe) -> Kprobe | None:
    """What left the hash, and with it the address; None while other probes are there (__unregister_kprobe_top)."""
    ap = await disable(kernel, p)
    if ap is None:
        p.addr = None
        return None
    if ap is p or (ap.disabled and len(ap.probes) == 1):
        await store(kallsyms.table_at(kernel, ap.where))
        kernel.set_kprobe(ap.where, None)
        return ap
    await store(ap.list_object)
    ap.probes.remove(p)
    if all(q.post_handler is None for q in ap.probes):
        ap.post_handler = None
    return None


async def disable_kprobe(kernel: Kernel, p: Kprobe) -> int:
    """Disarms at once and waits for nobody: a CPU that has trapped may still run the handlers. 0, or -EINVAL.

    >>> from trapline import Kprobe, disable_kprobe, enable_kprobe, register_kprobe, run
    >>> def off_and_on(lab):
    ...     probe = Kprobe(lab.symbol("probe_me"))
    ...     lab.boot(register_kprobe(lab.kernel, probe))
    ...     for change in (disable_kprobe, enable_kprobe):
    ...         lab.boot(change(lab.kernel, probe))
    ...         print(probe.disabled)
    ...     return {}
    >>> done = run(off_and_on, "mips")
    True
    False
    """
    async with kernel.kprobe_mutex:
        return 0 if await disable(kernel, p) is not None else -errno.EINVAL


async def disable(kernel: Kernel, p: Kprobe) -> Kprobe | None:
    """Mark p as disabled, and disarm if nobody else is at the address (__disable_kprobe); what is in the hash for p.

    Unregistering begins with it too, so an object that is used again keeps the flag until somebody clears it.
    """
    ap = valid_kprobe(kernel, p)
    if ap is None or p.disabled:
        return ap
    if p is not ap:
        await store(ap.list_object)  # the aggregator's handlers look at the flag
        p.flags |= KprobeFlag.DISABLED
    if p is ap or all(q.disabled for q in ap.probes):
        await disarm_kprobe(kernel, ap)
        ap.flags |= KprobeFlag.DISABLED
    return ap


async def enable_kprobe(kernel: Kernel, p: Kprobe) -> int:
    """Arm a probe that is disabled. 0, or -EINVAL for one that is not registered.

    >>> from trapline import Kprobe, KprobeFlag, enable_kprobe, explore, register_kprobe, run_guest
    >>> def enabled_late(lab):
    ...     probe = Kprobe(lab.symbol("probe_me"), lab.note("hit"), flags=KprobeFlag.DISABLED)
    ...     lab.boot(register_kprobe(lab.kernel, probe))
    ...     return {"cpu0": run_guest(lab.cpus[0]), "cpu1": enable_kprobe(lab.kernel, probe)}
    >>> str(explore(enabled_late, "mips").frequency("hit"))
    'sometimes'
    """
    async with kernel.kprobe_mutex:
        ap = valid_kprobe(kernel, p)
        if ap is None or p.flags & KprobeFlag.GONE:
            return -errno.EINVAL
        if p is not ap and p.disabled:
            await store(ap.list_object)
            p.flags &= ~KprobeFlag.DISABLED
        if ap.disabled:
            ap.flags &= ~KprobeFlag.DISABLED
            await arm_kprobe(kernel, ap)
    return 0


async def register_aggr_kprobe(kernel: Kernel, old: Kprobe, p: Kprobe) -> int:
    """A second probe at an address: an aggregator takes the first one's place in the hash, in one RCU replacement."""
    ap = old
    if not kprobe_aggrprobe(old):
        ap = aggregator(kernel, old)
        await store(kallsyms.table_at(kernel, ap.where))
        kernel.set_kprobe(ap.where, ap)
    p.opcode, p.ainsn = ap.opcode, ap.ainsn
    await store(ap.list_object)
    ap.probes.insert(0, p)  # list_add_rcu: the newest comes first
    if p.post_handler is not None:
        ap.post_handler = aggr_post_handler
    if ap.disabled and not p.disabled:
        ap.flags &= ~KprobeFlag.DISABLED
        await arm_kprobe(kernel, ap)
    return 0


def aggregator(kernel: Kernel, p: Kprobe) -> Kprobe:
    ap = Kprobe(p.addr, pre_handler=aggr_pre_handler, flags=p.flags)
    ap.post_handler = aggr_post_handler if p.post_handler is not None else None
    ap.opcode, ap.ainsn = p.opcode, p.ainsn
    ap.probes, ap.list_object = [p], kprobe_list(kernel, p.where)
    return ap


def kprobe_list(kernel: Kernel, addr: int) -> SharedObject:
    """The list of the probes at addr, as announcements name it."""
    return SharedObject("kprobe_list", addr, f"{kallsyms.table_at(kernel, addr)}.list")


async def aggr_pre_handler(ap: Kprobe, regs: PtRegs) -> bool:
    """Each enabled probe's handler in turn; the first that returns true ends it."""
    for p in list(ap.probes):  # an RCU list: what is added in front meanwhile is not met, what is removed is disabled
        await load(ap.list_object)
        if p.pre_handler is not None and not p.disabled and await call(p.pre_handler, p, regs):
            return True
    return False


async def aggr_post_handler(ap: Kprobe, regs: PtRegs, flags: int) -> None:
    for p in list(ap.probes):
        await load(ap.list_object)
        if p.post_handler is not None and not p.disabled:
            await call(p.post_handler, p, regs, flags)
