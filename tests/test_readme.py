"""Every command that a README shows prints what the README says, and every relative link leads somewhere."""

import re

import pytest

import arches
from tools.update_readme import ROOT, Example, agrees, broken_links, examples, readmes, run, update, with_bugs

README = ROOT / "README.md"
READMES = readmes()
EXAMPLES = [example for readme in READMES for example in examples(readme)]


def name_of(readme):
    return str(readme.relative_to(ROOT))


def as_parameter(example):
    marks = [pytest.mark.exhaustive] if example.exhaustive else []
    return pytest.param(example, marks=marks, id=f"{name_of(example.readme)}: {example.command}")


@pytest.mark.parametrize("example", [as_parameter(example) for example in EXAMPLES])
def test_output_is_as_shown(example):
    printed = run(example)
    assert agrees(example.shown, printed), printed


@pytest.mark.parametrize("readme", READMES, ids=name_of)
def test_relative_links_lead_somewhere(readme):
    assert broken_links(readme) == []


def test_the_table_of_bugs_is_what_the_architectures_say():
    """Each row is shown to be so by `tests/arches/test_bugs.py`."""
    text = (ROOT / "arches" / "README.md").read_text(encoding="utf-8")
    assert with_bugs(text) == text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    listed = {(row[0].removeprefix("| "), row[1].strip("`")) for row in rows}
    assert listed >= {(arch.name, bug.id) for arch in arches.all_archs() for bug in arch.bugs}


def test_the_first_one_is_short():
    assert len(README.read_bytes()) <= 8 * 1024


def test_the_readmes_show_every_command():
    shown = {example.command.split()[2] for example in EXAMPLES}
    listed = re.search(r"COMMAND\n(.*?)\n\n", run(Example(README, "$ tools/trapline --help", "", False, ())), re.DOTALL)
    commands = set(re.findall(r"^    (\S+)", listed[1], re.MULTILINE))
    assert commands <= shown


def test_the_first_one_opens_with_the_two_commands_that_a_newcomer_types():
    first = README.read_text(encoding="utf-8").split("\n## ")[0]
    assert "tools/trapline compare" in first
    assert "tools/test" in first


# The tool itself


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


TOOL = """
# A README

A file:

```python
# ask.py
from trapline import Lab
question = "how many?"
```

<!-- exhaustive -->

```console
$ python ask.py
nothing, it only has a question
$ rm -rf ask.py
$ python -c 'import ask; print(ask.question, ask.Lab.__name__)' | tr mb MB
how Many? LaB
```

```python
print("a block without a name")
```

[this](#a-readme) [here](README.md#a-file) [code](there.py) [far](https://example.org/x) `[a](b)`
"""


ASKING = "$ python -c 'import ask; print(ask.question, ask.Lab.__name__)' | tr mb MB"


@pytest.fixture
def readme(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(TOOL)
    return path


def test_what_is_an_example(readme):
    found = [(one.command, one.shown, one.exhaustive, [name for name, _ in one.files]) for one in examples(readme)]
    assert found == [
        ("$ python ask.py", "", False, ["ask.py"]),
        ("$ python ask.py", "nothing, it only has a question\n", True, ["ask.py"]),
        (
            "$ python -c 'import ask; print(ask.question, ask.Lab.__name__)' | tr mb MB",
            "how Many? LaB\n",
            True,
            ["ask.py"],
        ),
        ("$ python block.py", "", False, ["ask.py", "block.py"]),
    ]


def test_the_blocks_are_run_where_their_files_are(readme):
    assert [run(one) for one in examples(readme)] == ["", "", "how Many? LaB\n", "a block without a name\n"]


def test_the_output_is_pasted_but_a_block_that_prints_stays_wrong(readme, capsys):
    before = readme.read_text()
    assert update(readme, check=True)
    assert readme.read_text() == before
    assert update(readme, check=False)
    assert readme.read_text() == before.replace("nothing, it only has a question\n", "")
    assert capsys.readouterr().err.count("differs: $ python block.py\n") == 2


def test_links_that_lead_nowhere(readme):
    """Also to a heading that only has a similar name; code is no link."""
    assert broken_links(readme) == ["README.md#a-file", "there.py"]
    (readme.parent / "there.py").touch()
    assert broken_links(readme) == ["README.md#a-file"]
