"""Every command that the README shows prints what the README says."""

import re

import pytest

from tools.update_readme import README, agrees, examples, run

EXAMPLES = list(examples(README.read_text(encoding="utf-8")))


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
