"""Every command that the README shows prints what the README says."""

import re

import pytest

import arches
from emu.cli import main
from tools.update_readme import README, agrees, examples, run

EXAMPLES = list(examples(README.read_text(encoding="utf-8")))


DEFECTS = re.findall(
    r"^\| (\w+) \| `(word=[^`]*)` \|[^|]*\| (newest|before [\d.]+) \|$", README.read_text(), re.MULTILINE
)


LAST = {4: 20, 5: 19}  # minor numbers


def version_before(release):
    major, minor = map(int, release.split("."))
    return f"{major}.{minor - 1}" if minor else f"{major - 1}.{LAST[major - 1]}"


def transparent(arch, case, *arguments):
    return main(["transparent", arch, "--case", case, *arguments])


@pytest.mark.parametrize(("arch", "case", "where"), DEFECTS)
def test_a_listed_defect_is_there_and_is_mended(arch, case, where):
    if where == "newest":
        assert transparent(arch, case, "--expect", "some") == 0
        assert transparent(arch, case, "--variant", "fixed", "--expect", "none") == 0
    else:
        version = version_before(where.removeprefix("before "))
        assert transparent(arch, case, "--version", version, "--expect", "some") == 0
        assert transparent(arch, case, "--expect", "none") == 0


def test_the_table_of_defects_covers_every_architecture():
    assert {arch for arch, _, _ in DEFECTS} == set(arches.names())


@pytest.mark.parametrize(("command", "shown"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_output_is_as_shown(command, shown):
    printed = run(command)
    assert agrees(shown, printed), printed


def test_the_readme_shows_every_command():
    shown = {command.split()[2] for command, _ in EXAMPLES}
    listed = re.search(r"COMMAND\n(.*?)\n\n", run("$ tools/trapline --help"), re.DOTALL)
    commands = set(re.findall(r"^    (\S+)", listed[1], re.MULTILINE))
    assert commands <= shown


def test_it_opens_with_the_two_commands_that_a_newcomer_types():
    first = README.read_text(encoding="utf-8").split("\n## ")[0]
    assert "tools/trapline compare" in first
    assert "tools/test" in first


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\n", "b\n", False),
        ("a\n...\nd\n", "a\nb\nc\nd\n", True),
        ("...\nd\n", "x\n", False),
    ],
)
def test_the_comparison_itself(shown, printed, same):
    assert agrees(shown, printed) == same
