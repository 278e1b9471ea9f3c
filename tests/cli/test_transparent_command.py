"""`trapline transparent`: what it prints, its exit status, and what it refuses."""

from __future__ import annotations

import json

import pytest

from emu.cli import main
from emu.transparent.processes import Pool

PCADDU18I = "word=0x1fffffe4 at=0x9000000000213000"
TOP = {
    "schema",
    "arch",
    "release",
    "version",
    "variant",
    "encodings",
    "rows",
    "rows_covered",
    "rows_not_covered",
    "refused",
}
TOP |= {"skipped", "differences", "coverage", "complete", "deaths", "why_not_covered"}
DIFFERENCE = {"word", "text", "rules", "action", "kind", "difference", "why", "case", "count", "rows"}


@pytest.fixture
def transparent(capsys):
    """`trapline transparent ...`: exit status, standard output."""

    def run(*arguments):
        status = main(["transparent", *arguments])
        return status, capsys.readouterr().out

    return run


@pytest.fixture
def found(transparent):
    def run(*arguments):
        status, out = transparent(*arguments, "--json")
        assert status == 0
        return json.loads(out)

    return run


def test_json_of_a_search(found):
    said = found("loongarch", "--row", "insns.decode:pcaddu18i", "--row", "add.d", "--count", "60")
    assert said.keys() == TOP
    assert said["schema"] == "trapline.transparent/1"
    assert (said["arch"], said["version"], said["variant"]) == ("loongarch", "newest", "mainline")
    assert said["encodings"] >= 60
    assert (said["rows"], said["rows_covered"], said["rows_not_covered"]) == (2, 2, [])
    [difference] = said["differences"]
    assert difference.keys() == DIFFERENCE
    assert difference["rules"] == ["pcaddu18i"] and difference["action"] == "simu_pc"
    assert difference["count"] == sum(difference["rows"].values()) > 10
    assert said["coverage"]["insns.decode:add.d"] == {"tried": 30, "compared": 30, "refused": 0}


def test_rows_of_which_nothing_could_be_compared_are_named(found, transparent):
    """The CPU here has no coprocessor 2; what is refused need not run."""
    rows = ("--row", "insns.decode:bc2", "--row", "kprobes.rules:ll", "--row", "insns.decode:lui")
    said = found("mips", *rows, "--count", "9")
    why = "not fitted: the engine has no coprocessor 2, and the DSP is off"
    assert (said["rows_covered"], said["rows_not_covered"]) == (2, ["insns.decode:bc2"])
    assert said["why_not_covered"] == {"insns.decode:bc2": why}
    _, out = transparent("mips", *rows, "--count", "9")
    assert f"\n  not covered ({why}): insns.decode:bc2\n" in out


def test_the_reported_case_shows_it_again(found):
    [difference] = found("loongarch", "--row", "insns.decode:pcaddu18i", "--count", "30")["differences"]
    again = found("loongarch", "--case", difference["case"])
    assert again["schema"] == "trapline.transparent-case/1"
    assert again["differs"] and again["difference"] == difference["difference"]
    assert again["word"] == difference["word"]


def test_text_of_a_search(transparent):
    status, out = transparent("loongarch", "--row", "insns.decode:pcaddu18i", "--count", "30", "--seed", "4")
    lines = out.splitlines()
    assert status == 0
    assert lines[:4] == [
        "loongarch, Linux 7.3 (the newest that is known), variant mainline",
        "30 encodings compared, 0 refused by the kernel, seed 4",
        "1 of 1 rows covered",
        "1 kinds of difference:",
    ]
    assert "[pcaddu18i: simu_pc]" in lines[5]
    assert lines[-1].startswith("  trapline transparent loongarch --case 'word=0x1e")


def test_the_printed_command_has_version_and_variant(transparent):
    _, out = transparent(
        "csky", "--row", "insns.decode:br16", "--count", "40", "--release", "6.1", "--variant", "mainline"
    )
    assert "trapline transparent csky --release 6.1 --variant mainline --case 'word=0x0" in out


def test_both_results_of_a_case(transparent):
    status, out = transparent("loongarch", "--case", PCADDU18I)
    assert status == 0
    words = [line.split() for line in out.splitlines()]
    assert out.startswith("0x9000000000213000: 0x1fffffe4  pcaddu18i $a0, -1\nsimulate: PC-relative address")
    assert ["r4", "0x90000000001d3000", "0x90000001001d3000"] in words
    assert ["pc", "0x9000000000213004", "0x9000000000213004"] in words
    assert out.splitlines()[-1] == "r4: 0x90000000001d3000 in place, 0x90000001001d3000 under the probe"


def test_a_case_without_difference(transparent):
    status, out = transparent("loongarch", "--variant", "fixed", "--case", PCADDU18I)
    assert (status, out.splitlines()[-1]) == (0, "no difference")


def test_a_case_that_the_kernel_refuses(transparent):
    status, out = transparent("riscv", "--case", "word=0x00000073 at=0x80213000")
    assert (status, out.splitlines()[-1]) == (0, "refused: -EINVAL")


def test_the_second_probe_is_shown(transparent):
    _, out = transparent("mips", "--case", "word=0x10000003 at=0x80213000 next=0x00000000 then=0x25080001")
    words = [line.split() for line in out.splitlines()]
    assert ["cp0_status", "0x20000001", "0x20000000"] in words
    assert ["then", "hits,", "nmissed", "1,", "0", "0,", "1"] in words
    assert ["then", "r8", "0x1", "0x0"] in words  # SKIP_DELAYSLOT: its instruction is not executed either


def test_memory_is_shown_where_it_differs(transparent):
    _, out = transparent(
        "x86", "--release", "6.7", "--case", "word=41ffd0 at=0xffffffff81013000 rsp=0xffffffff81100800"
    )
    assert ["[0xffffffff811007f8]", "03300181ffffffff", "05300181ffffffff"] in [x.split() for x in out.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "expected", "status"),
    [
        (["--case", PCADDU18I], "some", 0),
        (["--case", PCADDU18I], "none", 1),
        (["--case", PCADDU18I, "--variant", "fixed"], "none", 0),
        (["--case", PCADDU18I, "--variant", "fixed"], "some", 1),
        (["--row", "pcaddu18i", "--count", "40"], "some", 0),
        (["--row", "pcaddu18i", "--count", "40"], "none", 1),
        (["--row", "add.d", "--count", "40"], "none", 0),
        (["--row", "add.d", "--count", "40"], "some", 1),
    ],
)
def test_expect(transparent, arguments, expected, status):
    assert transparent("loongarch", *arguments, "--expect", expected)[0] == status


def test_processes_find_the_same(found):
    arguments = ("loongarch", "--row", "pcaddu18i", "--row", "ertn", "--row", "insns.decode:add.d", "--count", "60")
    alone, together = found(*arguments), found(*arguments, "--jobs", "2")
    assert alone.pop("differences") and together.pop("differences")
    assert alone == together


@pytest.mark.parametrize(
    ("arch", "release", "variant"),
    [
        ("loongarch", "6.1", "seed"),
        ("loongarch", "6.6", "v6.3"),
        ("loongarch", "7.0", "v6.3"),
        ("loongarch", "7.1", "mainline"),
        ("arm64", "5.10", "seed"),
        ("arm64", "6.2", "mainline"),
        ("x86", "5.10", "v5.12"),
        ("x86", "5.15", "v6.2"),
        ("x86", "6.1", "seed"),
        ("x86", "6.3", "mainline"),
        ("riscv", "6.1", "seed"),
        ("riscv", "v6.6.30", "mainline"),
    ],
)
def test_a_version_selects_the_variant_in_force(found, arch, release, variant):
    rows = {"loongarch": "add.d", "arm64": "add_imm", "x86": "lea", "riscv": "add"}
    said = found(arch, "--release", release, "--row", rows[arch], "--count", "2")
    assert said["variant"] == variant
    assert said["version"] == said["release"] == release.removeprefix("v")


def test_names_that_users_give_architectures(found):
    assert found("aarch64", "--row", "add_imm", "--count", "1")["arch"] == "arm64"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["riscv", "--row", "nothing"], "row 'nothing': expected one of "),
        (["riscv", "--variant", "nothing"], "variant 'nothing' of riscv: expected one of mainline"),
        (["riscv", "--release", "soon"], "release 'soon'"),
        (["pdp11"], "architecture 'pdp11'"),
        (["riscv", "--case", "word=0x13"], "at="),
        (["riscv", "--case", "word=0x13 at=0x80213000", "--row", "add"], "no --row"),
        (["mips", "--case", "word=0x03e00008 at=0x80213000 next=0x00000000 r31=1"], "MIPS16"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, part):
    assert main(["transparent", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("trapline: ") and part in err and err.count("\n") == 1


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["transparent", "--help"])
    assert "trapline transparent mips --row beql" in capsys.readouterr().out


def test_what_was_not_shrunk_when_an_interrupt_came_is_there_as_it_was_found(capsys, monkeypatch):
    """One of two kinds is shrunk by then."""
    real = Pool.findings

    def findings(pool, groups):
        yield next(real(pool, groups))
        raise KeyboardInterrupt

    search = ("transparent", "loongarch", "--count", "120", "--json")
    rows = ("--row", "insns.decode:pcaddu18i", "--row", "insns.decode:ertn")
    assert main([*search, *rows]) == 0
    whole = json.loads(capsys.readouterr().out)["differences"]
    monkeypatch.setattr(Pool, "findings", findings)
    assert main([*search, *rows]) == 130
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert err.startswith("trapline: interrupted: ")
    assert found["complete"] is False
    assert [one["kind"] for one in found["differences"]] == [one["kind"] for one in whole]
    first, second = found["differences"]
    assert first == whole[0]
    assert len(second["case"]) > len(whole[1]["case"])
    assert main(["transparent", "loongarch", "--case", second["case"], "--expect", "some"]) == 0
