"""The shell scripts of a checkout, with a Python that only says how it was called; and the help of the programs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = """#!/bin/sh
echo "$@" >>"$0.calls"
"""


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "check out"
    (folder / "tools").mkdir(parents=True)
    for name in ("trapline", "test", "environment.sh"):
        shutil.copy(ROOT / "tools" / name, folder / "tools" / name)
    for name in ("pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").write_text(PYTHON)
    (folder / ".venv" / "bin" / "python").chmod(0o755)
    return folder


def calls(checkout):
    """How Python was called since the last time."""
    path = checkout / ".venv" / "bin" / "python.calls"
    lines = path.read_text().splitlines()
    path.unlink()
    return lines


def run(*command, cwd, **environment):
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_it_installs_once(checkout, tmp_path):
    run(checkout / "tools" / "trapline", "list", cwd=tmp_path)
    first = calls(checkout)
    assert any(f"--editable {checkout}" in line for line in first)
    assert first[-1] == "-P -m emu.cli list"
    run(checkout / "tools" / "trapline", "list", cwd=tmp_path)
    assert calls(checkout) == ["-P -m emu.cli list"]


def test_it_is_called_through_a_symbolic_link(checkout, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "trapline").symlink_to(checkout / "tools" / "trapline")
    (tmp_path / "again").symlink_to(tmp_path / "bin" / "trapline")
    for name in ("bin/trapline", "again"):
        run(tmp_path / name, "list", cwd=tmp_path)
        assert calls(checkout)[-1] == "-P -m emu.cli list"


@pytest.mark.parametrize("path", [".", "/", ".:/tmp"])
def test_cdpath_does_not_matter(checkout, path):
    run("tools/trapline", "list", cwd=checkout, CDPATH=path)
    assert calls(checkout)[-1] == "-P -m emu.cli list"


def test_a_checkout_that_was_moved_is_installed_again(checkout, tmp_path):
    run(checkout / "tools" / "trapline", "list", cwd=tmp_path)
    calls(checkout)
    moved = checkout.rename(tmp_path / "moved")
    run(moved / "tools" / "trapline", "list", cwd=tmp_path)
    assert any(f"--editable {moved}" in line for line in calls(moved))


@pytest.mark.parametrize("program", ["trapline", "test"])
@pytest.mark.parametrize("name", ["pyproject.toml", "setup.py"])
def test_a_change_of_what_says_how_to_install_it_installs_it_again(checkout, tmp_path, program, name):
    def installs():
        run(checkout / "tools" / program, "-k", "x", cwd=tmp_path)
        return sum(f"--editable {checkout}" in line for line in calls(checkout))

    assert (installs(), installs()) == (1, 0)
    with (checkout / name).open("a") as file:
        file.write("# another\n")
    assert (installs(), installs()) == (1, 0)


def test_what_one_program_installed_since_is_not_what_the_other_one_did(checkout, tmp_path):
    """A file is changed, and changed back: the environment has what was installed in between."""

    def installs(program):
        run(checkout / "tools" / program, "-k", "x", cwd=tmp_path)
        return sum(f"--editable {checkout}" in line for line in calls(checkout))

    before = (checkout / "setup.py").read_text()
    assert (installs("test"), installs("trapline")) == (1, 1)
    assert (installs("test"), installs("trapline")) == (0, 0)
    (checkout / "setup.py").write_text(before + "# another\n")
    assert installs("trapline") == 1
    (checkout / "setup.py").write_text(before)
    assert installs("test") == 1


def test_the_tests_import_nothing_from_where_they_are_called(checkout, tmp_path):
    run(checkout / "tools" / "test", "-k", "x", cwd=tmp_path)
    assert calls(checkout)[-1] == "-P -m pytest -k x"


@pytest.mark.parametrize("name", ["fetch_modules.py", "bench_all.py"])
def test_every_program_has_help(name, tmp_path):
    """By its path, from another folder, without the tests' own path."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    program = [sys.executable, ROOT / "tools" / name, "--help"]
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")


def test_an_architecture_whose_modules_nobody_fetches():
    done = subprocess.run([sys.executable, ROOT / "tools" / "fetch_modules.py", "vax"], capture_output=True, text=True)
    assert done.returncode == 2 and "'vax': expected one of x86, arm64, mips" in done.stderr
