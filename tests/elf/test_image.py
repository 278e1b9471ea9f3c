"""ELF images: what is read from a good one, and the one line that every damaged one gives."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from emu.elf.elf_side import ElfSide
from emu.elf.image import LARGEST, Image, Symbol, load_image, parse_image
from emu.errors import ImageError

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
EHDR, PHDR, SHDR, SYM = "<16sHHIQQQIHHHHHH", "<IIQQQQQQ", "<IIQQQQIIQQ", "<IBBHQQ"  # ELF64, System V ABI chapter 4
ARM64, MIPS = ElfSide("EM_AARCH64", 64), ElfSide("EM_MIPS", 32, relative_extable=False)
R, W, X = 4, 2, 1
FUNC, OBJECT, NOTYPE = 2, 1, 0


@dataclass
class Elf:
    """An ELF64 for ARM64, written by hand: what the tests damage."""

    segments: list[tuple[int, bytes, int, int]] = field(default_factory=lambda: [(0x10000, b"\1\2\3\4" * 4, 16, R | X)])
    text: tuple[int, int] = (0x10000, 16)
    symbols: list[tuple[str, int, int, int]] = field(default_factory=lambda: [("main", 0x10000, 8, FUNC)])
    machine: int = 183  # EM_AARCH64
    type: int = 2  # ET_EXEC
    entry: int = 0x10000
    undefined: tuple[str, ...] = ()
    change_symtab: dict[int, int] = field(default_factory=dict)  # field of the section header -> value

    def bytes(self) -> bytes:
        body_at = 64 + 56 * len(self.segments)
        body, headers = b"", b""
        for address, data, memsize, flags in self.segments:
            headers += struct.pack(PHDR, 1, flags, body_at + len(body), address, address, len(data), memsize, 1)
            body += data
        strings = b"\0.text\0.symtab\0.strtab\0"
        names = b"\0"
        table = bytes(24)
        for name, address, size, kind in self.symbols:
            section = 0 if name in self.undefined else 1
            table += struct.pack(SYM, len(names), 0x10 | kind, 0, section, address, size)
            names += name.encode() + b"\0"
        table_at = body_at + len(body)
        names_at = table_at + len(table)
        strings_at = names_at + len(names)
        symtab = [7, 2, 0, 0, table_at, len(table), 3, 1, 8, 24]
        for number, value in self.change_symtab.items():
            symtab[number] = value
        sections = [
            [0] * 10,
            [1, 1, 6, self.text[0], body_at, min(self.text[1], len(body)), 0, 0, 4, 0],
            symtab,
            [15, 3, 0, 0, names_at, len(names), 0, 0, 1, 0],
            [15, 3, 0, 0, strings_at, len(strings), 0, 0, 1, 0],
        ]
        shoff = strings_at + len(strings)
        ident = b"\x7fELF\2\1\1" + bytes(9)
        counts = (64, 56, len(self.segments), 64, len(sections), 4)
        head = struct.pack(EHDR, ident, self.type, self.machine, 1, self.entry, 64, shoff, 0, *counts)
        tail = b"".join(struct.pack(SHDR, *section) for section in sections)
        return head + headers + body + table + names + strings + tail


def parse(elf: Elf) -> Image:
    return parse_image(elf.bytes(), "made.elf", ARM64)


def test_what_a_good_one_holds():
    image = parse(Elf())
    assert (image.entry, image.machine, image.elf_class) == (0x10000, "EM_AARCH64", 64)
    (segment,) = image.segments
    assert (segment.address, segment.data, segment.memsize, segment.flags) == (0x10000, b"\1\2\3\4" * 4, 16, R | X)
    assert image.symbol("main") == Symbol("main", 0x10000, 8, "function")
    section = image.sections[".text"]
    assert (section.address, section.size, section.data, section.executable) == (0x10000, 16, b"\1\2\3\4" * 4, True)
    assert image.executable_sections() == (section,)


@pytest.mark.parametrize(
    ("symbols", "addr", "expected"),
    [
        ([("f", 0x10000, 8, FUNC), ("g", 0x10008, 4, FUNC)], 0x10004, ("f", 4)),
        ([("f", 0x10000, 8, FUNC), ("g", 0x10008, 4, FUNC)], 0x10008, ("g", 0)),
        ([("f", 0x10000, 8, FUNC), ("g", 0x10008, 4, FUNC)], 0x1000C, None),  # past the last one's size
        ([("f", 0x10004, 8, FUNC)], 0x10000, None),  # before the first one
        ([("f", 0x10000, 8, FUNC), ("site", 0x10004, 0, NOTYPE)], 0x10004, ("f", 4)),  # the function, not the label
        ([("f", 0x10000, 4, FUNC), ("site", 0x10008, 0, NOTYPE)], 0x1000C, ("site", 4)),  # no function there
        ([("f", 0x10000, 0, FUNC), ("g", 0x10008, 4, FUNC)], 0x10007, ("f", 7)),  # no size: up to the next symbol
        ([("f", 0x10000, 0, FUNC)], 0x1000F, ("f", 15)),  # ... or the section's end
        ([("f", 0x10000, 0, FUNC)], 0x10010, None),
        ([("local", 0x10000, 8, FUNC), ("alias", 0x10000, 8, FUNC)], 0x10000, ("alias", 0)),  # globals come last
        ([("data", 0x10000, 8, OBJECT), ("f", 0x10008, 4, FUNC)], 0x10000, None),  # not a text symbol
        ([("f", 0x10000, 8, FUNC), ("data", 0x20000, 8, FUNC)], 0x20000, None),  # not in an executable section
        ([("$x", 0x10000, 0, NOTYPE), ("f", 0x10008, 4, FUNC)], 0x10000, None),  # mapping symbols are not names
    ],
)
def test_the_symbol_around_an_address(symbols, addr, expected):
    found = parse(Elf(symbols=symbols)).symbol_at(addr)
    assert (found and (found[0].name, found[1])) == expected


def test_an_unknown_symbol_is_named_with_its_neighbours():
    said = r"^made\.elf: no symbol 'mian': expected one of main \(did you mean main\?\)$"
    with pytest.raises(ImageError, match=said):
        parse(Elf()).symbol("mian")
    with pytest.raises(ImageError, match=r"^made\.elf: no symbol 'qqq': expected one of main$"):
        parse(Elf()).symbol("qqq")


def damaged(offset: int, layout: str, value: int) -> bytes:
    data = bytearray(Elf().bytes())
    struct.pack_into(layout, data, offset, value)
    return bytes(data)


def test_undefined_symbols_and_other_tables():
    symbols = [("main", 0x10000, 8, FUNC), ("printk", 0, 0, NOTYPE), ("frame.c", 0, 0, 4), ("", 0x10008, 4, FUNC)]
    assert list(parse(Elf(symbols=symbols, undefined=("printk",))).symbols) == ["main"]  # 4 is STT_FILE
    assert list(parse(Elf(change_symtab={1: 11})).symbols) == ["main"]  # SHT_DYNSYM, where there is no SHT_SYMTAB


def test_numbers_that_do_not_fit_the_header_are_in_the_first_section():
    data = bytearray(Elf().bytes())
    (shoff,) = struct.unpack_from("<Q", data, 40)
    struct.pack_into("<HH", data, 60, 0, 0xFFFF)  # e_shnum, e_shstrndx
    struct.pack_into("<QI", data, shoff + 32, 5, 4)  # sh_size, sh_link
    assert list(parse_image(bytes(data), "many.elf", ARM64).sections) == [".text"]


def test_sections_that_are_not_text():
    image = load_image(FIRMWARE / "arm64.elf", ARM64)
    bss = image.sections[".bss"]
    assert (bss.size, bss.data, bss.executable) == (8192, b"", False)  # eight stacks
    assert image.symbol("bug_table_start").kind == "label"
    assert image.symbol_at(image.symbol("bug_table_start").address) is None  # in a segment with text, but not text


BAD = {
    "empty": (b"", r"not an ELF: starts with nothing"),
    "text": (b"#!/bin/sh\n", r"not an ELF: starts with 23 21 2f 62, expected 7f 45 4c 46"),
    "only the magic": (b"\x7fELF", r"bad or truncated ELF header \(4 bytes\)"),
    "half a header": (Elf().bytes()[:40], r"bad or truncated ELF header \(40 bytes\)"),
    "half a program header": (Elf().bytes()[:100], r"truncated: program header table is 0x38 bytes at offset 0x40"),
    "half a segment": (
        Elf().bytes()[:130],
        r"truncated: segment at 0x10000 is 0x10 bytes at offset 0x78, the file has",
    ),
    "no section table": (Elf().bytes()[:-1], r"truncated: section table is 0x140 bytes"),
    "class": (damaged(4, "<B", 7), r"bad or truncated ELF header .*EI_CLASS"),
    "machine": (Elf(machine=8).bytes(), r"for EM_MIPS, 64-bit, little endian; expected EM_AARCH64, 64-bit, little"),
    "unknown machine": (Elf(machine=9999).bytes(), r"for 9999, 64-bit, little endian; expected EM_AARCH64"),
    "relocatable": (Elf(type=1).bytes(), r"of type ET_REL; expected an executable"),
    "core": (Elf(type=4).bytes(), r"of type ET_CORE; expected an executable"),
    "nothing to load": (Elf(segments=[]).bytes(), r"nothing to load: expected PT_LOAD segments"),
    "file above memory": (
        Elf(segments=[(0x10000, bytes(16), 8, R)]).bytes(),
        r"segment at 0x10000 has 0x10 bytes in the file, more than in memory \(0x8\)",
    ),
    "huge": (
        Elf(segments=[(0x10000, bytes(16), 1 << 40, R)]).bytes(),
        rf"asks for 0x10000000000 bytes of memory, expected at most {LARGEST:#x}",
    ),
    "huge together": (
        Elf(segments=[(i << 32, bytes(16), LARGEST // 4, R) for i in range(5)]).bytes(),
        r"asks for 0x14000000 bytes of memory",
    ),
    "past the end": (
        Elf(segments=[((1 << 64) - 8, bytes(16), 16, R)]).bytes(),
        r"segment at 0xfffffffffffffff8 reaches 0x10000000000000008, past the last address",
    ),
    "overlap": (
        Elf(segments=[(0x10008, bytes(16), 16, R), (0x10000, bytes(16), 16, R)]).bytes(),
        r"segment at 0x10008 overlaps the one at 0x10000\.\.0x10010",
    ),
    "size of program headers": (damaged(54, "<H", 32), r"program header table has entries of 32 bytes, expected 56"),
    "size of section headers": (damaged(58, "<H", 0), r"section table has entries of 0 bytes, expected 64"),
    "names of sections": (damaged(62, "<H", 9), r"section names are in section 9, there are 5"),
    "names of sections elsewhere": (damaged(62, "<H", 1), r"section names are in section 1 of type SHT_PROGBITS"),
    "no symbol table": (Elf(change_symtab={1: 1}).bytes(), r"no symbols: expected an ELF that has not been stripped"),
    "no symbols": (Elf(symbols=[]).bytes(), r"no symbols: expected an ELF that has not been stripped"),
    "no sections": (damaged(40, "<Q", 0)[:60] + bytes(4) + Elf().bytes()[64:], r"no symbols"),
    "symbols outside": (
        Elf(change_symtab={4: 1 << 20}).bytes(),
        r"truncated: symbol table is 0x30 bytes at offset 0x100000",
    ),
    "far too many symbols": (
        Elf(change_symtab={5: 24 << 50}).bytes(),
        r"truncated: symbol table is 0x60000000000000 bytes",
    ),
    "half a symbol": (Elf(change_symtab={5: 47}).bytes(), r"symbol table of 0x2f bytes, expected a multiple of 24"),
    "size of a symbol": (Elf(change_symtab={9: 0}).bytes(), r"symbol table has entries of 0 bytes, expected 24"),
    "names of symbols": (Elf(change_symtab={6: 77}).bytes(), r"symbol names are in section 77, there are 5"),
    "a name outside": (
        Elf(change_symtab={6: 4}, symbols=[("a" * 40, 0, 0, 0), ("b", 0, 0, 0)]).bytes(),
        r"symbol name at 0x2a",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(case):
    data, message = BAD[case]
    with pytest.raises(ImageError, match=rf"^bad\.elf: {message}") as caught:
        parse_image(data, "bad.elf", ARM64)
    assert "\n" not in str(caught.value)


def test_wrong_class_and_byte_order():
    mips = (FIRMWARE / "mips.elf").read_bytes()
    assert parse_image(mips, "mips.elf", MIPS).symbol("results").size == 4 * 8  # a word for each CPU
    with pytest.raises(ImageError, match="for EM_MIPS, 32-bit, little endian; expected EM_MIPS, 64-bit, little"):
        parse_image(mips, "mips.elf", replace(MIPS, elf_class=64))
    big = b"\x7fELF\1\2\1" + bytes(9) + struct.pack(">HHIIIIIHHHHHH", 2, 8, 1, 0, 0, 0, 0, 52, 0, 0, 0, 0, 0)
    with pytest.raises(ImageError, match="for EM_MIPS, 32-bit, big endian; expected EM_MIPS, 32-bit, little"):
        parse_image(big, "big.elf", MIPS)


def test_a_file_that_is_not_there_or_a_folder(tmp_path):
    for path, reason in ((tmp_path / "none.elf", "No such file"), (tmp_path, "expected a regular file")):
        with pytest.raises(ImageError, match=f"cannot be read: {reason}"):
            load_image(path, ARM64)


def test_truncated_anywhere_is_said_so():
    data = (FIRMWARE / "arm64.elf").read_bytes()  # its section table is at the end, so nothing can be missing
    for size in [*range(0, 200), *range(200, len(data), 97), len(data) - 1]:
        with pytest.raises(ImageError, match=r"truncated|not an ELF"):
            parse_image(data[:size], "cut.elf", ARM64)


def test_random_damage_gives_an_image_or_an_image_error():
    random_ = random.Random(4)
    good = Elf().bytes()
    refused = 0
    for _ in range(1000):
        data = bytearray(good)
        for _ in range(random_.randint(1, 4)):
            data[random_.randrange(4, len(data))] = random_.choice((0, 1, 0x7F, 0x80, 0xFF, random_.randrange(256)))
        try:
            parse_image(bytes(data), "noise.elf", ARM64)
        except ImageError:
            refused += 1
    assert 300 < refused < 1000
