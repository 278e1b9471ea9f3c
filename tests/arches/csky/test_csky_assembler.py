"""The C-SKY assembler: against GNU as and ld, and what it says of bad sources."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from arches.csky import ARCH
from emu.elf.image import load_image
from emu.errors import EncodeError
from emu.machine.memory import Memory
from tools import csky_binutils
from tools.csky_assembler.assembler import assemble, build

FIRMWARE = Path(__file__).resolve().parents[3] / "firmware"
START = "guest_start:\n"


def text_of(source: str) -> bytes:
    """The text section of a source that starts at guest_start."""
    return sections_of(assemble(source, "test.s"))[".text"][1]


def sections_of(data: bytes | Path):
    path = data if isinstance(data, Path) else None
    import io

    with open(path, "rb") if path else io.BytesIO(data) as file:
        return {
            section.name: (section["sh_addr"], section.data(), section["sh_size"])
            for section in ELFFile(file).iter_sections()
            if section["sh_addr"]
        }


def symbols_of(path: Path):
    with open(path, "rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        return {
            symbol.name: (symbol["st_value"], symbol["st_size"], symbol["st_info"]["type"], symbol["st_info"]["bind"])
            for symbol in table.iter_symbols()
            if symbol.name and symbol.name[0] not in ".$" and symbol["st_info"]["type"] != "STT_FILE"
        }


@pytest.fixture
def binutils():
    tools = csky_binutils.cached()
    if tools is None:
        pytest.skip("no binutils for C-SKY: build it with `python -m tools.check_tables csky`")
    return tools


def linked_by_gnu(tools, source: Path, folder: Path) -> Path:
    made, image = folder / "gnu.o", folder / "gnu.elf"
    tools.run("as", "-mcpu=ck860", "-mno-elrw", str(source), "-o", str(made))
    tools.run("ld", "-T", str(FIRMWARE / "guest.ld"), str(made), "-o", str(image))
    return image


# The firmware


def test_firmware_is_what_the_source_gives(tmp_path):
    build(FIRMWARE / "csky.s", tmp_path / "csky.elf")
    assert (tmp_path / "csky.elf").read_bytes() == (FIRMWARE / "csky.elf").read_bytes()


def test_firmware_is_what_gnu_makes_of_it(binutils, tmp_path):
    """Every byte of every section, and every symbol."""
    gnu = linked_by_gnu(binutils, FIRMWARE / "csky.s", tmp_path)
    assert sections_of(FIRMWARE / "csky.elf") == sections_of(gnu)
    assert symbols_of(FIRMWARE / "csky.elf") == symbols_of(gnu)


def test_the_loader_takes_the_image():
    image = load_image(FIRMWARE / "csky.elf", ARCH.elf)
    assert image.entry == image.symbol("guest_start").address == 0x10000
    assert [(hex(s.address), s.flags) for s in image.segments] == [("0x10000", 5), ("0x100000", 6)]


def test_readelf_finds_nothing_wrong():
    """GNU readelf of the host knows ELF files of every machine; it warns about inconsistent headers."""
    try:
        done = subprocess.run(["readelf", "-aW", FIRMWARE / "csky.elf"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("readelf is not installed")
    assert (done.returncode, done.stderr) == (0, "")
    assert "C-SKY" in done.stdout


# Sizes: instructions are as short as their distances allow

NEAR_AND_FAR = [
    ("br .Lfar\n.fill {n}, 2, 0x6c03\n.Lfar: rts", (0, 1, 510, 511, 512, 520)),
    ("bt .Lfar\n.fill {n}, 2, 0x6c03\n.Lfar: rts", (510, 511, 512)),
    (".Lback: .fill {n}, 2, 0x6c03\nbf .Lback\nrts", (511, 512, 513)),
    ("bsr .Lfar\n.fill {n}, 2, 0x6c03\n.Lfar: rts", (0, 600)),
    ("bez r3, .Lfar\n.fill {n}, 2, 0x6c03\n.Lfar: rts", (0, 600)),
    ("lrw r3, 0x12345678\nlrw r20, guest_start\n.fill {n}, 2, 0x6c03\nrts\n.literals", (0, 249, 250, 251, 252, 260)),
    (
        "lrw r3, 50000000\nlrw r4, 50000000\nlrw r5, 60000000\nbr .Lfar\n.fill {n}, 2, 0x6c03\n.Lfar: rts\n.literals",
        (0, 250, 511),
    ),
    ("br .Lfar\nbr .Lfar\n.fill {n}, 2, 0x6c03\n.Lfar: br .Lfar\nrts", (508, 509, 510, 511)),
    ("jmpi guest_start\njsri 0x1234\nrts\n.fill {n}, 2, 0x6c03\n.literals", (0, 3)),
    ("rts\n.balignw 8, 0x6c03\n.word 1, -1, guest_start + 4, .\n.short 7\n.byte 1, 2\n.space 3\n.balign 4", (0,)),
    ("grs r1, guest_start\nlrw r2, [.Lw]\nlrw32 r2, [.Lw]\nrts\n.balign 4\n.Lw: .word 3", (0,)),
]


@pytest.mark.parametrize(("body", "counts"), NEAR_AND_FAR)
def test_sizes_are_those_of_gas(binutils, tmp_path, body, counts):
    for count in counts:
        source = tmp_path / "test.s"
        source.write_text(f"\t.text\n\t.global guest_start\n{START}{body.format(n=count)}\n")
        gnu = sections_of(linked_by_gnu(binutils, source, tmp_path))[".text"][1]
        assert text_of(source.read_text()).hex(" ", 2) == gnu.hex(" ", 2), count


# The language


def test_macros_comments_and_labels():
    source = f"""
    .macro twice reg, what # two of them
    .L\\reg: addi \\reg, \\what
    addi \\reg, \\what
    .endm
    {START} .Lsame: twice r1, 3
    br .Lsame # not the end
    br .Lr1
    """
    assert text_of(source).hex(" ", 2) == "0221 0221 fe07 fd07"


def test_symbols_have_types_and_sizes(tmp_path):
    source = f"""
    .global guest_start
    .type guest_start, @function
    {START} rts
    inside: rts
    .size guest_start, . - guest_start
    .section .shared
    .type word, @object
    word: .word 5
    .size word, .-word
    .section .bss
    room: .space 16
    """
    path = tmp_path / "test.elf"
    path.write_bytes(assemble(source, "test.s"))
    assert symbols_of(path) == {
        "guest_start": (0x10000, 4, "STT_FUNC", "STB_GLOBAL"),
        "inside": (0x10002, 0, "STT_NOTYPE", "STB_LOCAL"),
        "word": (0x100000, 4, "STT_OBJECT", "STB_LOCAL"),
        "room": (0x101000, 0, "STT_NOTYPE", "STB_LOCAL"),
    }
    image, memory = load_image(path, ARCH.elf), Memory()
    for segment in image.segments:
        memory.add(hex(segment.address), segment.address & ~0xFFF, 0x2000, executable=not segment.flags & 2)
        memory.write(segment.address, segment.data)
    assert memory.load(0x100000, 4) == 5


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("frob r1", "test.s:2: 'frob r1': expected an instruction of the table"),
        ("addi r1, r2", "test.s:2: addi r1, r2: expected"),
        ("br .Lnowhere", "test.s:2: label '.Lnowhere'"),
        (".word nowhere", "test.s:2: 'nowhere': expected a number or a label of this file"),
        (".word 1 +", "test.s:2: '1 +': expected numbers and labels"),
        (".word", "test.s:2: ''"),
        (".space 99999999999", "test.s:2: size 99999999999: expected 0..65536 bytes"),
        (".byte 256", "test.s:2: value 0x100: expected one of 1 bytes"),
        (".frobnicate 3", "test.s:2: directive '.frobnicate'"),
        (".section .init", "test.s:2: section '.init': expected one of .text"),
        (".size guest_start, 4", "test.s:2: '.size guest_start, 4': expected"),
        (".type guest_start, @thing", "test.s:2"),
        (".balign 0", "test.s:2: '.balign 0' at 0x10000: expected a boundary of 1..4096 bytes"),
        (".fill 1, 2", "test.s:2: '1, 2': expected COUNT, SIZE, VALUE"),
        (".macro open", "test.s:2: '.macro open': expected .endm after it"),
        ("guest_start: rts", "label 'guest_start' at 0x10000: expected it once"),
        (".global missing", "test.s: missing: expected a label"),
        ("lrw r1, missing", "test.s:2: 'missing': expected a number or a label of this file"),
        ("br guest_start + 0x10000000", "test.s:2: "),
        ("mtcr r1, cr<40, 0>", "test.s:2: "),
    ],
)
def test_bad_sources_say_where_and_what(line, problem):
    with pytest.raises(EncodeError) as caught:
        assemble(f"{START}{line}\n", "test.s")
    assert str(caught.value).startswith(problem)


def test_a_program_needs_its_entry():
    with pytest.raises(EncodeError, match="no label 'guest_start'"):
        assemble("rts\n", "test.s")
