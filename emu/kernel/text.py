"""Kernel text as it is patched: the store, and when each CPU's instruction view follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emu.kernel.kernel import Kernel


class Text:
    """Text of one kernel. If not `coherent`, a store is in a CPU's view only when that CPU synchronises."""

    def __init__(self, kernel: Kernel, *, coherent: bool) -> None:
        self._kernel = kernel
        self._coherent = coherent
        self._in_flux: dict[int, tuple[bytes, bytes]] = {}

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
        if self._coherent:
            self.sync_all(addr, len(data))

    def sync_all(self, addr: int, size: int) -> None:
        for cpu in self._kernel.machine.cpus:
            cpu.sync_icache(addr, size)

    def synchronised(self, addr: int) -> None:
        """Every CPU has been made to synchronise: fetches at addr are predictable again."""
        self._in_flux.pop(addr, None)

    def fetched(self, addr: int) -> None:
        """A CPU is about to fetch at addr."""
        if addr in self._in_flux:
            self._kernel.note("unpredictable")
