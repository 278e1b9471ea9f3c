"""`trapline opcode`: every vector of the facts through the command line, contexts, and what is refused."""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from emu.cli import main

DATA = Path(__file__).parent.parent / "data"
VERSIONS = {
    "verdict": None,
    "verdict_v61": "6.1",
    "verdict_v6_1": "v6.1",
    "verdict_v6_3": "6.3",
    "verdict_seed_2022": "5.19.17",
}
FEATURES = {"r6": "r6", "octeon": "octeon"}


def vectors():
    names = ("vectors-arm64-riscv-csky.json", "vectors-mips-loongarch-x86.json")
    return [entry for name in names for entry in json.loads((DATA / name).read_text())]


def options_of(entry, key):
    """The command line that one vector is asked with, its word apart."""
    features = [FEATURES[entry["cpu"]]] if entry.get("cpu") in FEATURES else []
    features += ["rv32"] if entry["arch"] == "riscv32" else []
    arch = "riscv64" if entry["arch"] == "riscv32" else entry["arch"]
    version = ["--release", VERSIONS[key]] if VERSIONS[key] else []
    prev = ["--prev", entry["prev_word"]] if "prev_word" in entry else []
    return (arch, *prev, *version, *(part for name in features for part in ("--feature", name)))


@pytest.fixture
def opcode(monkeypatch, capsys):
    """`trapline opcode` with these options and words on standard input; the instructions of its JSON."""

    def run(options, words):
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{word}\n" for word in words)))
        arch, *others = options
        assert main(["opcode", arch, "-", "--json", *others]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["schema"] == "trapline.opcode/1"
        return found["instructions"]

    return run


def test_every_vector(opcode):
    """Both files, every release that an entry names, in the files' own spelling."""
    groups = defaultdict(list)
    for entry in vectors():
        assert {key for key in entry if key.startswith("verdict")} <= set(VERSIONS)
        for key in VERSIONS:
            if key in entry:
                groups[options_of(entry, key)].append((entry, key))
    asked = Counter()
    for options, cases in groups.items():
        words = [entry.get("bytes") or entry["word"] for entry, _ in cases]
        answers = opcode(options, words)
        for (entry, key), word, answer in zip(cases, words, answers, strict=True):
            assert (answer["word"], answer["verdict"]) == (word, entry[key]), entry
            assert word.startswith("0fff") or answer["size"] == entry["size"], entry
            assert answer["why"] and answer["rule"]
            assert (answer["errno"] is not None) is (entry[key] == "reject")
            asked[options[0]] += 1
    # counted with jq
    assert asked == {"arm64": 170, "riscv64": 125, "csky": 95, "mips": 102, "loongarch": 75, "x86_64": 154}


@pytest.mark.parametrize(
    ("arch", "word", "prev", "alone", "after"),
    [
        ("mips", "0x24420001", "0x03e00008", "step", ("reject", "delay_slot")),  # addiu behind jr
        ("mips", "0x24420001", "0x00000000", "step", ("step", "other")),
        ("mips", "0x03e00008", "0x03e00008", "simulate", ("reject", "delay_slot")),
        ("arm64", "0x8b020020", "0xc85f7c20", "step", ("reject", "exclusive_region")),  # add behind ldxr
        ("arm64", "0x8b020020", "0xc8027c20", "step", ("step", None)),  # behind stxr
        ("arm64", "0xd65f03c0", "0xc85f7c20", "simulate", ("reject", "exclusive_region")),
        ("riscv", "0x952e", "0x00b50533", "step", ("step", None)),  # boundaries are kept
        ("riscv", "0x00b50533", "0x952e", "step", ("step", None)),
        ("csky", "0x6c03", "0x2020c000", "step", ("step", None)),
        ("loongarch", "0x001098a4", "0x4c000020", "step", ("step", None)),
        ("x86", "4801d8", "0f1f00", "step", ("step", None)),
        ("x86", "4801d8", "b8", "step", ("reject", "boundary")),  # mov $imm32, %eax takes it in
    ],
)
def test_the_word_before(opcode, arch, word, prev, alone, after):
    assert opcode([arch], [word])[0]["verdict"] == alone
    (answer,) = opcode([arch, "--prev", prev], [word])
    assert (answer["verdict"], answer["rule"] if after[1] else None) == after


NOP, LDXR, STXR, LDAR = "0xd503201f", "0xc85f7c20", "0xc8027c20", "0xc8dffc20"


@pytest.mark.parametrize(
    ("before", "version", "rule"),
    [
        ([LDXR, *[NOP] * 31], "6.1", "exclusive_region"),
        ([LDXR, *[NOP] * 32], "6.1", None),  # 32 instructions and no more
        ([LDXR, NOP, STXR, NOP], "6.1", None),
        ([STXR, NOP, LDXR, NOP], "6.1", "exclusive_region"),  # the nearest comes last
        ([LDAR, NOP], "6.14", "exclusive_region"),
        ([LDAR, NOP], "6.15", None),
    ],
)
def test_several_words_before(opcode, before, version, rule):
    options = [part for word in before for part in ("--prev", word)]
    (answer,) = opcode(["arm64", "--release", version, *options], ["0x8b020020"])
    assert (answer["verdict"], answer["rule"]) == (("reject", rule) if rule else ("step", "other"))


@pytest.mark.parametrize(
    ("version", "rule"),
    [
        ("6.1.0-50-cloud-arm64", "hint_nop"),
        ("6.12.9+", "hint_nop"),
        ("v6.13-rc1", "nop"),
        ("7.0", "nop"),
        ("6.13.0-rc4-next-20241224", "nop"),
    ],
)
def test_a_release_as_uname_has_it(opcode, version, rule):
    (answer,) = opcode(["arm64", "--release", version], [NOP])
    assert answer["rule"] == rule


@pytest.mark.parametrize("version", ["6", "", "latest", "6.x", "6.1 6.2", "6.1,5", "6.1..6.3", "-6.1", "6.1-a b"])
def test_no_release(capsys, version):
    assert main(["opcode", "arm64", NOP, f"--release={version}"]) == 2
    assert capsys.readouterr().err == (
        f"trapline: release {version!r}: expected a Linux release such as 6.1 or v6.18\n"
    )


@pytest.mark.parametrize(
    ("arch", "at", "errno"),
    [("arm64", "0x10002", "EINVAL"), ("riscv", "0x10001", "EILSEQ"), ("loongarch", "0x10002", "EILSEQ")],
)
def test_alignment(opcode, arch, at, errno):
    word = {"arm64": "0xd503201f", "riscv": "0x952e", "loongarch": "0x001098a4"}[arch]
    assert opcode([arch, "--at", at], [word])[0]["errno"] == errno
    assert opcode([arch, "--at", "0x10004"], [word])[0]["errno"] is None


@pytest.mark.parametrize(
    ("arch", "text", "words"),
    [
        ("arm64", "add x0, x1, x2", ["0x8b020020"]),
        ("arm64", "nop; ret", ["0xd503201f", "0xd65f03c0"]),
        ("mips", "addu $v0, $a0, $a1", ["0x00851021"]),
        ("loongarch", "break 10", ["0x002a000a"]),
        ("csky", "mov r0, r0", ["0x6c03"]),
        ("riscv", "add a0, a0, a1", ["0x00b50533"]),
        ("x86", "nop; int3", ["90", "cc"]),
    ],
)
def test_assembled(capsys, arch, text, words):
    """The words are those of GNU as."""
    assert main(["opcode", arch, "--asm", text, "--json"]) == 0
    assert [one["word"] for one in json.loads(capsys.readouterr().out)["instructions"]] == words


def test_what_was_assembled_is_one_text(capsys):
    """jr's delay slot is the one in the same text."""
    assert main(["opcode", "mips", "--asm", "jr $ra; nop", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["instructions"]
    assert [(one["verdict"], one["rule"]) for one in found] == [("simulate", "jr"), ("reject", "delay_slot")]


def test_undecodable_bytes_have_a_verdict(opcode):
    (answer,) = opcode(["x86"], ["c4e0ff0000"])
    assert (answer["text"], answer["verdict"], answer["errno"]) == (".insn c4e0ff0000", "reject", "EILSEQ")
    (answer,) = opcode(["arm64"], ["0xffffffff"])
    assert (answer["word"], answer["text"]) == ("0xffffffff", ".insn 0xffffffff")


def words_of(capsys, *arguments):
    assert main(["opcode", *arguments, "--json"]) == 0
    return [one["word"] for one in json.loads(capsys.readouterr().out)["instructions"]]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["ff", "d0"], ["ffd0"]),  # call *%rax, as objdump prints it
        (["55", "48", "89", "e5", "c3"], ["55", "4889e5", "c3"]),
        (["e80000000090"], ["e800000000", "90"]),  # call, nop
        (["e8000000", "0090"], ["e800000000", "90"]),
        (["90", "cc"], ["90", "cc"]),
        (["48 89 e5"], ["4889e5"]),
        (["0x48", "0x89", "0xe5"], ["4889e5"]),
        (["90" * 16], ["90"] * 16),
        (["0604"], ["0604"]),  # no instruction: what the kernel says to all of it
    ],
)
def test_no_byte_of_x86_is_dropped(capsys, given, words):
    """The lengths are the manual's."""
    assert words_of(capsys, "x86", *given) == words


def test_an_instruction_behind_another_has_its_address_and_neighbour(capsys):
    assert main(["opcode", "x86", "90e800000000"]) == 0
    assert "call 0x10006" in capsys.readouterr().out  # 0x10000 + 1 + 5


def test_lines_are_runs_of_bytes(opcode):
    assert [one["word"] for one in opcode(["x86"], ["55 48 89 e5", "90"])] == ["55", "4889e5", "90"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["x86", "90", "e8", "00"], "word e800: cut off, expected the whole instruction"),
        (["x86", "ff"], "word ff: cut off, expected the whole instruction"),
        (["arm64", "0xd503201f00"], "expected 32 bits"),
        (["riscv", "0x00018532"], "expected 16 bits at most"),
    ],
)
def test_what_is_left_over_is_shown(capsys, given, says):
    assert main(["opcode", *given]) == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith("trapline: ") and err.count("\n") == 1 and says in err


def test_step_takes_one_instruction(capsys):
    assert main(["step", "x86", "e80000000090"]) == 2
    assert "bytes 90 are left over" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arch", "given", "word"),
    [
        ("arm64", "d503201f", "0xd503201f"),
        ("mips", "27bdffe0", "0x27bdffe0"),
        ("riscv", "8532", "0x8532"),
        ("riscv", "474080e7", "0x474080e7"),
        ("loongarch", "4c000020", "0x4c000020"),
        ("csky", "6c03", "0x6c03"),
        ("csky", "0xe000c000", "0xe000c000"),  # 0x: the number whose low half comes first
        ("csky", "0xc000e000", "0xc000e000"),
        ("csky", "c0002020", "0x2020c000"),  # can be read in one order
        ("csky", "2020c000", "0x2020c000"),
    ],
)
def test_hexadecimal_as_disassemblers_print_it(capsys, arch, given, word):
    assert words_of(capsys, arch, given) == [word]


def test_a_word_that_reads_in_both_orders_is_refused_with_both(capsys):
    """objdump prints the halfwords of bsr, e000 and c000, in the order of memory."""
    assert main(["opcode", "csky", "e000c000"]) == 2
    assert capsys.readouterr().err.startswith(
        "trapline: word 'e000c000' can be read in two ways: expected 0xe000c000 ("
    )


def test_people_get_a_table(capsys):
    assert main(["opcode", "arm64", "0xd4200080"]) == 0
    header, _, row, _, rules = capsys.readouterr().out.splitlines()
    assert rules == "rules of Linux 7.0 (the newest that is known)"
    assert header.split() == ["word", "text", "verdict", "why"] and row.startswith("0xd4200080  brk #4  reject   ")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["arm64"], "expected WORD"),
        (["arm64", "0xzz"], "0xzz"),
        (["arm64", "0x1d4200080"], "0x1d4200080"),
        (["arm64", "0x1_0"], "0x1_0"),
        (["riscv", "0x19002"], "0x19002"),
        (["csky", "0x76c03"], "0x76c03"),
        (["loongarch", "0x1002a000a"], "0x1002a000a"),
        (["x86", "0f1"], "0f1"),
        (["x86", "90", "--prev", "90" * 16], "1 to 15 bytes"),
        (["arm64", "0xd4200080", "--prev", "q"], "'q'"),
        (["arm64", "0xd4200080", "--release", "new"], "'new'"),
        (["arm64", "0xd4200080", "--feature", "r6"], "'r6': expected none on arm64"),
        (["mips", "0x00000000", "--feature", "r7"], "r6 (a Release 6 CPU)"),
        (["arm64", "0xd4200080", "--at", "0x10000000000000000"], "64 bits"),
        (["arm64", "--asm", "frobnicate x0"], "frobnicate"),
        (["pdp11", "0"], "pdp11"),
    ],
)
def test_bad_input(capsys, options, says):
    assert main(["opcode", *options]) == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith("trapline: ") and err.count("\n") == 1 and says in err


def test_a_bad_word_among_good_ones(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("0xd503201f\nbad!\n"))
    assert main(["opcode", "arm64", "-"]) == 2
    assert capsys.readouterr().err == "trapline: line 2: word 'bad!': expected hexadecimal such as 0x00000000\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("mips", "0x27bdffe0", "--prev", "0x03e00008", "--json"),
        ("mips", "--prev", "0x03e00008", "--json", "0x27bdffe0"),
        ("--json", "mips", "--prev", "0x03e00008", "0x27bdffe0"),
        ("--prev=0x03e00008", "--json", "mips", "0x27bdffe0"),
    ],
)
def test_words_and_options_in_any_order(capsys, arguments):
    assert main(["opcode", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)["instructions"]
    assert [(one["word"], one["verdict"]) for one in found] == [("0x27bdffe0", "reject")]


def test_words_on_both_sides_of_an_option(capsys):
    assert main(["opcode", "csky", "0x6c03", "--release", "6.1", "0x1464", "--json"]) == 0
    assert [one["word"] for one in json.loads(capsys.readouterr().out)["instructions"]] == ["0x6c03", "0x1464"]
