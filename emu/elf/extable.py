"""The exception table: instructions that may fault, each with the address to go on at.

An entry is two absolute addresses, of the instruction and of the fixup, or, where Linux selects
ARCH_HAS_RELATIVE_EXTABLE, their 32-bit distances from the entry's own fields and 32 more bits about the fixup.
"""

from __future__ import annotations

from emu.elf.elf_side import ElfSide
from emu.errors import ImageError

EXTABLE = "__ex_table"
RELATIVE_ENTRY = 12  # bytes


def exception_table(elf: ElfSide, name: str, address: int, table: bytes) -> frozenset[int]:
    """Addresses of the instructions that have an entry in the table that is at `address`.

    ImageError, with the file's name, for a table that ends within an entry.
    """
    size = RELATIVE_ENTRY if elf.relative_extable else 2 * elf.elf_class // 8
    if len(table) % size:
        raise ImageError(f"{name}: {EXTABLE} of {len(table)} bytes: expected entries of {size}")
    entries = range(0, len(table), size)
    if not elf.relative_extable:
        return frozenset(int.from_bytes(table[at : at + size // 2], "little") for at in entries)
    offsets = (int.from_bytes(table[at : at + 4], "little", signed=True) for at in entries)
    return frozenset(address + at + offset for at, offset in zip(entries, offsets, strict=True))
