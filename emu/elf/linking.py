"""A relocatable file that is being linked: the addresses it got, and one relocation of it to be applied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from emu.bits import mask
from emu.elf.file import ElfFile, FileRelocation, FileSection, FileSymbol
from emu.errors import ImageError

EXTERNAL_SIZE = 64  # bytes of address space for each undefined symbol
GOT_ENTRY = 8
Fix = Callable[["Fixup"], None]


@dataclass
class Module:
    """A relocatable file with addresses: of its sections by number, and of all its symbols."""

    file: ElfFile
    sections: list[FileSection]
    symbols: list[FileSymbol]
    addresses: dict[int, int]
    contents: dict[int, bytearray]
    externals: dict[str, int]
    stand_ins: dict[str, tuple[int, bytes]]  # address and code
    end: int  # of all sections
    got: dict[int, int] = field(default_factory=dict)  # address -> of the pointer to it
    fixups: dict[int, list[Fixup]] = field(default_factory=dict)  # by place

    def fixups_at(self, place: int) -> list[Fixup]:
        """The relocations of an address."""
        return self.fixups.get(place, [])

    def symbol_address(self, number: int) -> int | None:
        """None for a symbol of a section that is not loaded; ImageError for one that nobody can define."""
        symbol = self.symbols[number]
        if isinstance(symbol.section, int):
            base = self.addresses.get(symbol.section)
            return None if base is None else base + symbol.value
        if symbol.section == "SHN_ABS" or not number:
            return symbol.value
        if symbol.section == "SHN_UNDEF" and symbol.bind == "STB_WEAK":
            return 0
        if symbol.name in self.stand_ins:
            return self.stand_ins[symbol.name][0]
        if symbol.name not in self.externals:
            raise self.file.error(
                f"symbol {number}, {symbol.name!r}, is in section {symbol.section}; expected a section, or a name"
            )
        return self.externals[symbol.name]

    def external_at(self, addr: int) -> str | None:
        """The undefined symbol that an address stands for."""
        for name, base in self.externals.items():
            if base <= addr < base + EXTERNAL_SIZE:
                return name
        return None


@dataclass
class Fixup:
    """One relocation in the ABI's letters: S the symbol's address, A the addend, P the place's address.

    `others` are the relocations of the section, this one at `index`, for the types that come in pairs.
    """

    module: Module
    relocation: FileRelocation
    others: list[FileRelocation]
    index: int
    S: int
    P: int

    @property
    def A(self) -> int:
        """The addend of the relocation; types whose addend is in place read it themselves."""
        return self.relocation.addend or 0

    def load(self, size: int, at: int = 0) -> int:
        """What stands at the place, an unsigned number of `size` bytes."""
        data, offset = self.module.contents[self.relocation.section], self.relocation.offset + at
        if offset + size > len(data):
            raise self.error(f"{size} bytes reach past the section's {len(data):#x}")
        return int.from_bytes(data[offset : offset + size], "little")

    def store(self, value: int, size: int, at: int = 0) -> None:
        self.load(size, at)
        offset = self.relocation.offset + at
        value &= mask(8 * size)
        self.module.contents[self.relocation.section][offset : offset + size] = value.to_bytes(size, "little")

    def got(self, addr: int) -> int:
        """The address of a pointer to addr."""
        return self.module.got.setdefault(addr, self.module.end + GOT_ENTRY * len(self.module.got))

    def in_range(self, value: int, bits: int, align: int = 1) -> int:
        """A signed value of so many bits, a multiple of `align`; ImageError for another."""
        if not -(1 << bits - 1) <= value < 1 << bits - 1 or value % align:
            raise self.error(f"{value:#x}: expected {bits} signed bits, a multiple of {align}")
        return value

    def error(self, text: str) -> ImageError:
        return self.module.file.error(f"relocation of type {self.relocation.type} at {self.P:#x}: {text}")
