"""Relocatable files: every section byte for byte as a real linker makes it at the same addresses, and damaged ones."""

from __future__ import annotations

import importlib.util
import io
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

import arches
from emu.elf.file import ElfFile
from emu.elf.image import SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE
from emu.elf.module import BASE, image_of_module, load_module, open_image, relocate
from emu.errors import ImageError, TraplineError
from emu.verdict.listing import Listing

BINUTILS = Path(__file__).parents[2] / ".cache" / "binutils-csky" / "bin"
LLD_ARCHES = ("arm64", "loongarch", "mips", "riscv", "x86")
GOT_HEADER = {"riscv": 8}  # bytes before the first pointer that lld keeps for a dynamic linker
WITHOUT_GOT = {"loongarch": (75, 76)}  # types in whose place lld has instructions that need no pointer
PROCESSOR_SPECIFIC = (".reginfo", ".MIPS.abiflags")  # linkers write these anew


def linked(arch, path):
    module = load_module(ElfFile.load(path), arch.elf)
    module.end += GOT_HEADER.get(arch.name, 0)
    relocate(module, arch.elf)
    return module


def by_linker(arch, module, path, output, linker):
    """The sections of a linked file in which everything has the addresses that the module has."""
    wanted = [section for section in module.sections if section.name not in PROCESSOR_SPECIFIC]
    places = sorted((module.addresses[section.index], section.name) for section in wanted)
    lines = [f"{name} {address:#x} : {{ *({name}) }}" for address, name in places]
    got = f".got {module.end - GOT_HEADER.get(arch, 0):#x} : {{ *(.got) *(.got.plt) }}"
    script = output.with_suffix(".ld")
    unwanted = f"/DISCARD/ : {{ {' '.join(f'*({name})' for name in PROCESSOR_SPECIFIC)} }}"
    script.write_text("SECTIONS {\n" + "\n".join([*lines, got, unwanted]) + "\n}\n")
    elsewhere = module.externals | {name: address for name, (address, _) in module.stand_ins.items()}
    symbols = [f"--defsym={name}={address:#x}" for name, address in elsewhere.items()]
    command = [*linker, "-T", script, "-e", "0", *symbols, path, "-o", output]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return {section.name: section.data for section in ElfFile.load(output).sections(SHF_ALLOC)}


def check_against_linker(arch, path, output, linker):
    module = linked(arches.load(arch), path)
    expected = by_linker(arch, module, path, output, linker)
    relocations = list(module.file.relocations())
    other = {(r.section, r.offset + n) for r in relocations if r.type in WITHOUT_GOT.get(arch, ()) for n in range(4)}
    compared = 0
    for section in module.sections:
        if section.data and section.name in expected and section.name not in PROCESSOR_SPECIFIC:
            pairs = zip(module.contents[section.index], expected[section.name], strict=False)
            differing = [hex(n) for n, (a, b) in enumerate(pairs) if a != b and (section.index, n) not in other]
            assert not differing, section.name
            compared += any(relocation.section == section.index for relocation in relocations)
    return compared


def lld():
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is not installed")
    return [sys.executable, "-m", "ziglang", "ld.lld", "--no-relax", "-O0"]


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize("arch", LLD_ARCHES)
def test_compiled_objects_as_lld_links_them(compiled, tmp_path, arch, level):
    path = compiled(arch, level, "o")
    assert check_against_linker(arch, path, tmp_path / "linked", lld()) >= 3  # .text, .rodata, .eh_frame


@pytest.mark.parametrize("arch", ["arm64", "riscv"])
def test_a_table_of_pointers_as_lld_has_it(compiled, tmp_path, arch):
    assert check_against_linker(arch, compiled(arch, 2, "pic.o"), tmp_path / "linked", lld()) >= 3


@pytest.mark.parametrize(
    ("arch", "name"),
    [(arch, name) for arch in ("x86", "arm64", "mips") for name in ("lz4_compress", "cordic")] + [("mips", "ext4")],
)
def test_kernel_modules_as_lld_links_them(module, tmp_path, arch, name):
    assert check_against_linker(arch, module(arch, name), tmp_path / "linked", lld()) >= 3


CSKY = """
	.text
f:	lrw	r0, data
	jsri	f
	bsr	g
	bf	g
	bt	f
	br	g
	.reloc	., R_CKCORE_ADDR_HI16, data
	movih	r1, 0
	.reloc	., R_CKCORE_ADDR_LO16, data
	ori	r1, r1, 0
	jmpi	g
	nop
g:	rts
	bez	r1, f
	br32	f
	lrw	r3, ext
	bsr	ext
	bnez	r2, ext2
	bf	ext2
	.long	f - .
	.section .text.two, "ax"
ext2:	rts
	.data
data:	.long	f, data, ext + 4
"""


def test_csky_as_binutils_links_it(tmp_path):
    if not (BINUTILS / "ld").exists():
        pytest.skip("the C-SKY binutils are not built (tools/check_csky.py builds them)")
    source, path = tmp_path / "a.s", tmp_path / "a.o"
    source.write_text(CSKY)
    subprocess.run([BINUTILS / "as", "-mcpu=ck860", source, "-o", path], check=True)
    assert check_against_linker("csky", path, tmp_path / "linked", [BINUTILS / "ld"]) == 2


# What is made of them


def test_sections_go_by_what_may_be_done_with_them(compiled):
    """Text first, on pages of its own, then what is read, then what is written; symbols follow their sections."""
    image, module = open_image(ElfFile.load(compiled("x86", 2, "o")), arches.load("x86").elf)
    text, rodata, bss = (image.sections[name] for name in (".text", ".rodata", ".bss"))
    assert text.address == BASE
    assert text.address + text.size <= rodata.address // 0x1000 * 0x1000
    assert rodata.address + rodata.size <= bss.address // 0x1000 * 0x1000
    assert image.symbol_at(image.symbol("crc32").address)[0].name == "crc32"
    assert image.symbol("crc32").address in range(text.address, text.address + text.size)
    assert bss.address <= image.symbol("calls").address < bss.address + bss.size
    assert module.external_at(module.externals["outside"]) == "outside"
    assert module.external_at(text.address) is None


def test_an_executable_is_no_module(compiled):
    image, module = open_image(ElfFile.load(compiled("x86", 2, "elf")), arches.load("x86").elf)
    assert module is None and "crc32" in image.symbols


def test_another_machine(compiled):
    with pytest.raises(ImageError, match="for EM_X86_64, 64-bit, little endian; expected EM_AARCH64"):
        open_image(ElfFile.load(compiled("x86", 2, "o")), arches.load("arm64").elf)


def test_a_type_that_is_not_known_is_named(compiled):
    """The relocations of one machine under the table of another."""
    loongarch, x86 = arches.load("loongarch").elf, arches.load("x86").elf
    module = load_module(ElfFile.load(compiled("loongarch", 2, "o")), loongarch)
    with pytest.raises(
        ImageError, match=r"relocation of type \d+ at 0x1[0-9a-f]+: expected one of 0, 1, 2, .* on EM_X86_64"
    ):
        relocate(module, x86)


@pytest.mark.parametrize(("arch", "name"), [("x86", "outside"), ("arm64", "outside"), ("mips", "outside")])
def test_what_is_out_of_reach(compiled, arch, name):
    """A call has to reach its target."""
    one = arches.load(arch).elf
    module = load_module(ElfFile.load(compiled(arch, 2, "o")), one)
    module.externals[name] = 0x7000_0000_0000 if one.elf_class == 64 else 0x9000_0000
    if arch == "mips":
        module.externals[name] += 2
    with pytest.raises(ImageError, match="relocation of type"):
        relocate(module, one)


@pytest.mark.parametrize("arch", LLD_ARCHES)
def test_damaged_files_give_an_image_or_one_error(compiled, arch):
    """Whatever bytes change: never another exception, never a hang."""
    data, rng, one = compiled(arch, 2, "o").read_bytes(), random.Random(1), arches.load(arch)
    errors = 0
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 4))):
            damaged[rng.randrange(len(data))] = rng.randrange(256)
        try:
            module = load_module(ElfFile(bytes(damaged), "bad.o"), one.elf)
            relocate(module, one.elf)
            list(Listing(one.isa, one.probing, image_of_module(module, one.elf), None, relocatable=True).lines())
        except TraplineError as error:
            assert str(error).startswith("bad.o: ") and "\n" not in str(error)
            errors += 1
    assert errors > 10


@pytest.mark.parametrize("arch", LLD_ARCHES)
def test_a_symbol_without_section_and_name(compiled, arch):
    """Nobody can define it: an error that names it, wherever it is used."""
    module = load_module(ElfFile.load(compiled(arch, 2, "o")), arches.load(arch).elf)
    number = next(n for n, symbol in enumerate(module.symbols) if symbol.name == "outside")
    module.symbols[number] = replace(module.symbols[number], name="")
    with pytest.raises(ImageError, match=rf"symbol {number}, '', is in section SHN_UNDEF; expected a section"):
        relocate(module, arches.load(arch).elf)


def with_section(data, name, **changes):
    """The file with another header for one section."""
    elf = ELFFile(io.BytesIO(data))
    number = elf.get_section_index(name)
    header = elf.get_section(number).header
    for field, value in changes.items():
        header[field] = value
    packed, at = elf.structs.Elf_Shdr.build(header), elf["e_shoff"] + number * elf["e_shentsize"]
    return data[:at] + packed + data[at + len(packed) :]


@pytest.mark.parametrize("arch", LLD_ARCHES)
def test_a_size_that_no_image_has(compiled, arch):
    """Before any memory is asked for."""
    huge = with_section(compiled(arch, 2, "o").read_bytes(), ".bss", sh_size=0xF000_0000)
    with pytest.raises(
        ImageError, match=r"^bad\.o: asks for 0xf000[0-9a-f]+ bytes of memory, expected at most 0x10000000$"
    ):
        load_module(ElfFile(huge, "bad.o"), arches.load(arch).elf)


@pytest.mark.parametrize("arch", LLD_ARCHES)
def test_writable_text_is_text(compiled, arch):
    data = with_section(compiled(arch, 2, "o").read_bytes(), ".text", sh_flags=SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR)
    image, _ = open_image(ElfFile(data, "a.o"), arches.load(arch).elf)
    text = image.sections[".text"]
    assert text.address == BASE and image.symbol("crc32").address in range(text.address, text.address + text.size)


@pytest.mark.parametrize("arch", LLD_ARCHES)
def test_truncated_files(compiled, arch):
    data, one = compiled(arch, 2, "o").read_bytes(), arches.load(arch).elf
    for size in range(0, len(data), 499):
        with pytest.raises(ImageError, match=r"^bad\.o: "):
            load_module(ElfFile(data[:size], "bad.o"), one)
