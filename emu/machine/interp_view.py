"""What one interpreted CPU fetches: a copy of the executable regions that follows memory only when told to.

A view starts as a copy of memory. `sync` brings a range up to date. `state` and `restore` go back and
forth between views without copying text: a state is the small set of chunks that differ from the copy
as it was when the first state was taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emu.errors import MemoryAccessError
from emu.machine.memory import Memory, Region

CHUNK = 16
ViewState = Mapping[int, bytes]
"""Chunks by address, where they differ from the first state. Never changed once made."""


@dataclass
class _Copy:
    region: Region
    now: bytearray
    first: bytes | None  # as in the first state that was taken; None until then


class InstructionView:
    """One CPU's side of text; see the module."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._copies: list[_Copy] = []
        self._changed: ViewState = {}
        self._frozen = False
        self._copy_new_regions()

    def read(self, addr: int, size: int) -> bytes:
        """Bytes as fetched; MemoryAccessError where nothing can be executed."""
        copy = self._find(addr, size)
        offset = addr - copy.region.base
        return bytes(copy.now[offset : offset + size])

    def available(self, addr: int, size: int) -> bytes:
        """Like `read`, but fewer bytes where the region ends."""
        copy = self._find(addr, 1)
        offset = addr - copy.region.base
        return bytes(copy.now[offset : offset + size])

    def sync(self, addr: int, size: int) -> None:
        """Make [addr, addr+size) equal to memory; nothing where memory is not executable."""
        region = self._memory.region(addr, size)
        if not region.executable:
            return
        copy = self._find(addr, size)
        offset = addr - region.base
        copy.now[offset : offset + size] = region.bytes[offset : offset + size]
        if copy.first is not None:
            self._record(copy, addr, size)

    def _record(self, copy: _Copy, addr: int, size: int) -> None:
        changed = dict(self._changed)  # a new one: older states must not see this
        for chunk in range(addr & -CHUNK, addr + size, CHUNK):
            offset = chunk - copy.region.base
            changed[chunk] = bytes(copy.now[offset : offset + CHUNK])
        self._changed = changed

    @property
    def state(self) -> ViewState:
        if not self._frozen:
            self._frozen = True
            for copy in self._copies:
                copy.first = bytes(copy.now)
        return self._changed

    def restore(self, state: ViewState) -> list[int]:
        """Go back to a state; the addresses of the chunks that changed by that."""
        before = self._changed
        if state is before:
            return []
        chunks = [chunk for chunk in before.keys() | state.keys() if before.get(chunk) != state.get(chunk)]
        for chunk in chunks:
            copy = self._find(chunk, CHUNK)
            offset = chunk - copy.region.base
            first = copy.first or b""
            copy.now[offset : offset + CHUNK] = state.get(chunk) or first[offset : offset + CHUNK]
        self._changed = state
        return chunks

    def _find(self, addr: int, size: int) -> _Copy:
        for _ in range(2):
            for copy in self._copies:
                if copy.region.base <= addr and addr + size <= copy.region.end:
                    return copy
            self._copy_new_regions()
        raise MemoryAccessError(f"no executable memory at {addr:#x} (size {size})")

    def _copy_new_regions(self) -> None:
        for region in self._memory.regions:
            if region.executable and all(copy.region is not region for copy in self._copies):
                text = bytearray(region.bytes)
                self._copies.append(_Copy(region, text, bytes(text) if self._frozen else None))
