"""Guest memory: regions of bytes that every CPU shares.

Text regions are the memory side only: what the kernel writes through its alias and what `addr->word`
reads. What a CPU fetches is that CPU's own view (see `cpu.py`). All architectures here are little endian.

Memory also keeps the reservations of interpreted CPUs (ll/sc); Unicorn's engines keep their own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from hashlib import blake2b

from emu.bits import PAGE
from emu.errors import MemoryAccessError

Watcher = Callable[[int, int, bool], None]
"""Address, size, and whether it is a write."""

RESERVED_LINE = 64  # bytes that one reservation covers


@dataclass
class Region:
    """Bytes at [base, base+size); base and size are multiples of PAGE.

    Guests may not write executable ones, unless they are `writable`: then no CPU has a view of its own.
    """

    name: str
    base: int
    size: int
    executable: bool = False
    writable: bool = False
    buffer: ctypes.Array[ctypes.c_ubyte] = field(init=False, repr=False)
    bytes: memoryview = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.base % PAGE or self.size % PAGE or self.size <= 0:
            raise MemoryAccessError(
                f"region {self.name} at {self.base:#x} size {self.size:#x}: expected multiples of {PAGE:#x}"
            )
        # A ctypes array has an address that an engine can map, and does not move.
        self.buffer = (ctypes.c_ubyte * self.size)()
        self.bytes = memoryview(self.buffer).cast("B")

    @property
    def end(self) -> int:
        return self.base + self.size


class Memory:
    """All regions of one machine. Host accesses outside of them raise `MemoryAccessError`."""

    def __init__(self) -> None:
        self.regions: list[Region] = []
        self._digests: dict[int, tuple[bytes, bytes]] = {}  # by base: what a region held when it was asked, and that
        self.reservations: dict[int, int] = {}  # CPU id -> number of the reserved line
        self.watcher: Watcher | None = None  # told of each access of the host

    def add(self, name: str, base: int, size: int, *, executable: bool = False) -> Region:
        region = Region(name, base, size, executable)
        for other in self.regions:
            if region.base < other.end and other.base < region.end:
                raise MemoryAccessError(f"region {name} at {base:#x} overlaps {other.name} at {other.base:#x}")
        self.regions.append(region)
        return region

    def region(self, addr: int, size: int = 1) -> Region:
        """The region that holds all of [addr, addr+size)."""
        for region in self.regions:
            if region.base <= addr and addr + size <= region.end:
                return region
        raise MemoryAccessError(f"no memory at {addr:#x} (size {size})")

    def read(self, addr: int, size: int) -> bytes:
        if self.watcher is not None:
            self.watcher(addr, size, False)
        region = self.region(addr, size)
        offset = addr - region.base
        return bytes(region.bytes[offset : offset + size])

    def write(self, addr: int, data: bytes) -> None:
        """Write to memory. For text this is the memory side only: CPUs see it when they synchronise."""
        if self.watcher is not None:
            self.watcher(addr, len(data), True)
        region = self.region(addr, len(data))
        offset = addr - region.base
        region.bytes[offset : offset + len(data)] = data
        if self.reservations:
            self.end_reservations(addr, len(data))

    def load(self, addr: int, size: int) -> int:
        """An unsigned little-endian integer of `size` bytes."""
        return int.from_bytes(self.read(addr, size), "little")

    def store(self, addr: int, value: int, size: int) -> None:
        self.write(addr, value.to_bytes(size, "little"))

    def reserve(self, cpu: int, addr: int) -> None:
        """Reserve the line at addr for a CPU; each has one reservation."""
        self.reservations[cpu] = addr // RESERVED_LINE

    def reserved(self, cpu: int, addr: int) -> bool:
        return self.reservations.get(cpu) == addr // RESERVED_LINE

    def end_reservations(self, addr: int, size: int, writer: int | None = None) -> None:
        """A store by `writer` (None for the host) ends the other CPUs' reservations of these lines."""
        first, last = addr // RESERVED_LINE, (addr + size - 1) // RESERVED_LINE
        for cpu, line in list(self.reservations.items()):
            if cpu != writer and first <= line <= last:
                del self.reservations[cpu]

    def state(self) -> Hashable:
        """What is in it: 16 bytes for each region."""
        return tuple([self._digest(region) for region in self.regions])

    def _digest(self, region: Region) -> bytes:
        content = bytes(region.bytes)
        before, digest = self._digests.get(region.base, (b"", b""))
        if content != before:
            digest = blake2b(content, digest_size=16).digest()
            self._digests[region.base] = content, digest
        return digest

    def snapshot(self) -> list[bytes]:
        return [bytes(region.bytes) for region in self.regions]

    def restore(self, state: list[bytes]) -> None:
        for region, data in zip(self.regions, state, strict=True):
            region.bytes[:] = data
