"""Images: segments to place in memory, sections, and symbols with sizes, out of an ELF file or made otherwise."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from emu.elf.elf_side import ElfSide
from emu.elf.extable import EXTABLE, exception_table
from emu.elf.file import ElfFile, FileSymbol
from emu.elf.file import Segment as Segment  # it is an image's
from emu.errors import ImageError
from emu.spelling import one_of

LARGEST = 1 << 28
"""Bytes of memory that one image may ask for: no kernel is larger, and a damaged size usually is."""

PF_X, PF_W = 1, 2
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
KINDS = {"STT_FUNC": "function", "STT_OBJECT": "object", "STT_NOTYPE": "label", "STT_GNU_IFUNC": "function"}
OTHER_NAMES = ("$", ".L")  # mapping symbols ($x, $d) and the assembler's own labels
MAPPING, DATA_MAPPING = "$", "$d"  # what follows one is code, or data (AAELF64, RISC-V and C-SKY psABI)


@dataclass(frozen=True)
class Symbol:
    """A name for an address. `kind` is function, object or label (no type, in the middle of something)."""

    name: str
    address: int
    size: int
    kind: str


@dataclass(frozen=True)
class Section:
    """A named part that is in memory at run time; `data` is empty where the file holds none (bss)."""

    name: str
    address: int
    size: int
    data: bytes
    flags: int

    @property
    def executable(self) -> bool:
        return bool(self.flags & SHF_EXECINSTR)


@dataclass(frozen=True)
class Image:
    """A linked program. `functions` and `labels` are its symbols in executable sections, by address, sizes filled in.

    `mapping` are addresses where instructions begin (True) or data in text does (False), sorted; there need not be any.
    `extable` are the addresses that the exception table has entries for.
    """

    name: str
    machine: str
    elf_class: int
    entry: int
    segments: tuple[Segment, ...]
    sections: Mapping[str, Section]
    symbols: Mapping[str, Symbol]
    functions: tuple[Symbol, ...]
    labels: tuple[Symbol, ...]
    mapping: tuple[tuple[int, bool], ...] = ()
    extable: frozenset[int] = frozenset()

    def symbol(self, name: str) -> Symbol:
        """ImageError if there is none of that name."""
        if name in self.symbols:
            return self.symbols[name]
        raise ImageError(f"{self.name}: no symbol {name!r}: {one_of(name, self.symbols, 'symbols')}")

    def symbol_at(self, addr: int) -> tuple[Symbol, int] | None:
        """The function around an address and the offset in it; a label in text that no function covers else."""
        return _covering(self.functions, addr) or _covering(self.labels, addr)

    def executable_sections(self) -> tuple[Section, ...]:
        return tuple(section for section in self.sections.values() if section.executable)


def _covering(symbols: tuple[Symbol, ...], addr: int) -> tuple[Symbol, int] | None:
    index = bisect_right(symbols, addr, key=lambda symbol: symbol.address)
    if index and addr < symbols[index - 1].address + symbols[index - 1].size:
        return symbols[index - 1], addr - symbols[index - 1].address
    return None


def load_image(path: str | Path, elf: ElfSide) -> Image:
    """The image in a file; ImageError for anything that is not a whole little-endian ELF of that machine and class.

    Executables only: relocatable files have no addresses (see `emu.elf.module`).
    """
    return image_of(ElfFile.load(path), elf)


def parse_image(data: bytes, name: str, elf: ElfSide) -> Image:
    """`load_image` for bytes that are already here; `name` is what messages call them."""
    return image_of(ElfFile(data, name), elf)


def image_of(file: ElfFile, elf: ElfSide, *, stripped: bool = False) -> Image:
    """`load_image` of a file that is open; `stripped`: it need not have symbols."""
    file.expect(elf.machine, elf.elf_class)
    segments = tuple(file.segments())
    sections = [Section(s.name, s.address, s.size, s.data, s.flags) for s in file.sections(SHF_ALLOC)]
    check_segments(segments, file.name, elf.elf_class)
    entries = [(symbol, symbol.value) for symbol in file.symbols() if symbol.section != "SHN_UNDEF"]
    image = make_image(file, elf, segments, sections, entries)
    if not image.symbols and not stripped:
        raise ImageError(f"{file.name}: no symbols: expected an ELF that has not been stripped")
    return image


def make_image(
    file: ElfFile,
    elf: ElfSide,
    segments: tuple[Segment, ...],
    sections: list[Section],
    entries: Iterable[tuple[FileSymbol, int]],
) -> Image:
    """The image of what has addresses by now; `entries` are symbols with theirs."""
    symbols: list[Symbol] = []
    mapping: dict[int, bool] = {}
    for entry, address in entries:
        if entry.name.startswith(MAPPING) and entry.type == "STT_NOTYPE":
            mapping[address] = not entry.name.startswith(DATA_MAPPING)
        elif entry.name and entry.type in KINDS and not entry.name.startswith(OTHER_NAMES):
            symbols.append(Symbol(entry.name, address, entry.size, KINDS[entry.type]))
    functions, labels = _text_symbols(symbols, sections)
    named = {section.name: section for section in sections}
    extable = named.get(EXTABLE)
    return Image(
        name=file.name,
        machine=file.machine,
        elf_class=file.elf_class,
        entry=file.entry,
        segments=segments,
        sections=named,
        symbols={symbol.name: symbol for symbol in symbols},
        functions=functions,
        labels=labels,
        mapping=tuple(sorted(mapping.items())),
        extable=exception_table(elf, file.name, extable.address, extable.data) if extable is not None else frozenset(),
    )


def check_size(total: int, name: str) -> None:
    """ImageError for an image that asks for more memory than any real one."""
    if total > LARGEST:
        raise ImageError(f"{name}: asks for {total:#x} bytes of memory, expected at most {LARGEST:#x}")


def check_segments(segments: tuple[Segment, ...], name: str, elf_class: int) -> None:
    if not segments:
        raise ImageError(f"{name}: nothing to load: expected PT_LOAD segments")
    check_size(sum(segment.memsize for segment in segments), name)
    ordered = sorted(segments, key=lambda segment: segment.address)
    if ordered[-1].end > 1 << elf_class:
        raise ImageError(
            f"{name}: segment at {ordered[-1].address:#x} reaches {ordered[-1].end:#x}, past the last address"
        )
    for low, high in pairwise(ordered):
        if high.address < low.end:
            raise ImageError(f"{name}: segment at {high.address:#x} overlaps the one at {low.address:#x}..{low.end:#x}")


def _text_symbols(symbols: list[Symbol], sections: list[Section]) -> tuple[tuple[Symbol, ...], tuple[Symbol, ...]]:
    """Functions, and labels, both by address; a symbol without a size reaches to the next one or its section's end."""
    extents = sorted((s.address, s.address + s.size) for s in sections if s.executable and s.size)
    starts = [start for start, _ in extents]
    text: list[tuple[Symbol, int]] = []
    for symbol in symbols:
        index = bisect_right(starts, symbol.address)
        if index and symbol.address < extents[index - 1][1]:
            text.append((symbol, extents[index - 1][1]))
    return _sized(text, "function"), _sized(text, "label")


def _sized(text: list[tuple[Symbol, int]], kind: str) -> tuple[Symbol, ...]:
    starts = sorted({symbol.address for symbol, _ in text})
    found: dict[int, Symbol] = {}
    for symbol, end in text:
        if symbol.kind != kind:
            continue
        size = symbol.size or min([*starts[bisect_right(starts, symbol.address) :][:1], end]) - symbol.address
        if symbol.address not in found or size >= found[symbol.address].size:  # of aliases, the global one: it is later
            found[symbol.address] = Symbol(symbol.name, symbol.address, size, kind)
    return tuple(found[address] for address in sorted(found))
