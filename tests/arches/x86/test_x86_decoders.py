"""The opcode table: against Capstone and LLVM on a slice of random bytes, and where the kernel is known to differ."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from arches.x86.insns import TABLE, decode, length, parse_shapes, shapes
from arches.x86.insns_fields import X86_64
from arches.x86.trials import examples, opcode_rows
from arches.x86.verdict import judge
from arches.x86.verdict_rules import parse_rules, rules
from emu.errors import TableError, UsageError
from emu.isa.capstone_text import insn_length
from emu.verdict.site import Site

TOOL = Path(__file__).parents[3] / "tools" / "check_x86.py"


@pytest.fixture(scope="module")
def check_x86():
    spec = importlib.util.spec_from_file_location("check_x86", TOOL)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["check_x86"] = module  # its dataclasses look for their module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["check_x86"]


def test_against_capstone_and_llvm(check_x86):
    if check_x86.find_tool(check_x86.ASSEMBLERS) is None or check_x86.find_tool(check_x86.DISASSEMBLERS) is None:
        pytest.skip("no llvm-mc and llvm-objdump (Debian: llvm-19)")
    unexplained: list[str] = []
    counts = check_x86.compare(6000, 11, unexplained.append)
    assert unexplained == []
    assert sum(counts.values()) == 6000
    assert counts["same"] > 5000


def test_what_is_emulated_does_what_the_engine_does(check_x86):
    complaints = []
    executed, differing = check_x86.compare_execution(200, 3, complaints.append)
    assert executed >= 150 and differing == 0 and complaints == []


def test_a_wrong_length_is_unexplained(check_x86):
    case = check_x86.Case(bytes.fromhex("4889e5"), decode(bytes.fromhex("4889e5")), 3, 3, "movq\t%rsp, %rbp")
    assert check_x86.judge(case) == "same"
    assert check_x86.judge(check_x86.Case(case.code, case.insn, 2, 2, case.text)) == ""
    assert check_x86.judge(check_x86.Case(case.code, case.insn, 3, 2, case.text)) == ""
    assert check_x86.judge(check_x86.Case(case.code, case.insn, 2, 3, case.text)) == ""
    assert check_x86.judge(check_x86.Case(case.code, case.insn, 3, 3, "jmp\t0x10")) == ""


@pytest.mark.parametrize(
    ("code", "size"),
    [
        ("66e900000000", 6),  # prefix 66 does not shorten near branches (f64)
        ("660f8400000000", 7),
        ("66e800000000", 6),
        ("6668000090909090", 4),  # push imm16, since 6.10
        ("06", 1),  # i64: the decoder stops behind the opcode
        ("9a00000000", 1),
        ("ea00000000", 1),
        ("ce", 1),
        ("0f0b", 2),
        ("0fff", 2),
        ("0fb9c0", 3),
        ("0f19c0", 2),
        ("48b80000000000000000", 10),
        ("66b80000", 4),
        ("b800000000", 5),
        ("a00000000000000000", 9),
        ("67a000000000", 6),
        ("c8000000", 4),
        ("f6c000", 3),
        ("f6d0", 2),
        ("f7c000000000", 6),
        ("66f7c00000", 5),
        ("f7d8", 2),
        ("f20f0b78656e", 3),  # the emulate prefix counts at the very start only
        ("0f0b78656e0fa2", 7),
        ("0f0b6b766d0fa2", 7),
        ("482e90", 2),  # REX, and CS as the opcode
        ("26362e3e6490", 5),  # four prefixes and fs as the opcode
        ("2626262626269090", 7),  # one prefix, six times
        ("c5f877", 3),
        ("c4e37506c020", 6),
        ("62f1fd486fc0", 6),
        ("66c5f877", 4),  # processors refuse 66 before VEX, the kernel does not look
        ("488b0425" + "00000000", 8),
        ("8d80" + "00000000", 6),
        ("678d80" + "00000000", 7),
        ("0f3800c0", 4),
        ("0f3a0fc008", 5),
        ("0f0fc0bf", 4),
    ],
)
def test_kernel_length(code, size):
    assert length(bytes.fromhex(code) + bytes(15)) == size


def test_push_imm16_before_6_10():
    code = bytes.fromhex("6668341290909090")
    assert (length(code, (6, 9)), length(code, (6, 10)), length(code)) == (6, 4, 4)


@pytest.mark.parametrize(
    "code", ["", "66", "48", "0f", "e9000000", "8b05000000", "8b04", "c5f8", "48b8000000", "66" * 15]
)
def test_cut_short(code):
    assert decode(bytes.fromhex(code)) is None


def test_fields():
    insn = decode(bytes.fromhex("f0488184c81122334455667788"), 0x1000)
    assert (insn.prefixes, insn.rex, insn.opcode, insn.modrm, insn.sib) == (b"\xf0", 0x48, b"\x81", 0x84, 0xC8)
    assert (insn.disp, insn.disp_offset, insn.disp_size) == (0x44332211, 5, 4)
    assert (insn.imm, insn.imm_offset, insn.imm_size) == (-0x778899AB, 9, 4)
    assert (insn.size, insn.addr_size, insn.mnemonic) == (13, 8, "lock add")


def test_fields_behind_prefixes_and_vex():
    insn = decode(bytes.fromhex("66c4e37d067c880420"))
    assert insn.opcode == b"\x06"
    assert insn.code[insn.imm_offset : insn.imm_offset + insn.imm_size] == b"\x20"
    assert insn.code[insn.disp_offset : insn.disp_offset + insn.disp_size] == b"\x04"


def test_every_opcode_has_one_row():
    seen = Counter(opcode for shape in shapes() for opcode in shape.opcodes)
    prefixes = set(bytes.fromhex("262e363e646566670ff0f2f3")) | set(range(0x40, 0x50))
    want = {bytes([byte]) for byte in range(256) if byte not in prefixes}
    want |= {bytes([0x0F, byte]) for byte in range(256) if byte not in (0x38, 0x3A)}
    want |= {bytes([0x0F, table, byte]) for table in (0x38, 0x3A) for byte in range(256)}
    assert set(seen) == want and set(seen.values()) == {1}


def test_row_names_are_unique():
    names = [row.name for row in opcode_rows()]
    assert len(names) == len(set(names)) == len(shapes()) + len({r.name for r in rules() if r.section != "boost"})


@pytest.mark.parametrize("row", opcode_rows(), ids=lambda row: row.name)
def test_examples_belong_to_their_row(row):
    rng = Random(5)
    for _ in range(20):
        code = examples(row.name, rng)
        insn = decode(code)
        assert insn.size == len(code)
        if row.defined:
            assert insn_length(X86_64, code) == len(code)
        newest = judge(Site(code), None)
        if row.table == "opcodes":
            shape = next(shape for shape in shapes() if shape.name == row.name)
            assert insn.opcode in shape.opcodes
            if "run" in shape.examples:
                assert newest.rule == row.name
        elif row.name != "int3_copy":  # since 6.9 can_probe refuses it first
            assert newest.rule == row.name


def test_examples_differ():
    rng = Random(1)
    assert len({examples("alu", rng) for _ in range(100)}) > 90
    with pytest.raises(UsageError, match="row 'nonsense'"):
        examples("nonsense", rng)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("alu 1 00-03 modrm", "expected name, map"),
        ("alu 2 00-03 modrm run", "expected name, map"),
        ("alu 1 03-00 modrm run", "ascending"),
        ("alu 1 0g modrm run", "hex bytes"),
        ("alu 1 100 modrm run", "ascending"),
        ("alu 1 00 modrn run", "field 'modrn'"),
        ("alu 1 00 - run\nmov 1 00 - run", "opcode 00 is in row alu too"),
    ],
)
def test_bad_opcode_rows(line, message):
    with pytest.raises(TableError, match=message):
        parse_shapes(line, "insns.decode")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cli fa all simulate cli why", "in a section"),
        ("[nonsense]", "section"),
        ("[copy]\ncli fa all simulate", "expected name, opcode"),
        ("[copy]\ncli fa all eat cli", "expected name, opcode"),
        ("[copy]\ncli fa 6.1 reject EINVAL why", "releases '6.1'"),
        ("[copy]\ncli fa six.. reject EINVAL why", "releases 'six..'"),
        ("[copy]\ncli fa/8 all reject EINVAL why", "opcode 'fa/8'"),
        ("[copy]\ncli fa:reg all reject EINVAL why", "opcode 'fa:reg'"),
    ],
)
def test_bad_rules(line, message):
    with pytest.raises(TableError, match=message):
        parse_rules(line, "kprobes.rules")


def test_table_parses_as_shipped():
    assert parse_shapes(TABLE.read_text(), TABLE.name) == shapes()
