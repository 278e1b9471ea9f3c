"""Kernel text as it is patched: the store, and when each CPU's instruction view follows.

Views are `coherent` or `stale`. Coherent ones follow a store at once. Stale ones stand for an emulator that translates
blocks of text ahead and keeps a translation too long: a view does not follow a store, not even when that CPU
synchronises in an interrupt, but only at its next return from an exception, where the emulator looks for a
translation afresh. (Were it never, a handler that claims a trap to have the address fetched again would do so for
ever.) QEMU's TCG looked like that in January 2024: an int3 was taken that memory no longer had.
"""

from __future__ import annotations

from emu.kernel.configuration import Views
from emu.kernel.outcome import Outcome
from emu.kernel.state import Kernel
from emu.machine.cpu import Cpu


def read(kernel: Kernel, addr: int, size: int) -> bytes:
    """What `addr->word` gives: memory, not anybody's view.

    >>> from trapline import read_text, run
    >>> def shows(lab):
    ...     print(read_text(lab.kernel, lab.symbol("foreign_break", 4), 4).hex())
    ...     return {}
    >>> done = run(shows, "arm64")  # brk #0x4
    800020d4
    """
    return kernel.machine.memory.read(addr, size)


def store(kernel: Kernel, addr: int, data: bytes, *, live: bool) -> None:
    """One store. A `live` one can be seen half-way: until `synchronised`, a fetch may meet the change.

    Stores made during boot are visible to all CPUs at once.

    >>> from trapline import explore, run_guest, store, store_text, text_at, text_synchronised
    >>> def patches(lab):
    ...     kernel, addr = lab.kernel, lab.symbol("probe_me")
    ...     async def plant():
    ...         await store(text_at(kernel, addr))
    ...         store_text(kernel, addr, kernel.isa.breakpoint(b""), live=True)
    ...         text_synchronised(kernel, addr)
    ...     return {"cpu0": run_guest(lab.cpus[0]), "cpu1": plant()}
    >>> str(explore(patches, "mips").frequency("passed-on"))  # a breakpoint, and no probe
    'sometimes'
    """
    memory = kernel.machine.memory
    old = memory.read(addr, len(data))
    memory.write(addr, data)
    kernel.changed()
    if live and not kernel.port.may_change_live(addr, old, data):
        kernel.views.in_flux[addr] = (old, data)
    if coherent(kernel) or kernel.booting:
        sync_all(kernel, addr, len(data))
    else:
        _leave_stale(kernel, addr, len(data))


def coherent(kernel: Kernel) -> bool:
    return kernel.config.views is Views.COHERENT


def sync_all(kernel: Kernel, addr: int, size: int) -> None:
    """Whatever the views: for text that nobody can have executed yet."""
    for core in kernel.machine.cpus:
        core.sync_icache(addr, size)


def flush(kernel: Kernel, core: Cpu, addr: int, size: int) -> None:
    """This CPU's own flush or serialising instruction; a stale view does not heed it.

    >>> from trapline import flush_text, run, store, store_text, text_at
    >>> def patches(lab):
    ...     kernel, addr = lab.kernel, lab.symbol("probe_me")
    ...     async def plant():
    ...         await store(text_at(kernel, addr))
    ...         store_text(kernel, addr, kernel.isa.breakpoint(b""), live=True)
    ...         flush_text(kernel, lab.cpus[0].core, addr, 4)
    ...     return {"cpu0": plant()}
    >>> run(patches, "mips").events[0].text
    'store text[probe_me]'
    """
    if coherent(kernel):
        core.sync_icache(addr, size)


def exception_return(kernel: Kernel, core: Cpu) -> None:
    """This CPU comes back from an exception: a stale view follows now."""
    for addr, size in kernel.views.stale.pop(core.id, {}).items():
        core.sync_icache(addr, size)


def _leave_stale(kernel: Kernel, addr: int, size: int) -> None:
    for core in kernel.machine.cpus:
        unseen = kernel.views.stale.setdefault(core.id, {})
        unseen[addr] = max(size, unseen.get(addr, 0))


def in_flux(kernel: Kernel, addr: int) -> bool:
    """Whether a fetch of what was stored at addr would be unpredictable now."""
    return addr in kernel.views.in_flux


def synchronised(kernel: Kernel, addr: int) -> None:
    """Every CPU has been made to synchronise: fetches at addr are predictable again.

    >>> from trapline import explore, run_guest, store, store_text, text_at, text_synchronised
    >>> def patches(synchronises):
    ...     def scenario(lab):
    ...         kernel, addr = lab.kernel, lab.symbol("probe_me")
    ...         async def plant():
    ...             await store(text_at(kernel, addr))
    ...             store_text(kernel, addr, kernel.isa.breakpoint(b""), live=True)
    ...             if synchronises:
    ...                 text_synchronised(kernel, addr)
    ...         return {"cpu0": run_guest(lab.cpus[0]), "cpu1": plant()}
    ...     return scenario
    >>> for synchronises in True, False:
    ...     print(explore(patches(synchronises), "arm64").frequency("unpredictable"))
    never
    sometimes
    """
    kernel.views.in_flux.pop(addr, None)


def fetched(kernel: Kernel, core: Cpu, pc: int) -> None:
    """A CPU is about to fetch the instruction at pc."""
    changing = kernel.views.in_flux
    if not changing:
        return
    end = pc + kernel.machine.size_at(core, pc)
    if any(addr < end and pc < addr + len(data) for addr, (_, data) in changing.items()):
        kernel.note(Outcome.UNPREDICTABLE)
