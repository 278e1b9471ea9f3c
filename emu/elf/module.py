"""Relocatable files: modules (`.ko`) and objects, given addresses and linked as the module loader of a kernel does.

Sections are laid out by what may be done with them: text, read-only data, writable data, each on pages of its own.
What other modules or the kernel would define gets an address where nothing is mapped, so that only code
that really goes there has a problem, and the address tells the name. Calls that a kernel patches away when it loads a
module (to the tracer, to return thunks) lead to a few instructions that stand in for them.
"""

from __future__ import annotations

from collections.abc import Collection

from emu.bits import PAGE
from emu.elf.elf_side import ElfSide
from emu.elf.file import ElfFile, FileRelocation, FileSection, Segment
from emu.elf.image import (
    PF_W,
    PF_X,
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_WRITE,
    Image,
    Section,
    check_segments,
    check_size,
    image_of,
    make_image,
)
from emu.elf.linking import EXTERNAL_SIZE, GOT_ENTRY, Fixup, Module

BASE = 0x0100_0000  # positive in 32 bits, for the code models that need that
FAR = 1 << 20  # from the sections to what they do not define: in reach of calls, and behind the GOT


def load_module(file: ElfFile, elf: ElfSide, base: int = BASE) -> Module:
    """Addresses for everything in a relocatable file; ImageError if it is not one for this architecture."""
    file.expect(elf.machine, elf.elf_class, relocatable=True)
    sections = file.sections(SHF_ALLOC)  # empty ones too: symbols may be there
    symbols = list(file.symbols())
    check_size(sum(section.size for section in sections), file.name)
    addresses, end = _lay_out(sections, base)
    contents = {s.index: bytearray(s.data or bytes(s.size)) for s in sections}
    undefined = dict.fromkeys(s.name for s in symbols if s.section in ("SHN_UNDEF", "SHN_COMMON") and s.name)
    known = [name for name in undefined if name in elf.stand_ins]
    first = _page_after(end) + FAR
    stand_ins = {name: (first + EXTERNAL_SIZE * n, elf.stand_ins[name]) for n, name in enumerate(known)}
    first += _page_after(EXTERNAL_SIZE * len(known)) + PAGE
    externals = {name: first + EXTERNAL_SIZE * n for n, name in enumerate(undefined) if name not in stand_ins}
    return Module(file, sections, symbols, addresses, contents, externals, stand_ins, end)


def _lay_out(sections: list[FileSection], base: int) -> tuple[dict[int, int], int]:
    """Text first (writable too, if someone has that), then what is read, then what is written."""
    addresses, at = {}, base
    for kind in (SHF_EXECINSTR, 0, SHF_WRITE):
        at = _page_after(at)
        for section in sections:
            if (section.flags & SHF_EXECINSTR or section.flags & SHF_WRITE) == kind:
                at = -(-at // max(section.align, 1)) * max(section.align, 1)
                addresses[section.index] = at
                at += section.size
    return addresses, -(-at // GOT_ENTRY) * GOT_ENTRY


def _page_after(addr: int) -> int:
    return -(-addr // PAGE) * PAGE


def relocate(module: Module, elf: ElfSide, only: Collection[str] | None = None) -> None:
    """Apply the relocations of the loaded sections (of those named); ImageError for a type that nobody knows here."""
    names = {section.index: section.name for section in module.sections}
    by_section: dict[int, list[FileRelocation]] = {}
    wanted = {number for number, name in names.items() if only is None or name in only}
    for relocation in module.file.relocations(wanted):
        by_section.setdefault(relocation.section, []).append(relocation)
    fixups = [
        _fixup(module, relocations, index) for relocations in by_section.values() for index in range(len(relocations))
    ]
    for fixup in fixups:
        module.fixups.setdefault(fixup.P, []).append(fixup)
    for fixup in fixups:
        fix = elf.relocations.get(fixup.relocation.type)
        if fix is None:
            raise fixup.error(f"expected one of {', '.join(map(str, sorted(elf.relocations)))} on {elf.machine}")
        fix(fixup)


def _fixup(module: Module, relocations: list[FileRelocation], index: int) -> Fixup:
    relocation = relocations[index]
    place = module.addresses[relocation.section] + relocation.offset
    where = f"relocation of type {relocation.type} at {place:#x}"
    if relocation.symbol >= len(module.symbols):
        raise module.file.error(f"{where}: symbol {relocation.symbol}, there are {len(module.symbols)}")
    address = module.symbol_address(relocation.symbol)
    if address is None:
        name = module.symbols[relocation.symbol].name
        raise module.file.error(f"{where}: symbol {name!r} is in a section that is not loaded")
    return Fixup(module, relocation, relocations, index, address, place)


def image_of_module(module: Module, elf: ElfSide) -> Image:
    """The module as an image: one segment for each section, for the pointers that were made, and the stand-ins."""
    sections = [
        Section(name, module.addresses[s.index], s.size, bytes(module.contents[s.index]), s.flags)
        for s, name in zip(module.sections, _unique([s.name for s in module.sections]), strict=True)
    ]
    segments = [Segment(s.address, s.data, s.size, _segment_flags(s.flags)) for s in sections if s.size]
    if module.got:
        size = module.file.elf_class // 8
        pointers = b"".join(addr.to_bytes(size, "little").ljust(GOT_ENTRY, b"\0") for addr in module.got)
        segments.append(Segment(module.end, pointers, len(pointers), PF_W))
    if module.stand_ins:
        start = min(address for address, _ in module.stand_ins.values())
        code = b"".join(code.ljust(EXTERNAL_SIZE, b"\0") for _, code in module.stand_ins.values())
        segments.append(Segment(start, code, len(code), PF_X))
    check_segments(tuple(segments), module.file.name, module.file.elf_class)
    defined = [(n, s) for n, s in enumerate(module.symbols) if s.section != "SHN_UNDEF"]
    entries = [(symbol, address) for n, symbol in defined if (address := module.symbol_address(n)) is not None]
    return make_image(module.file, elf, tuple(segments), sections, entries)


def _segment_flags(flags: int) -> int:
    return (PF_X if flags & SHF_EXECINSTR else 0) | (PF_W if flags & SHF_WRITE else 0)


def _unique(names: list[str]) -> list[str]:
    """Names of sections, numbered where they repeat."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return found


def open_image(
    file: ElfFile, elf: ElfSide, only: Collection[str] | None = None, *, stripped: bool = False
) -> tuple[Image, Module | None]:
    """The image of an executable, or that of a relocatable file, and the latter itself.

    `only` are the names of the sections to relocate, None for all. ImageError for what is damaged, or another
    architecture's.
    """
    if not file.relocatable:
        return image_of(file, elf, stripped=stripped), None
    module = load_module(file, elf)
    relocate(module, elf, only)
    return image_of_module(module, elf), module
