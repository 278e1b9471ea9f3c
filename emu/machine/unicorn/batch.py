"""Many engine registers in one call: reading them one by one costs more than the step between."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any

WIDEST = 16  # bytes of the largest register (Q0, XMM0)


class RegisterBatch:
    """The engine registers with these numbers; `read_batch` and `write_batch` are the engine library's functions."""

    def __init__(
        self, read_batch: Callable[..., int], write_batch: Callable[..., int], handle: Any, numbers: Sequence[int]
    ) -> None:
        count = len(numbers)
        self._read_batch, self._write_batch, self._handle, self._count = read_batch, write_batch, handle, count
        self._buffer = (ctypes.c_ubyte * (WIDEST * count))()
        start = ctypes.addressof(self._buffer)
        self._numbers = (ctypes.c_int * count)(*numbers)
        self._pointers = (ctypes.c_void_p * count)(*(start + WIDEST * n for n in range(count)))
        self._bytes = memoryview(self._buffer).cast("B")
        self._unpack = struct.Struct(f"<{2 * count}Q").unpack

    def read(self) -> list[int]:
        """Their values, unsigned, in order."""
        self._read_batch(self._handle, self._numbers, self._pointers, self._count)
        halves = self._unpack(self._bytes)
        return [low | high << 64 for low, high in zip(halves[::2], halves[1::2], strict=True)]

    def write(self) -> None:
        """Give them the values that were read last."""
        self._write_batch(self._handle, self._numbers, self._pointers, self._count)
