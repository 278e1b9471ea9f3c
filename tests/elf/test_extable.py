"""Exception tables in both formats; the firmware's own are tested with the probes that they refuse."""

from dataclasses import replace
from pathlib import Path

import pytest

import arches
from emu.elf.extable import exception_table
from emu.elf.image import Section, load_image
from emu.errors import ImageError

FIRMWARE = Path(__file__).parents[2] / "firmware"


def table_of(name, data):
    arch = arches.load(name)
    image = load_image(FIRMWARE / f"{name}.elf", arch.elf_machine, arch.elf_class)
    section = Section("__ex_table", 0x20000, len(data), bytes.fromhex(data), 2)
    return exception_table(arch, replace(image, sections={"__ex_table": replace(section, size=len(section.data))}))


def test_offsets_are_from_the_fields_that_hold_them():
    first = "00fcffff4000000000000000"  # 0x20000 - 0x400
    second = "140000004000000000000000"  # 0x2000c + 0x14
    assert table_of("arm64", first + second) == {0x1FC00, 0x20020}


def test_pairs_of_addresses():
    assert table_of("mips", "78560100000001004403020000000100") == {0x15678, 0x20344}


@pytest.mark.parametrize(("name", "data"), [("arm64", "00fcffff40000000"), ("mips", "785601000000010044030200")])
def test_a_table_that_ends_within_an_entry(name, data):
    with pytest.raises(ImageError, match=r"__ex_table of .* bytes: expected entries of"):
        table_of(name, data)


def test_no_table():
    arch = arches.load("riscv")
    image = load_image(FIRMWARE / "riscv.elf", arch.elf_machine, arch.elf_class)
    assert exception_table(arch, replace(image, sections={})) == frozenset()
