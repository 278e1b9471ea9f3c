"""Kernel text as it is patched: the store, and when each CPU's instruction view follows.

Views are `coherent` or `stale`. Coherent ones follow a store at once. Stale ones stand for an emulator that translates
blocks of text ahead and keeps a translation too long: a view does not follow a store, not even when that CPU
synchronises in an interrupt, but only at its next return from an exception, where the emulator looks for a
translation afresh. (Were it never, a handler that claims a trap to have the address fetched again would do so for
ever.) QEMU's TCG looked like that in January 2024: an int3 was taken that memory no longer had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.machine.cpu import Cpu

if TYPE_CHECKING:
    from emu.kernel.kernel import Kernel


class Text:
    """Text of one kernel. What is stored before the other CPUs are up is in everybody's view."""

    def __init__(self, kernel: Kernel, *, coherent: bool) -> None:
        self._kernel = kernel
        self._coherent = coherent
        self._in_flux: dict[int, tuple[bytes, bytes]] = {}
        self._stale: dict[int, dict[int, int]] = {}  # by CPU: address -> size of what it has not seen

    def read(self, addr: int, size: int) -> bytes:
        """What `addr->word` gives: memory, not anybody's view."""
        return self._kernel.machine.memory.read(addr, size)

    def store(self, addr: int, data: bytes, *, live: bool) -> None:
        """One store. A `live` one can be seen half-way: until `synchronised`, a fetch may meet the change."""
        memory = self._kernel.machine.memory
        old = memory.read(addr, len(data))
        memory.write(addr, data)
        self._kernel.changed()
        if live and not self._kernel.arch.port.may_change_live(addr, old, data):
            self._in_flux[addr] = (old, data)
        if self._coherent or self._kernel.booting:
            self.sync_all(addr, len(data))
        else:
            self._leave_stale(addr, len(data))

    def sync_all(self, addr: int, size: int) -> None:
        """Whatever the views: for text that nobody can have executed yet."""
        for cpu in self._kernel.machine.cpus:
            cpu.sync_icache(addr, size)

    def flush(self, cpu: Cpu, addr: int, size: int) -> None:
        """This CPU's own flush or serialising instruction; a stale view does not heed it."""
        if self._coherent:
            cpu.sync_icache(addr, size)

    def exception_return(self, cpu: Cpu) -> None:
        """This CPU comes back from an exception: a stale view follows now."""
        for addr, size in self._stale.pop(cpu.id, {}).items():
            cpu.sync_icache(addr, size)

    def _leave_stale(self, addr: int, size: int) -> None:
        for cpu in self._kernel.machine.cpus:
            unseen = self._stale.setdefault(cpu.id, {})
            unseen[addr] = max(size, unseen.get(addr, 0))

    def in_flux(self, addr: int) -> bool:
        """Whether a fetch of what was stored at addr would be unpredictable now."""
        return addr in self._in_flux

    def synchronised(self, addr: int) -> None:
        """Every CPU has been made to synchronise: fetches at addr are predictable again."""
        self._in_flux.pop(addr, None)

    def fetched(self, cpu: Cpu, pc: int) -> None:
        """A CPU is about to fetch the instruction at pc."""
        if self._in_flux and self._meets_change(pc, pc + self._kernel.machine.size_at(cpu, pc)):
            self._kernel.note("unpredictable")

    def _meets_change(self, start: int, end: int) -> bool:
        return any(addr < end and start < addr + len(data) for addr, (_, data) in self._in_flux.items())
