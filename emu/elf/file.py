"""One ELF file, read with suspicion: headers, sections, symbols and relocations as the file has them.

Of elftools (`structures.py`) the low-level structures are used and not the section classes: every
offset and size is checked against the file first, so a damaged file gives an `ImageError` that says where.
Field names are those of the System V ABI, chapters 4 and 5.
"""

from __future__ import annotations

import io
import re
import struct
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from emu.errors import ImageError
from emu.parallel.interrupts import interrupts_held

EXECUTABLE = ("ET_EXEC", "ET_DYN")
RELOCATABLE = "ET_REL"
SHN_XINDEX = 0xFFFF
VERMAGIC = re.compile(rb"\0vermagic=(\d+\.\d+[\w.+~-]*)[ \0]")
BANNER = re.compile(rb"Linux version (\d+\.\d+[\w.+~-]*) \(")
SYMBOL_TABLES = ("SHT_SYMTAB", "SHT_DYNSYM")


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
class FileSection:
    """One section; `data` is empty where the file holds none (bss)."""

    index: int
    name: str
    type: str
    flags: int
    address: int
    size: int
    align: int
    data: bytes


@dataclass(frozen=True)
class FileSymbol:
    """One entry of the symbol table; `section` is its section's number, or SHN_UNDEF, SHN_ABS, SHN_COMMON."""

    name: str
    value: int
    size: int
    type: str
    bind: str
    section: int | str


@dataclass(frozen=True)
class LinuxRelease:
    """What a file of Linux says it was built for, and in what: `vermagic` of a module, or the banner of a kernel."""

    text: str
    source: str


@dataclass(frozen=True)
class FileRelocation:
    """One relocation of `section` at `offset`; `symbol` is a number in the symbol table, `addend` None is in place."""

    section: int
    offset: int
    type: int
    symbol: int
    addend: int | None


class ElfFile:
    """One ELF file in memory; every read is checked and every error names the file."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name = data, name
        self._stream = io.BytesIO(data)
        if data[:4] != b"\x7fELF":
            raise self.error(f"not an ELF: starts with {data[:4].hex(' ') or 'nothing'}, expected 7f 45 4c 46")
        with interrupts_held():
            from emu.elf import structures
        try:
            self._elf = structures.open_elf(self._stream)
        except structures.ELFError as error:
            raise self.error(f"bad or truncated ELF header ({len(data)} bytes): {error}") from error
        self._header: Any = self._elf.header
        self._structs: Any = self._elf.structs

    @classmethod
    def load(cls, path: str | Path) -> ElfFile:
        """The file at a path; ImageError if it cannot be read or is no ELF."""
        try:
            if not Path(path).is_file() and Path(path).exists():
                raise ImageError(f"{path}: cannot be read: expected a regular file")
            return cls(Path(path).read_bytes(), str(path))
        except OSError as error:
            raise ImageError(f"{path}: cannot be read: {error.strerror}; expected an ELF file") from error

    def error(self, text: str) -> ImageError:
        return ImageError(f"{self.name}: {text}")

    @property
    def machine(self) -> str:
        return str(self._header["e_machine"])

    @property
    def elf_class(self) -> int:
        return int(self._elf.elfclass)

    @property
    def entry(self) -> int:
        return int(self._header["e_entry"])

    def linux_release(self) -> LinuxRelease | None:
        """Of a module or a kernel; None for any other file."""
        for pattern, source in ((VERMAGIC, "vermagic"), (BANNER, "banner")):
            if (found := pattern.search(self.data)) is not None:
                return LinuxRelease(found[1].decode("ascii"), source)
        return None

    @property
    def relocatable(self) -> bool:
        return bool(self._header["e_type"] == RELOCATABLE)

    def expect(self, machine: str, elf_class: int, *, relocatable: bool = False) -> None:
        """That the header is what the architecture asked for; `relocatable` allows ET_REL as well."""
        found = self.machine, self.elf_class, self._elf.little_endian
        if found != (machine, elf_class, True):
            order = {True: "little", False: "big"}
            raise self.error(
                f"for {found[0]}, {found[1]}-bit, {order[found[2]]} endian; expected {machine}, {elf_class}-bit, little"
            )
        if self._header["e_type"] not in (*EXECUTABLE, *((RELOCATABLE,) if relocatable else ())):
            raise self.error(f"of type {self._header['e_type']}; expected an executable (ET_EXEC)")

    def slice(self, offset: int, size: int, what: str) -> bytes:
        """Bytes of the file; ImageError if it ends before them."""
        if offset + size > len(self.data):
            raise self.error(
                f"truncated: {what} is {size:#x} bytes at offset {offset:#x}, the file has {len(self.data):#x}"
            )
        return self.data[offset : offset + size]

    def _table(self, struct: Any, offset: int, count: int, entry: int, what: str) -> Iterator[Any]:
        """`count` structures of `entry` bytes each."""
        from emu.elf import structures

        if count and entry != struct.sizeof():
            raise self.error(f"{what} has entries of {entry} bytes, expected {struct.sizeof()}")
        self.slice(offset, count * entry, what)
        for index in range(count):
            try:
                yield structures.struct_parse(struct, self._stream, offset + index * entry)
            except structures.ELFError as error:  # cannot happen after the check above; a library may surprise
                raise self.error(f"entry {index} of {what}: {error}") from error

    def segments(self) -> Iterator[Segment]:
        """What is loaded, in file order, without empty ones."""
        e = self._header
        for p in self._table(
            self._structs.Elf_Phdr, e["e_phoff"], e["e_phnum"], e["e_phentsize"], "program header table"
        ):
            if p["p_type"] != "PT_LOAD" or not p["p_memsz"]:
                continue
            where = f"segment at {p['p_vaddr']:#x}"
            if p["p_filesz"] > p["p_memsz"]:
                raise self.error(
                    f"{where} has {p['p_filesz']:#x} bytes in the file, more than in memory ({p['p_memsz']:#x})"
                )
            yield Segment(p["p_vaddr"], self.slice(p["p_offset"], p["p_filesz"], where), p["p_memsz"], p["p_flags"])

    @cached_property
    def _section_headers(self) -> list[Any]:
        e = self._header
        count = e["e_shnum"]
        if e["e_shoff"] and not count:  # 0xff00 sections and more: the number is in the first one
            (first,) = self._table(self._structs.Elf_Shdr, e["e_shoff"], 1, e["e_shentsize"], "section table")
            count = first["sh_size"]
        return list(self._table(self._structs.Elf_Shdr, e["e_shoff"], count, e["e_shentsize"], "section table"))

    def sections(self, flags: int) -> list[FileSection]:
        """Those that have one of these flags."""
        headers, index = self._section_headers, self._header["e_shstrndx"]
        if index == SHN_XINDEX and headers:
            index = headers[0]["sh_link"]
        names = self._strings(index, "section names") if headers else b""
        wanted = [number for number, header in enumerate(headers) if header["sh_flags"] & flags]
        return [self._section(number, headers[number], names) for number in wanted]

    def _section(self, index: int, header: Any, names: bytes) -> FileSection:
        name, data = self._string(names, header["sh_name"], "section name"), b""
        if header["sh_type"] != "SHT_NOBITS":
            data = self.slice(header["sh_offset"], header["sh_size"], f"section {name}")
        return FileSection(
            index,
            name,
            str(header["sh_type"]),
            header["sh_flags"],
            header["sh_addr"],
            header["sh_size"],
            header["sh_addralign"],
            data,
        )

    def _strings(self, index: int, what: str) -> bytes:
        headers = self._section_headers
        if index >= len(headers):
            raise self.error(f"{what} are in section {index}, there are {len(headers)}")
        header = headers[index]
        if header["sh_type"] != "SHT_STRTAB":
            raise self.error(f"{what} are in section {index} of type {header['sh_type']}, expected SHT_STRTAB")
        return self.slice(header["sh_offset"], header["sh_size"], what)

    def _string(self, strings: bytes, offset: int, what: str) -> str:
        end = strings.find(b"\0", offset)
        if offset >= len(strings) or end < 0:
            raise self.error(f"{what} at {offset:#x} is not in its string table of {len(strings):#x} bytes")
        return sys.intern(strings[offset:end].decode("utf-8", "backslashreplace"))

    def symbols(self) -> Iterator[FileSymbol]:
        """The symbol table in its order, local ones first; the dynamic one if there is no other."""
        from emu.elf.structures import BINDINGS, SPECIAL_SECTIONS, SYMBOL_TYPES

        by_type = {header["sh_type"]: header for header in reversed(self._section_headers)}
        table = next((by_type[name] for name in SYMBOL_TABLES if name in by_type), None)
        if table is None or not table["sh_size"]:
            return
        names, size = self._strings(table["sh_link"], "symbol names"), self._structs.Elf_Sym.sizeof()
        if table["sh_size"] % size:
            raise self.error(f"symbol table of {table['sh_size']:#x} bytes, expected a multiple of {size}")
        if table["sh_entsize"] != size:
            raise self.error(f"symbol table has entries of {table['sh_entsize']} bytes, expected {size}")
        data = self.slice(table["sh_offset"], table["sh_size"], "symbol table")
        for name, value, extent, info, section in self._unpacked(data):
            yield FileSymbol(
                self._string(names, name, "symbol name"),
                value,
                extent,
                SYMBOL_TYPES.get(info & 15, str(info & 15)),
                BINDINGS.get(info >> 4, str(info >> 4)),
                SPECIAL_SECTIONS.get(section, section),
            )

    def _unpacked(self, data: bytes) -> Iterator[tuple[int, int, int, int, int]]:
        """Name, value, size, info and section of each symbol. Kernels have 100,000: elftools would take seconds."""
        order = "<" if self._elf.little_endian else ">"
        if self.elf_class == 32:
            for name, value, size, info, _, section in struct.iter_unpack(f"{order}IIIBBH", data):
                yield name, value, size, info, section
        else:
            for name, info, _, section, value, size in struct.iter_unpack(f"{order}IBBHQQ", data):
                yield name, value, size, info, section

    def relocations(self, sections: Collection[int] | None = None) -> Iterator[FileRelocation]:
        """All of them, or those of some sections, in the file's order; what they change is `section`."""
        for header in self._section_headers:
            if sections is not None and header["sh_info"] not in sections:
                continue
            if header["sh_type"] == "SHT_RELA":
                yield from self._relocations(header, self._structs.Elf_Rela)
            elif header["sh_type"] == "SHT_REL":
                yield from self._relocations(header, self._structs.Elf_Rel)

    def _relocations(self, header: Any, struct: Any) -> Iterator[FileRelocation]:
        count = header["sh_size"] // struct.sizeof()
        what = f"relocations of section {header['sh_info']}"
        for entry in self._table(struct, header["sh_offset"], count, header["sh_entsize"], what):
            addend = entry["r_addend"] if header["sh_type"] == "SHT_RELA" else None
            yield FileRelocation(
                header["sh_info"], entry["r_offset"], entry["r_info_type"], entry["r_info_sym"], addend
            )
