"""Bugs of Linux as users meet them: listed, shown by the command that the list has, repaired one by one with --fix."""

from __future__ import annotations

import json
import shlex

import pytest

import arches
from emu.cli import main

SHOWN = [  # one of each kind, and what its output ends in without and with the repair
    ("csky", "c-flag", "c: 0x1 in place, 0x0 under the probe", "no difference"),
    ("riscv", "jalr-rd-first", "pc: 0x80208474 in place, 0x80213478 under the probe", "no difference"),
    ("loongarch", "llacq-stepped", "next probe's r12: 0x1 in place, 0x0 under the probe", "refused: -EINVAL"),
    ("csky", "lrw16-base", "r0: 0x8021315c in place, 0x31608021 under the probe", "no difference"),
]


def listed(capsys, *arguments):
    assert main(["list", "bugs", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_bug_is_listed_with_what_is_known_of_it(capsys):
    found = listed(capsys)
    assert found["schema"] == "trapline.list/1"
    assert [(bug["arch"], bug["name"]) for bug in found["bugs"]] == [
        (arch.name, bug.id) for arch in arches.all_archs() for bug in arch.bugs
    ]
    by_name = {bug["name"]: bug for bug in found["bugs"]}
    assert by_name["write-to-x0-fails"] == {
        "arch": "riscv",
        "name": "write-to-x0-fails",
        "releases": "before 6.7",
        "since": None,
        "until": "6.7",
        "commit": "8cb22bec1426",
        "where": "rv_insn_reg_set_val, simulate-insn.c",
        "symptom": 'jal, jalr and auipc that write x0 "fail", and never move the pc: the probe is hit for ever',
        "shown_by": "transparent riscv --release 6.6 --case 'word=0x0080006f at=0x80213000'",
    }


def test_the_bugs_of_one_architecture_are_a_table(capsys):
    assert main(["list", "bugs", "--arch", "mipsel"]) == 0
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["arch", "name", "releases", "symptom", "shown_by"]
    assert [row.split()[:2] for row in rows] == [["mips", bug.id] for bug in arches.load("mips").bugs]
    assert main(["list", "--arch", "csky", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"schema", "variants", "bugs"}


@pytest.mark.parametrize(("arch", "bug", "without", "with_it"), SHOWN, ids=[bug for _, bug, *_ in SHOWN])
def test_the_command_in_the_list_shows_the_bug_and_not_if_it_is_repaired(capsys, arch, bug, without, with_it):
    command = shlex.split(next(row["shown_by"] for row in listed(capsys)["bugs"] if row["name"] == bug))
    assert command[1] == arch
    assert main([*command, "--expect", "some"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == without
    assert main([*command, "--fix", bug, "--expect", "none"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == with_it


def test_a_scenario_is_explored_without_a_bug(capsys):
    command = ["explore", "likely_branch", "--arch", "mips", "--fix", "likely-polarity"]
    assert main([*command, "--expect", "missed=always", "--expect", "wrong-result=never"]) == 0
    capsys.readouterr()
    both = [*command, "--fix", "kprobe-stays-current", "--fix", "skip-flag-leaks", "--json"]
    assert main([*both, "--expect", "missed=never"]) == 0
    assert (
        json.loads(capsys.readouterr().out)["variant"]
        == "mainline+likely-polarity+kprobe-stays-current+skip-flag-leaks"
    )


@pytest.mark.parametrize(
    "command",
    [
        "run foreign_break --arch csky --fix c-flah",
        "explore foreign_break --arch csky --fix c-flah",
        "compare foreign_break --arch csky --fix c-flah",
        "decide recheck --arch csky --fix c-flah",
        "transparent csky --fix c-flah",
        "transparent csky --fix c-flah --case 'word=0x6406 at=0x80213000'",
        "probe-all firmware/csky.elf leaf_add 1 --arch csky --fix c-flah",
    ],
)
def test_an_unknown_bug_is_one_line_with_those_there_are(capsys, command):
    assert main(shlex.split(command)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("trapline: bug 'c-flah' of csky: expected one of br16-distance, ")
    assert err.endswith("(did you mean c-flag?)\n")


def test_a_list_that_is_not_by_architecture(capsys):
    assert main(["list", "scenarios", "--arch", "mips"]) == 2
    assert capsys.readouterr().err == "trapline: list --arch mips: expected variants or bugs, not scenarios\n"


def test_a_case_that_is_found_is_given_with_what_was_repaired(capsys):
    assert main(["transparent", "mips", "--fix", "likely-polarity", "--row", "jalx", "--count", "20"]) == 0
    assert "\n  trapline transparent mips --fix likely-polarity --case 'word=0x7" in capsys.readouterr().out


def test_a_function_is_probed_without_a_bug(capsys):
    command = ["probe-all", "firmware/csky.elf", "probe_compare", "1", "--arch", "csky"]
    assert main(command) == 1
    assert main([*command, "--fix", "c-flag", "--json"]) == 0
    found = capsys.readouterr().out
    assert json.loads(found[found.index("\n{") :])["variant"] == "mainline+c-flag"
