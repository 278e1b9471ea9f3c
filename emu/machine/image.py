"""ELF images: segments to place in memory, sections, and symbols with sizes.

The only file that imports elftools. Its low-level structures are used and not its section classes: every
offset and size is checked against the file first, so a damaged file gives an `ImageError` that says where.
Field names are those of the System V ABI, chapters 4 and 5.
"""

from __future__ import annotations

import difflib
import io
import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.common.utils import struct_parse
from elftools.elf.elffile import ELFFile

from emu.errors import ImageError
from emu.machine.memory import PAGE, Memory, Region

LARGEST = 1 << 28
"""Bytes of memory that one image may ask for: no kernel is larger, and a damaged size usually is."""

PF_X, PF_W = 1, 2
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
KINDS = {"STT_FUNC": "function", "STT_OBJECT": "object", "STT_NOTYPE": "label", "STT_GNU_IFUNC": "function"}
OTHER_NAMES = ("$", ".L")  # mapping symbols ($x, $d) and the assembler's own labels


@dataclass(frozen=True)
class Symbol:
    """A name for an address. `kind` is function, object or label (no type, in the middle of something)."""

    name: str
    address: int
    size: int
    kind: str


@dataclass(frozen=True)
class Segment:
    """`memsize` bytes at `address`: `data`, then zeros. `flags` are PF_X, PF_W, PF_R."""

    address: int
    data: bytes
    memsize: int
    flags: int

    @property
    def end(self) -> int:
        return self.address + self.memsize


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
    """A linked program. `text` are its symbols in executable sections, by address, sizes filled in."""

    name: str
    machine: str
    elf_class: int
    entry: int
    segments: tuple[Segment, ...]
    sections: Mapping[str, Section]
    symbols: Mapping[str, Symbol]
    functions: tuple[Symbol, ...]
    labels: tuple[Symbol, ...]

    def symbol(self, name: str) -> Symbol:
        """ImageError if there is none of that name."""
        if name in self.symbols:
            return self.symbols[name]
        near = difflib.get_close_matches(name, self.symbols, n=3)
        hint = f": did you mean {', '.join(near)}?" if near else ""
        raise ImageError(f"{self.name}: no symbol {name!r}{hint}")

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


def load_image(path: str | Path, machine: str = "EM_AARCH64", elf_class: int = 64) -> Image:
    """The image in a file; ImageError for anything that is not a whole little-endian ELF of that machine and class.

    `machine` is the e_machine name in the ABI's spelling, `elf_class` 32 or 64. Executables only, for now:
    relocatable files have no addresses before somebody relocates them.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_image(data, str(path), machine, elf_class)


def parse_image(data: bytes, name: str, machine: str, elf_class: int) -> Image:
    """`load_image` for bytes that are already here; `name` is what messages call them."""
    reader = _Reader(data, name)
    reader.expect(machine, elf_class)
    segments = tuple(reader.segments())
    _check_segments(segments, name, elf_class)
    headers = reader.section_headers()
    sections = reader.sections(headers)
    symbols = reader.symbols(headers)
    if not symbols:
        raise ImageError(f"{name}: no symbols: expected an ELF that has not been stripped")
    functions, labels = _text_symbols(symbols, sections)
    return Image(
        name=name,
        machine=machine,
        elf_class=elf_class,
        entry=reader.header["e_entry"],
        segments=segments,
        sections={section.name: section for section in sections},
        symbols={symbol.name: symbol for symbol in symbols},
        functions=functions,
        labels=labels,
    )


class _Reader:
    """One ELF file in memory; every read is checked and every error names the file."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name = data, name
        self.stream = io.BytesIO(data)
        if data[:4] != b"\x7fELF":
            raise self.error(f"not an ELF: starts with {data[:4].hex(' ') or 'nothing'}, expected 7f 45 4c 46")
        try:
            self.elf = ELFFile(self.stream)
        except ELFError as error:
            raise self.error(f"bad or truncated ELF header ({len(data)} bytes): {error}") from error
        self.header: Any = self.elf.header
        self.structs: Any = self.elf.structs

    def error(self, text: str) -> ImageError:
        return ImageError(f"{self.name}: {text}")

    def expect(self, machine: str, elf_class: int) -> None:
        """That the header is what the architecture asked for."""
        found = self.header["e_machine"], self.elf.elfclass, self.elf.little_endian
        if found != (machine, elf_class, True):
            order = {True: "little", False: "big"}
            raise self.error(
                f"for {found[0]}, {found[1]}-bit, {order[found[2]]} endian; expected {machine}, {elf_class}-bit, little"
            )
        if self.header["e_type"] not in ("ET_EXEC", "ET_DYN"):
            raise self.error(f"of type {self.header['e_type']}; expected an executable (ET_EXEC)")

    def slice(self, offset: int, size: int, what: str) -> bytes:
        """Bytes of the file; ImageError if it ends before them."""
        if offset + size > len(self.data):
            raise self.error(
                f"truncated: {what} is {size:#x} bytes at offset {offset:#x}, the file has {len(self.data):#x}"
            )
        return self.data[offset : offset + size]

    def table(self, struct: Any, offset: int, count: int, entry: int, what: str) -> Iterator[Any]:
        """`count` structures of `entry` bytes each."""
        if count and entry != struct.sizeof():
            raise self.error(f"{what} has entries of {entry} bytes, expected {struct.sizeof()}")
        self.slice(offset, count * entry, what)
        for index in range(count):
            try:
                yield struct_parse(struct, self.stream, offset + index * entry)
            except ELFError as error:  # cannot happen after the check above; a library may surprise
                raise self.error(f"entry {index} of {what}: {error}") from error

    def segments(self) -> Iterator[Segment]:
        """What is loaded, in file order, without empty ones."""
        e = self.header
        for p in self.table(
            self.structs.Elf_Phdr, e["e_phoff"], e["e_phnum"], e["e_phentsize"], "program header table"
        ):
            if p["p_type"] != "PT_LOAD" or not p["p_memsz"]:
                continue
            where = f"segment at {p['p_vaddr']:#x}"
            if p["p_filesz"] > p["p_memsz"]:
                raise self.error(
                    f"{where} has {p['p_filesz']:#x} bytes in the file, more than in memory ({p['p_memsz']:#x})"
                )
            yield Segment(p["p_vaddr"], self.slice(p["p_offset"], p["p_filesz"], where), p["p_memsz"], p["p_flags"])

    def section_headers(self) -> list[Any]:
        e = self.header
        count = e["e_shnum"]
        if e["e_shoff"] and not count:  # 0xff00 sections and more: the number is in the first one
            (first,) = self.table(self.structs.Elf_Shdr, e["e_shoff"], 1, e["e_shentsize"], "section table")
            count = first["sh_size"]
        return list(self.table(self.structs.Elf_Shdr, e["e_shoff"], count, e["e_shentsize"], "section table"))

    def sections(self, headers: list[Any]) -> list[Section]:
        """Those that are in memory at run time."""
        index = self.header["e_shstrndx"]
        if index == 0xFFFF and headers:
            index = headers[0]["sh_link"]
        names = self.strings(headers, index, "section names") if headers else b""
        return [self.section(h, names) for h in headers if h["sh_flags"] & SHF_ALLOC]

    def section(self, header: Any, names: bytes) -> Section:
        name = self.string(names, header["sh_name"], "section name")
        data = b""
        if header["sh_type"] != "SHT_NOBITS":
            data = self.slice(header["sh_offset"], header["sh_size"], f"section {name}")
        return Section(name, header["sh_addr"], header["sh_size"], data, header["sh_flags"])

    def strings(self, headers: list[Any], index: int, what: str) -> bytes:
        if index >= len(headers):
            raise self.error(f"{what} are in section {index}, there are {len(headers)}")
        header = headers[index]
        if header["sh_type"] != "SHT_STRTAB":
            raise self.error(f"{what} are in section {index} of type {header['sh_type']}, expected SHT_STRTAB")
        return self.slice(header["sh_offset"], header["sh_size"], what)

    def string(self, strings: bytes, offset: int, what: str) -> str:
        end = strings.find(b"\0", offset)
        if offset >= len(strings) or end < 0:
            raise self.error(f"{what} at {offset:#x} is not in its string table of {len(strings):#x} bytes")
        return sys.intern(strings[offset:end].decode("utf-8", "backslashreplace"))

    def symbols(self, headers: list[Any]) -> list[Symbol]:
        """Every symbol with a name and an address, local ones first, as the table has them."""
        by_type = {header["sh_type"]: header for header in reversed(headers)}
        table = by_type.get("SHT_SYMTAB") or by_type.get("SHT_DYNSYM")
        if table is None or not table["sh_size"]:
            return []
        names = self.strings(headers, table["sh_link"], "symbol names")
        size = self.structs.Elf_Sym.sizeof()
        if table["sh_size"] % size:
            raise self.error(f"symbol table of {table['sh_size']:#x} bytes, expected a multiple of {size}")
        entries = self.table(
            self.structs.Elf_Sym, table["sh_offset"], table["sh_size"] // size, table["sh_entsize"], "symbol table"
        )
        return [symbol for entry in entries if (symbol := self.symbol(entry, names))]

    def symbol(self, entry: Any, names: bytes) -> Symbol | None:
        kind = KINDS.get(entry["st_info"]["type"])
        if kind is None or entry["st_shndx"] == "SHN_UNDEF":
            return None
        name = self.string(names, entry["st_name"], "symbol name")
        if not name or name.startswith(OTHER_NAMES):
            return None
        return Symbol(name, entry["st_value"], entry["st_size"], kind)


def _check_segments(segments: tuple[Segment, ...], name: str, elf_class: int) -> None:
    if not segments:
        raise ImageError(f"{name}: nothing to load: expected PT_LOAD segments")
    total = sum(segment.memsize for segment in segments)
    if total > LARGEST:
        raise ImageError(f"{name}: asks for {total:#x} bytes of memory, expected at most {LARGEST:#x}")
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
    extents = [(section.address, section.address + section.size) for section in sections if section.executable]
    text: list[tuple[Symbol, int]] = []
    for symbol in symbols:
        for start, end in extents:
            if start <= symbol.address < end:
                text.append((symbol, end))
                break
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


def place(image: Image, memory: Memory) -> list[Region]:
    """Add regions for the image to memory and write it there; segments that share a page share a region.

    A region is executable if any of its segments is. MemoryAccessError if something is there already.
    """
    regions = [_add_run(run, memory) for run in _runs(image.segments)]
    for segment in image.segments:
        if segment.data:
            memory.write(segment.address, segment.data)
    return regions


def _runs(segments: tuple[Segment, ...]) -> list[list[Segment]]:
    """Segments by address, grouped so that no two groups touch the same page."""
    runs: list[list[Segment]] = []
    for segment in sorted(segments, key=lambda segment: segment.address):
        if runs and segment.address // PAGE <= (runs[-1][-1].end - 1) // PAGE:
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return runs


def _add_run(run: list[Segment], memory: Memory) -> Region:
    base = run[0].address // PAGE * PAGE
    end = -(-run[-1].end // PAGE) * PAGE
    executable = any(segment.flags & PF_X for segment in run)
    writable = any(segment.flags & PF_W for segment in run)
    name = "text" if executable else "data" if writable else "rodata"
    return memory.add(f"{name}@{base:#x}", base, end - base, executable=executable)
