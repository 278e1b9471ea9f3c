"""Exception tables in both formats; the firmware's own are tested with the probes that they refuse."""

import pytest

import arches
from emu.elf.extable import exception_table
from emu.errors import ImageError


def table_of(name, data):
    return exception_table(arches.load(name).elf, "made.elf", 0x20000, bytes.fromhex(data))


def test_offsets_are_from_the_fields_that_hold_them():
    first = "00fcffff4000000000000000"  # 0x20000 - 0x400
    second = "140000004000000000000000"  # 0x2000c + 0x14
    assert table_of("arm64", first + second) == {0x1FC00, 0x20020}


def test_pairs_of_addresses():
    assert table_of("mips", "78560100000001004403020000000100") == {0x15678, 0x20344}


@pytest.mark.parametrize(("name", "data"), [("arm64", "00fcffff40000000"), ("mips", "785601000000010044030200")])
def test_a_table_that_ends_within_an_entry(name, data):
    with pytest.raises(ImageError, match=r"^made\.elf: __ex_table of .* bytes: expected entries of"):
        table_of(name, data)
