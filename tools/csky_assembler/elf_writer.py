"""A small ELF writer: static C-SKY executables with two segments and a symbol table.

Source: System V ABI (ELF-32); machine number and flags as in GNU binutils 2.40 (EM_CSKY, abiv2, CK810).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_EM_CSKY, _FLAGS = 252, 0x21000008
_HEADER, _PROGRAM_HEADER, _SECTION_HEADER, _SYMBOL = 52, 32, 40, 16
_PAGE = 0x1000
_ET_EXEC, _PT_LOAD = 2, 1
_PROGBITS, _SYMTAB, _STRTAB, _NOBITS = 1, 2, 3, 8
_WRITE, _ALLOC, _EXEC = 1, 2, 4
_GLOBAL = 1 << 4
_SYMBOL_TYPES = {"": 0, "object": 1, "function": 2}


@dataclass(frozen=True)
class Section:
    """Bytes at an address. `size` counts for sections without contents (`data` is empty then)."""

    name: str
    addr: int
    data: bytes
    size: int
    executable: bool  # in the segment of text, which is not writable


@dataclass(frozen=True)
class Symbol:
    """`kind` is `function`, `object`, or empty."""

    name: str
    value: int
    size: int
    kind: str
    is_global: bool
    section: str


class _Strings:
    """A string table."""

    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        offset = len(self.data)
        self.data += text.encode() + b"\0"
        return offset


@dataclass(frozen=True)
class _Header:
    """A section header; `name` is still text."""

    name: str
    kind: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int = 0
    info: int = 0
    align: int = 4
    entry: int = 0

    def pack(self, names: _Strings) -> bytes:
        numbers = (self.kind, self.flags, self.addr, self.offset, self.size, self.link, self.info, self.align)
        return struct.pack("<10I", names.add(self.name), *numbers, self.entry)


def write_elf(sections: Sequence[Section], symbols: Sequence[Symbol], entry: int) -> bytes:
    """An executable of those sections, which must be in the order of their addresses."""
    sections = [section for section in sections if section.size]
    image = bytearray(_HEADER + 2 * _PROGRAM_HEADER)
    headers = [_place(image, section) for section in sections]
    programs = b"".join(_program_header(sections, headers, executable) for executable in (True, False))
    index = {section.name: number for number, section in enumerate(sections, 1)}
    headers += _symbol_tables(image, symbols, index)
    names = _Strings()
    packed = bytes(_SECTION_HEADER) + b"".join(header.pack(names) for header in headers)
    own = ".shstrtab"  # its name is in itself
    packed += _Header(own, _STRTAB, 0, 0, len(image), len(names.data) + len(own) + 1, align=1).pack(names)
    image += names.data
    image += bytes(-len(image) % 4)
    image[: _HEADER + 2 * _PROGRAM_HEADER] = _elf_header(entry, len(image), len(headers) + 2) + programs
    return bytes(image) + packed


def _place(image: bytearray, section: Section) -> _Header:
    """Append a section at an offset that agrees with its address modulo the page size."""
    image += bytes((section.addr - len(image)) % _PAGE if section.data else 0)
    offset = len(image)
    image += section.data
    kind = _PROGBITS if section.data else _NOBITS
    return _Header(section.name, kind, _flags(section), section.addr, offset, section.size)


def _flags(section: Section) -> int:
    """Tables and constants lie in the segment of text, but only `.text` is said to hold instructions."""
    if not section.executable:
        return _ALLOC | _WRITE
    return _ALLOC | _EXEC if section.name == ".text" else _ALLOC


def _elf_header(entry: int, section_table: int, sections: int) -> bytes:
    ident = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")  # 32 bits, little endian, version 1
    sizes = (_HEADER, _PROGRAM_HEADER, 2, _SECTION_HEADER, sections, sections - 1)
    return ident + struct.pack("<HHIIIIIHHHHHH", _ET_EXEC, _EM_CSKY, 1, entry, _HEADER, section_table, _FLAGS, *sizes)


def _program_header(sections: Sequence[Section], headers: Sequence[_Header], executable: bool) -> bytes:
    inside = [(s, header) for s, header in zip(sections, headers, strict=True) if s.executable == executable]
    if not inside:
        return bytes(_PROGRAM_HEADER)
    first, last = inside[0][1], inside[-1][1]
    in_file = max(header.offset + len(s.data) - first.offset if s.data else 0 for s, header in inside)
    in_memory = last.addr + last.size - first.addr
    flags = 5 if executable else 6
    return struct.pack("<8I", _PT_LOAD, first.offset, first.addr, first.addr, in_file, in_memory, flags, _PAGE)


def _symbol_tables(image: bytearray, symbols: Sequence[Symbol], index: Mapping[str, int]) -> list[_Header]:
    """Append .symtab and .strtab; `index` is each section's number."""
    strings = _Strings()
    table = bytes(_SYMBOL)
    for symbol in sorted(symbols, key=lambda symbol: symbol.is_global):  # ELF wants the local ones first
        info = _SYMBOL_TYPES[symbol.kind] | (_GLOBAL if symbol.is_global else 0)
        name = strings.add(symbol.name)
        table += struct.pack("<IIIBBH", name, symbol.value, symbol.size, info, 0, index[symbol.section])
    image += bytes(-len(image) % 4)
    first_global = 1 + sum(not symbol.is_global for symbol in symbols)
    link = len(index) + 2  # .strtab follows .symtab
    symtab = _Header(".symtab", _SYMTAB, 0, 0, len(image), len(table), link, first_global, 4, _SYMBOL)
    image += table
    strtab = _Header(".strtab", _STRTAB, 0, 0, len(image), len(strings.data), align=1)
    image += strings.data
    return [symtab, strtab]
