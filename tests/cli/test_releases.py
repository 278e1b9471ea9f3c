"""Which release's rules an answer is about: what was asked for, what the file says, or the newest that is known."""

import json
from pathlib import Path

import pytest

import arches
from emu.cli import main
from emu.elf.file import ElfFile

ELF = "firmware/riscv.elf"


def refused(capsys, *arguments):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1
    return err


COMMANDS = [
    ("opcode", "riscv", "0x0001", "--release"),
    ("opcode", "riscv", "--elf", ELF, "--release"),
    ("probe-all", ELF, "leaf_add", "5", "--arch", "riscv", "--release"),
    ("transparent", "riscv", "--count", "1", "--release"),
    ("sweep", "riscv", "--release"),
    ("sweep", "riscv", "--release", "6.1", "--against"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_answer_for_a_release_without_kprobes_or_unknown(capsys, command):
    """RISC-V has kprobes since c22b0bcb1dd0 (5.12)."""
    said = refused(capsys, *command, "5.11.22")
    assert said == "trapline: release '5.11.22': RISC-V has kprobes since 5.12: expected no earlier one\n"
    assert "RISC-V is known up to 7.2: expected no later one" in refused(capsys, *command, "7.3")


@pytest.mark.parametrize(
    ("arch", "word", "before", "first"),
    [
        ("arm64", "0xd503201f", "4.7", "4.8"),
        ("csky", "0x6c03", "5.6", "5.7"),
        ("riscv", "0x0001", "3.0", "5.12"),
        ("mips", "0x00000000", "2.6.35", "2.6.36"),
        ("loongarch", "0x001098a4", "5.18", "5.19"),
    ],
)
def test_the_first_release_with_kprobes(capsys, arch, word, before, first):
    assert f"has kprobes since {first}" in refused(capsys, "opcode", arch, word, "--release", before)
    assert main(["opcode", arch, word, "--release", first]) == 0
    assert f"rules of Linux {first}\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", arches.names())
def test_the_newest_has_a_number(capsys, name):
    """In text and JSON, and it is one that can be asked for."""
    word = arches.load(name).isa.word(arches.load(name).isa.breakpoint(bytes(16)))
    assert main(["opcode", name, word, "--json"]) == 0
    newest = json.loads(capsys.readouterr().out)["release"]
    assert main(["opcode", name, word]) == 0
    assert f"\nrules of Linux {newest} (the newest that is known)\n" in capsys.readouterr().out
    assert main(["opcode", name, word, "--release", newest]) == 0
    assert capsys.readouterr().out.endswith(f"\nrules of Linux {newest}\n")


@pytest.mark.parametrize(
    ("release", "verdict"), [("6.1", "reject"), ("6.1.191", "reject"), ("6.1.192", "step"), ("6.2", "step")]
)
def test_riscv_6_1_192_decodes_as_6_2(capsys, release, verdict):
    """c.mv a0, a2 (0x8532): refused by the mask that b2d473a6019e mended, in 6.2 and, as was read there, in 6.1.192."""
    assert main(["opcode", "riscv", "0x8532", "--release", release, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["instructions"]
    assert found["verdict"] == verdict


def test_riscv_6_1_192_simulates_as_the_newest():
    """80,000 states were compared with its own routines."""
    rules = arches.load("riscv").probing.rules
    for word, action in ((0x6F, "simulate_jal"), (0x67, "simulate_jalr"), (0x17, "simulate_auipc")):
        assert rules.find(word, (6, 1, 192)).action == rules.find(word, None).action == action
        assert rules.find(word, (6, 1)).action != action


def file_with(tmp_path, text):
    path = tmp_path / "riscv.elf"
    path.write_bytes(Path(ELF).read_bytes() + text)
    return str(path)


FILES = [
    (b"\0vermagic=6.1.0-50-riscv64 SMP mod_unload riscv\0", "6.1", "vermagic of the file: 6.1.0-50-riscv64"),
    (b"\0Linux version 6.1.192 (x@y) (gcc) #1 SMP\n\0", "6.1.192", "banner of the file: 6.1.192"),
]


@pytest.mark.parametrize(("text", "release", "origin"), FILES)
def test_a_file_says_what_it_was_built_for(tmp_path, capsys, text, release, origin):
    path = file_with(tmp_path, text)
    for command in (["opcode", "riscv", "--elf", path], ["probe-all", path, "leaf_add", "5", "--arch", "riscv"]):
        assert main(command) == 0
        assert f"rules of Linux {release} ({origin})" in capsys.readouterr().out
        assert main([*command, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["release"], said["release_from"]) == (release, origin)
        assert main([*command, "--release", "6.6"]) == 0
        assert capsys.readouterr().out.endswith("rules of Linux 6.6\n")


def test_a_file_for_a_release_that_is_not_known(tmp_path, capsys):
    path = file_with(tmp_path, b"\0vermagic=7.9.0 SMP\0")
    assert "release '7.9.0' (vermagic of the file: 7.9.0): RISC-V is known up to 7.2" in refused(
        capsys, "opcode", "riscv", "--elf", path
    )
    assert main(["opcode", "riscv", "--elf", path, "--release", "7.2"]) == 0


def test_firmware_says_nothing():
    assert ElfFile.load(ELF).linux_release() is None


def test_probe_all_takes_the_handlers_of_the_release(capsys):
    """Until 5.12 the trap flag stepped what is emulated since; a mixture of both dies where Linux never did."""
    command = ["probe-all", "firmware/x86.elf", "probe_branch", "5", "--arch", "x86"]
    for release, variant in (("5.10", "v5.12"), ("5.12", "v5.12"), ("6.2", "v6.2"), ("7.0", "mainline")):
        assert main([*command, "--release", release]) == 0
        assert capsys.readouterr().out.endswith(f"handlers of {variant}, rules of Linux {release}\n")


@pytest.mark.parametrize(
    ("variant", "release", "expected"),
    [
        ("mainline", "5.10", "v5.12"),
        ("v5.12", "6.2", "v6.2"),
        ("recheck", "5.10", "v5.12"),
        ("v5.12", "7.0", "mainline"),
    ],
)
def test_a_variant_of_another_release_is_refused(capsys, variant, release, expected):
    said = refused(
        capsys, "transparent", "x86", "--variant", variant, "--release", release, "--count", "1", "--row", "lea"
    )
    assert said == f"trapline: variant {variant!r} in {release}: expected {expected!r}, its handlers\n"


def test_a_variant_of_that_release_is_not(capsys):
    for arch, variant, release in (("csky", "mainline", "6.1"), ("x86", "v5.12", "5.10"), ("x86", "recheck", "6.9")):
        assert main(["transparent", arch, "--variant", variant, "--release", release, "--count", "1"]) == 0
        capsys.readouterr()


ABOUT_A_RELEASE = (
    ["transparent", "riscv", "--count", "1", "--row", "c.j"],
    ["transparent", "riscv", "--case", "word=0x9b82 at=0x80213000 x23=0x1"],
    ["opcode", "riscv", "0x8532"],
    ["opcode", "riscv", "--elf", ELF, "--symbol", "leaf_add"],
    ["sweep", "x86"],
    ["probe-all", "riscv", ELF, "leaf_add", "5"],
)
WITH_VERSION = ("transparent", "sweep", "probe-all")  # what they had before it was called release
NEWEST = {"transparent": "newest"}  # as `version` calls it; elsewhere null


def as_parameter(command):
    return pytest.param(command, marks=[pytest.mark.exhaustive] if command[0] == "sweep" else [], id=" ".join(command))


@pytest.mark.parametrize("command", [as_parameter(command) for command in ABOUT_A_RELEASE])
def test_the_key_of_linux_s_release_is_release(capsys, command):
    def said(*options):
        assert main([*command, *options, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    older, newest = said("--release", "6.6"), said() if command[0] != "sweep" else {}  # a sweep takes ten seconds
    assert (older["release"], newest.get("release", "7.2")) == ("6.6", "7.2")
    if command[0] in WITH_VERSION or "--elf" in command:
        assert (older["version"], newest.get("version")) == ("6.6", NEWEST.get(command[0]))


def test_variants_have_a_release_too(capsys):
    assert main(["list", "variants", "--arch", "riscv", "--json"]) == 0
    found = {variant["name"]: variant for variant in json.loads(capsys.readouterr().out)["variants"]}
    assert (found["seed"]["release"], found["mainline"]["release"]) == ("6.1", "7.2")
