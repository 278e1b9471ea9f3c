"""`import trapline`: what it has, and its examples."""

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import trapline

ROOT = Path(__file__).resolve().parents[2]


def test_it_is_the_tree_under_test():
    assert Path(trapline.__file__).resolve() == ROOT / "emu" / "api" / "__init__.py"
    assert trapline.Lab is importlib.import_module("emu.lab.lab").Lab


def test_a_process_has_it_too_from_any_folder(tmp_path):
    code = "import trapline, emu; print(trapline.__file__, emu.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert [Path(line).resolve() for line in done.stdout.split()] == [
        ROOT / "emu" / "api" / "__init__.py",
        ROOT / "emu" / "__init__.py",
    ]


def test_all_is_what_there_is():
    assert trapline.__all__ == sorted(trapline.__all__)
    assert set(trapline.__all__) <= set(vars(trapline))


def examples(name):
    """The docstrings of a public name, and of the public methods of a class."""
    found = doctest.DocTestFinder().find(getattr(trapline, name), name)
    return [one for one in found if not one.name.rpartition(".")[2].startswith("_")]


@pytest.mark.parametrize("name", trapline.__all__)
def test_every_public_name_has_an_example(name):
    (own,) = (one for one in examples(name) if one.name == name)
    assert own.examples


def test_every_public_method_of_a_lab_has_an_example():
    methods = {f"Lab.{name}" for name, value in vars(trapline.Lab).items() if callable(value) and name[0] != "_"}
    assert methods == {one.name for one in examples("Lab") if one.examples} - {"Lab"}


@pytest.mark.parametrize("name", trapline.__all__)
def test_every_example_is_right(name):
    for one in examples(name):
        assert right(one)


def test_the_example_of_the_module_is_right():
    (one,) = doctest.DocTestFinder(recurse=False).find(trapline, "trapline")
    assert one.examples
    assert right(one)


def right(example):
    """Whether an example gives what it says, without anything that is there before it."""
    example.globs = {}
    return doctest.DocTestRunner().run(example).failed == 0


def test_a_scenario_is_a_name_or_a_function():
    def mine(lab):
        return {"cpu0": trapline.run_guest(lab.cpus[0], "foreign_break")}

    by_name = trapline.explore("foreign_break", "mips", cpus=1)
    mine_too = trapline.explore(mine, "mips", cpus=1)
    assert mine_too.settings.names() == {**by_name.settings.names(), "scenario": "mine"}
    assert mine_too.frequency("passed-on") == by_name.frequency("passed-on") == "always"


def test_a_scenario_file_that_imports_trapline(tmp_path):
    path = tmp_path / "own.py"
    returned = "{'cpu0': run_guest(lab.cpus[0], 'foreign_break')}"
    path.write_text(f"from trapline import run_guest\n\ndef mine(lab):\n    return {returned}\n")
    assert trapline.explore(f"{path}::mine", "mips", cpus=1).frequency("passed-on") == "always"


def test_trapline_is_a_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "trapline", "list", "archs"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "riscv" in done.stdout
