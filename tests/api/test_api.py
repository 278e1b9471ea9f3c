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


@pytest.mark.parametrize("name", ["", *trapline.__all__])
def test_every_example_is_right(name):
    found = doctest.DocTestFinder(recurse=False).find(getattr(trapline, name) if name else trapline, name or "trapline")
    if name in ("", "load", "store", "update", "own", "wait", "settings", "explore", "run", "replay", "opcode"):
        assert any(one.examples for one in found)
    result = doctest.TestResults(0, 0)
    for one in found:
        one.globs = {}
        result = doctest.DocTestRunner().run(one)
    assert result.failed == 0


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
