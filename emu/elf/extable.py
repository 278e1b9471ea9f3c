"""The exception table: instructions that may fault, each with the address to go on at.

An entry is two absolute addresses, of the instruction and of the fixup, or, where Linux selects
ARCH_HAS_RELATIVE_EXTABLE, their 32-bit distances from the entry's own fields and 32 more bits about the fixup.
"""

from __future__ import annotations

from emu.elf.image import Image
from emu.errors import ImageError
from emu.isa.arch import Arch

RELATIVE_ENTRY = 12  # bytes


def exception_table(arch: Arch[object], image: Image) -> frozenset[int]:
    """Addresses of the instructions that have an entry; ImageError for a table that ends within one."""
    section = image.sections.get("__ex_table")
    if section is None:
        return frozenset()
    size = RELATIVE_ENTRY if arch.relative_extable else 2 * arch.elf_class // 8
    if len(section.data) % size:
        raise ImageError(f"{image.name}: __ex_table of {len(section.data)} bytes: expected entries of {size}")
    entries = range(0, len(section.data), size)
    if not arch.relative_extable:
        return frozenset(int.from_bytes(section.data[at : at + size // 2], "little") for at in entries)
    offsets = (int.from_bytes(section.data[at : at + 4], "little", signed=True) for at in entries)
    return frozenset(section.address + at + offset for at, offset in zip(entries, offsets, strict=True))
