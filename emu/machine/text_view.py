"""One CPU's instruction view of a text region: a private copy, brought up to date range by range.

Views are restored thousands of times a second and differ in a few patched bytes, so a state is the copy
they all started from (the baseline) and the bytes that differ.
"""

from __future__ import annotations

import ctypes
from collections.abc import Hashable

from emu.bits import PAGE
from emu.machine.memory import Region

NEAR = 8  # bytes
ViewState = tuple[bytes, dict[int, int]]
"""Baseline, and offset -> byte where the view differs from it. Never changed once made."""


class TextView:
    """Bytes that a CPU fetches; `buffer` does not move, so an engine can map it."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.buffer = (ctypes.c_ubyte * region.size).from_buffer_copy(region.buffer)
        self.bytes = memoryview(self.buffer).cast("B")
        self._baseline = bytes(region.bytes)
        self._patches: dict[int, int] = {}
        self._state: ViewState | None = None

    def sync(self, offset: int, size: int) -> bool:
        """Copy [offset, offset+size) from memory; whether that changed anything."""
        fresh = bytes(self.region.bytes[offset : offset + size])
        if self.bytes[offset : offset + size] == fresh:
            return False
        self._state = None
        self.bytes[offset : offset + size] = fresh
        if size >= PAGE:
            self._rebase()
        else:
            self._note(offset, fresh)
        return True

    def _rebase(self) -> None:
        # A loaded image, not a patch: from here on states are compared with it.
        self._baseline = bytes(self.bytes)
        self._patches = {}

    def _note(self, offset: int, fresh: bytes) -> None:
        for place, byte in enumerate(fresh, offset):
            if self._baseline[place] == byte:
                self._patches.pop(place, None)
            else:
                self._patches[place] = byte

    def snapshot(self) -> ViewState:
        if self._state is None:
            self._state = (self._baseline, dict(self._patches))
        return self._state

    def state(self) -> Hashable:
        """Where it differs from the copy that it started from."""
        return tuple(sorted(self._patches.items())) if self._patches else ()

    def restore(self, state: ViewState) -> list[tuple[int, int]]:
        """Go back to a state of this view; the (offset, size) ranges whose bytes changed."""
        if state is self._state:
            return []
        baseline, patches = state
        if baseline is not self._baseline:
            return self._restore_all(state)
        changed = []
        for place in patches.keys() | self._patches.keys():
            byte = patches.get(place, baseline[place])
            if self.bytes[place] != byte:
                self.bytes[place] = byte
                changed.append(place)
        self._patches = dict(patches)
        self._state = state
        return _ranges(sorted(changed))

    def _restore_all(self, state: ViewState) -> list[tuple[int, int]]:
        self._baseline, patches = state
        self.bytes[:] = self._baseline
        for place, byte in patches.items():
            self.bytes[place] = byte
        self._patches = dict(patches)
        self._state = state
        return [(0, self.region.size)]


def _ranges(places: list[int]) -> list[tuple[int, int]]:
    """Sorted places as (first, length) runs; a few bytes between two are cheaper to flush than a second run."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and place - runs[-1][0] - runs[-1][1] < NEAR:
            runs[-1] = (runs[-1][0], place + 1 - runs[-1][0])
        else:
            runs.append((place, 1))
    return runs
