"""The table engine: rows as written in the manuals, both ways, and every way in which a row can be wrong."""

from __future__ import annotations

import itertools

import pytest

from emu.errors import DecodeError, EncodeError, TableError
from emu.isa.table import Number, PcRelative, RegisterName, Table

GPR = RegisterName([f"r{n}" for n in range(32)], {"zero": 0})
KINDS = {"r?": GPR, "off": PcRelative(absolute=False)}

# Rows of the LoongArch manual, volume 1; words below were made by LLVM 19.
LOONG = """
# name    encoding, most significant bit first    operands       kprobe
addi.d    0000001011 imm:s12 rj:5 rd:5            rd, rj, imm    step
ll.w      00100000 off[15:2]s rj:5 rd:5           rd, rj, off    reject
beq       010110 off[17:2]s rj:5 rd:5             rj, rd, off    simulate
b         010100 off[17:2|27:18]s                 off            simulate
break     00000000001010100 code:15               code           step
ertn      00000110010010000011100000000000        -              step
@nop      00000011010000000000000000000000
andi      0000001101 imm:12 rj:5 rd:5             rd, rj, imm
=inc      0000001011 000000000001 rj:5 rd:5       rd, rj
"""


def loong() -> Table:
    return Table.parse(LOONG, "loong.decode", kinds=KINDS)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("addi.d r4, r5, -2048", 0x02E000A4),
        ("addi.d r4, r5, 2047", 0x02DFFCA4),
        ("ll.w r4, r5, -4", 0x20FFFCA4),
        ("beq r4, r5, 131068", 0x59FFFC85),
        ("beq r4, r5, -131072", 0x5A000085),
        ("b 134217724", 0x53FFFDFF),
        ("b -134217728", 0x50000200),
        ("b 105174740", 0x50D6D591),
        ("break 10", 0x002A000A),
        ("ertn", 0x06483800),
        ("nop", 0x03400000),
        ("andi r4, r0, 4095", 0x037FFC04),
    ],
)
def test_text_and_words(text: str, word: int) -> None:
    table = loong()
    assert table.disassemble(word) == text
    assert table.assemble(text) == word.to_bytes(4, "little")


def test_fields_are_attributes() -> None:
    insn = loong().decode(0x02E000A4)
    assert (insn.name, insn.size, insn.word) == ("addi.d", 4, 0x02E000A4)
    assert (insn.rd, insn.rj, insn.imm) == (4, 5, -2048)
    assert insn.fields == {"rd": 4, "rj": 5, "imm": -2048}
    assert insn.row.extra == ("step",)


def test_encode_is_the_inverse_of_decode_at_both_ends_of_every_field() -> None:
    table = loong()
    for row in table.rows:
        ends = [(f.low, f.high, 1 << f.scale) for f in row.fields]
        for values in itertools.product(*ends):
            fields = dict(zip((f.name for f in row.fields), values, strict=True))
            assert table.decode(table.encode(row.name, **fields)).fields == fields


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("break", {"code": 32768}, "code = 32768: expected 0..32767"),
        ("break", {"code": -1}, "code = -1: expected 0..32767"),
        ("addi.d", {"rd": 0, "rj": 0, "imm": 2048}, "imm = 2048: expected -2048..2047"),
        ("b", {"off": 2}, "off = 2: expected -134217728..134217724, a multiple of 4"),
        ("break", {}, "expected ['code']"),
        ("break", {"code": 1, "rd": 1}, "expected ['code']"),
        ("brake", {"code": 1}, "'brake': expected an instruction of the table"),
    ],
)
def test_encode_refuses(name: str, fields: dict[str, int], message: str) -> None:
    with pytest.raises(EncodeError) as caught:
        loong().encode(name, **fields)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("addi.d r4, r5", "expected 'addi.d rd, rj, imm'"),
        ("addi.d r4, r32, 1", "'r32': expected a register such as r0"),
        ("addi.d r4, r5, x", "'x': expected a number for imm"),
        ("b there", "label 'there': expected here"),
        ("b 0x", "'0x': expected a label or a distance"),
        ("ertn 1", "expected 'ertn'"),
        ("", "expected an instruction"),
    ],
)
def test_assemble_refuses(text: str, message: str) -> None:
    with pytest.raises(EncodeError) as caught:
        loong().assemble(text, labels={"here": 0})
    assert message in str(caught.value)


def test_aliases_are_text_only() -> None:
    table = loong()
    assert table.decode(0x03400000).name == "andi"
    assert table.plain(0x03400000) == "andi r0, r0, 0"
    assert table.assemble("inc r4,zero") == table.assemble("addi.d r4, r0, 1")
    assert table.disassemble(0x02C00404) == "addi.d r4, r0, 1"
    assert "nop" not in [row.name for row in table.rows]


@pytest.mark.parametrize(("text", "distance"), [(".", 0), (".+8", 8), (". - 0x10", -16), ("up", -64), ("up+4", -60)])
def test_labels(text: str, distance: int) -> None:
    table = loong()
    assert table.assemble(f"b {text}", pc=0x140, labels={"up": 0x100}) == table.assemble(f"b {distance}")


def test_absolute_targets() -> None:
    kinds = {"off": PcRelative(absolute=True, bits=32)}
    table = Table.parse("br  000001 off[10:1]s  off", "csky.decode", kinds=kinds)
    assert table.disassemble(0x07FF, 2, pc=0x1000) == "br 0xffe"
    assert table.assemble("br 0xffe", pc=0x1000) == bytes.fromhex("ff07")
    assert table.disassemble(0x07FF, 2, pc=0) == "br 0xfffffffe"
    assert table.assemble("br 0xfffffffe", pc=0) == bytes.fromhex("ff07")


# C-SKY: 16- and 32-bit rows, biased immediates, a constraint (words and text from GNU objdump 2.40).
CSKY = """
addi16:addi    00100 rz:3 oimm:8+1                           rz, oimm
subi32:subi    111001 rz:5 rx:5 0001 oimm:12+1               rz, rx, oimm
lsli16:lsli    01000 rx:3 rz:3 imm:5                         rz, rx, imm
mov            011011 rz:4 rx:4 11 rx!=14                    rz, rx
"""


def csky() -> Table:
    return Table.parse(
        CSKY,
        "csky.decode",
        kinds={"r?": GPR},
        halfwords_high_first=True,
        size_of=lambda halfword: 4 if halfword >> 14 == 3 else 2,
    )


@pytest.mark.parametrize(
    ("text", "word", "size", "stored"),
    [
        ("addi r7, 69", 0x2744, 2, "4427"),
        ("subi r29, r31, 2760", 0xE7BF1AC7, 4, "bfe7c71a"),
        ("lsli r0, r3, 30", 0x431E, 2, "1e43"),
        ("mov r12, r10", 0x6F2B, 2, "2b6f"),
    ],
)
def test_two_sizes_and_halfword_order(text: str, word: int, size: int, stored: str) -> None:
    table = csky()
    assert table.disassemble(word, size) == text
    assert table.assemble(text) == bytes.fromhex(stored)
    assert table.to_bytes(word, size) == bytes.fromhex(stored)
    assert table.from_bytes(bytes.fromhex(stored) + b"\xff\xff") == (word, size)


@pytest.mark.parametrize("data", ["", "44", "bfe7", "bfe7c7"])
def test_bytes_that_are_cut_off(data: str) -> None:
    with pytest.raises(DecodeError, match=r"expected [24] of them"):
        csky().from_bytes(bytes.fromhex(data))


def test_bias_moves_the_range() -> None:
    table = csky()
    assert table.decode(0x2700, 2).oimm == 1
    assert table.decode(0x27FF, 2).oimm == 256
    with pytest.raises(EncodeError, match=r"oimm = 0: expected 1\.\.256"):
        table.encode("addi16", rz=0, oimm=0)


def test_a_constraint_keeps_words_out() -> None:
    table = csky()
    with pytest.raises(DecodeError, match="0x6f3b"):
        table.decode(0x6F3B, 2)
    with pytest.raises(EncodeError, match="rx = 14: expected rx!=14"):
        table.encode("mov", rz=0, rx=14)


def test_a_field_in_several_places() -> None:
    table = Table.parse("beqz  010000 off[17:2]s rj:5 off[22:18]  rj, off", "t", kinds=KINDS)
    for off in (-(1 << 22), -4, 0, 4, 1 << 18, (1 << 22) - 4):
        word = table.encode("beqz", rj=7, off=off)
        assert word >> 5 & 31 == 7
        assert table.decode(word).off == off
    assert table.disassemble(0x43EBCE66) == "beqz r19, 1829836"  # LLVM 19


def test_dots_do_not_matter() -> None:
    table = Table.parse("sync  1100000000000000 imm:5 00.........  imm", "t")
    assert table.decode(0xC00001FF).imm == 0
    assert table.encode("sync", imm=0) == 0xC0000000


def test_the_row_with_more_fixed_bits_wins() -> None:
    table = Table.parse("any  00000000 imm:8  imm\nzero  0000000000000000  -\nbig  00000000 imm:8 imm>9  imm", "t")
    assert [table.decode(word, 2).name for word in (0, 1, 9, 10, 255)] == ["zero", "any", "any", "big", "big"]


@pytest.mark.parametrize(
    ("first", "second", "in_first", "in_second"),
    [("x==3", "x!=3", 0x31, 0x41), ("x<4", "x>7", 0x31, 0x81), ("x==y", "x!=y", 0x33, 0x34)],
)
def test_contradicting_constraints_do_not_overlap(first: str, second: str, in_first: int, in_second: int) -> None:
    table = Table.parse(f"a  00000000 x:4 y:4 {first}  x, y\nb  00000000 x:4 y:4 {second}  x, y", "t")
    assert table.decode(in_first, 2).name == "a"
    assert table.decode(in_second, 2).name == "b"


def test_constraints_between_fields() -> None:
    table = Table.parse("pick  00000000 msb:4 lsb:4 lsb<=msb  msb, lsb", "t")
    assert table.decode(0x43, 2).fields == {"msb": 4, "lsb": 3}
    with pytest.raises(DecodeError):
        table.decode(0x34, 2)


def test_encode_takes_the_first_row_of_a_name_that_fits() -> None:
    table = Table.parse("li  0000 imm:4 00000001  imm\nli  1 imm:15  imm", "t")
    assert table.encode("li", imm=15) == 0x0F01
    assert table.encode("li", imm=16) == 0x8010
    with pytest.raises(EncodeError, match=r"0\.\.15; or .*0\.\.32767"):
        table.encode("li", imm=1 << 15)


def test_every_word_decodes_to_the_row_that_a_plain_search_finds() -> None:
    text = (
        "a  0000 x:4 y:8  x, y\nb  00000001 y:8  y\nc  0..0 11110000 y:4 y!=7  y\nd  1 x:15  x\ne  1111111111111111  -"
    )
    table = Table.parse(text, "t")
    by_specificity = sorted(table.rows, key=lambda row: row.specificity, reverse=True)
    for word in range(1 << 16):
        expected = next((row for row in by_specificity if row.matches(word)), None)
        assert table.find(word, 2) is expected


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("add", "t:1: 'add': expected name, encoding and operands"),
        ("add 0000000000000000", "expected name, encoding and operands"),
        ("a!  0000000000000000", "t:1: name 'a!': expected name, @alias"),
        ("add  00000000", "t:1: add: encoding '00000000' has 8 bits: expected 16 or 32"),
        ("add  0000000000000000 rd:17  rd", "has 33 bits"),
        ("add  00000000 rd=8  rd", "t:1: add: 'rd=8': expected bits, name:N"),
        ("add  00000000 rd[3:4] 000000  rd", "'rd[3:4]': expected a free field name and high >= low"),
        ("add  00000000 rd[7:0:1]  rd", "expected [hi:lo|hi:lo...]"),
        ("add  00000000 word:8  word", "expected a free field name"),
        ("add  00000000 is:8  is", "expected a free field name"),
        ("add  00000000 x:4 x:4  x", "field x: expected each bit of the value once"),
        ("add  00000000 x[7:5] x[3:0] 0  x", "field x: expected each bit of the value once, without gaps"),
        ("add  00000000 x[7:4]s x[3:0]u  x", "field x: expected one sign and one bias"),
        ("add  00000000 x[7:4]+1 x[3:0]+2  x", "field x: expected one sign and one bias"),
        ("add  00000000 x:8 y!=1  x", "y!=1: expected a field of this row, not 'y'"),
        ("add  00000000 x:8 x!=y  x", "x!=y: expected a field of this row, not 'y'"),
        ("add  00000000 x:8  x, y", "operand 'y': expected a field of the row"),
        ("add  00000000 x:4 y:4  x", "operands 'x' give ['x']: expected the row's fields ['x', 'y']"),
        ("add  00000000 x:8", "expected the row's fields ['x']"),
        ("a  00000000 x:8  x\nb  0000 x:8 0000  x", "t:2: overlaps t:1: expected one of them to fix more bits"),
        ("a  00000000 x:8 x!=1  x\nb  00000000 x:8 x!=2  x", "t:2: overlaps t:1"),
        ("@a  00000000 x:8  x\n@b  0000 x:8 0000  x\nc  0 x:15  x", "t:2: overlaps t:1"),
        ("a  0 x:15  x\nb  0 x:31  x", "table with rows of (2, 4) bytes: expected size_of"),
        ("", "table with rows of () bytes"),
    ],
)
def test_malformed_rows(row: str, message: str) -> None:
    with pytest.raises(TableError) as caught:
        Table.parse(row, "t")
    assert message in str(caught.value)


@pytest.mark.parametrize("word", [0, 0xFFFFFFFF, 0x06483801, 1 << 32 | 0x002A000A, 0x002A000A - (1 << 32)])
def test_words_that_are_no_instruction(word: int) -> None:
    with pytest.raises(DecodeError, match="expected an instruction"):
        loong().decode(word)
    with pytest.raises(DecodeError):
        loong().disassemble(word)


def test_hexadecimal_numbers() -> None:
    table = Table.parse("bkpt  00000000 code:8  code", "t", kinds={"code": Number(hexadecimal=True)})
    assert table.disassemble(0x1F, 2) == "bkpt 0x1f"
    assert table.assemble("bkpt 0x1f") == table.assemble("bkpt 31") == b"\x1f\x00"
