"""Words that kill the engine: Unicorn 2.1.4 aborts the whole process while it translates some undefined ones, or after
it has executed some others.

It translates ahead of the pc, so that a lethal word must not be in the engine's memory at all: with a
`substitute`, the engine gets a copy of the view where an ordinary undefined word is in its place (in text that
can be written there is no copy: the word itself is replaced). Where instructions can begin at any byte that would
change other instructions; there the CPU only refuses to step onto one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

from emu.machine.cpu import TrapKind
from emu.machine.text_view import TextView


@dataclass(frozen=True)
class Guard:
    """`find(text)` gives the offsets of lethal instructions in text, which begins at a multiple of `alignment`.

    `reach` is how many bytes around a change must be searched again. `kind(insn)` is the trap that a step onto such an
    instruction gives.
    """

    find: Callable[[bytes], list[int]]
    alignment: int
    reach: int = 0
    substitute: bytes = b""
    kind: Callable[[bytes], TrapKind] = lambda insn: TrapKind.ILLEGAL


class EngineText:
    """What the engine has instead of a view; `lethal` are the addresses found so far, with the trap that a step onto
    them gives, shared by a CPU's texts."""

    def __init__(self, view: TextView, guard: Guard, lethal: dict[int, TrapKind]) -> None:
        self._view = view
        self._guard = guard
        self._lethal = lethal
        self.buffer = view.region.buffer if view.region.writable else _copy(view)
        self._bytes = memoryview(self.buffer).cast("B")
        self.refresh(0, view.region.size)

    def refresh(self, offset: int, size: int) -> None:
        """Take [offset, offset+size) over from the view."""
        guard, base = self._guard, self._view.region.base
        low = max(0, offset - guard.reach) // guard.alignment * guard.alignment
        high = min(self._view.region.size, -(-(offset + size + guard.reach) // guard.alignment) * guard.alignment)
        if not self._view.region.writable:
            self._bytes[low:high] = self._view.bytes[low:high]
        text = bytes(self._bytes[low:high])
        for addr in [addr for addr in self._lethal if base + low <= addr < base + high]:
            del self._lethal[addr]
        for found in guard.find(text):
            self._lethal[base + low + found] = guard.kind(text[found:])
            at = low + found
            self._bytes[at : at + len(guard.substitute)] = guard.substitute


def _copy(view: TextView) -> ctypes.Array[ctypes.c_ubyte]:
    return (ctypes.c_ubyte * view.region.size).from_buffer_copy(view.buffer)
