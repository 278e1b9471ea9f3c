"""Streams that are closed, full or end early, what user code prints, and exceptions that nobody expected."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from emu.cli import list_command, main

TRAPLINE = f"{sys.executable} -m emu.cli"
CHATTY = """
from trapline import run_guest

print("loaded")

def mine(lab):
    print("set up")
    return {"cpu0": run_guest(lab.cpus[0], "foreign_break")}
"""


def shell(line):
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("command", ["list", "list --json", "run foreign_break --arch mips", "--help", "run --help"])
def test_a_full_disk_is_one_line(command):
    status, _, err = shell(f"{TRAPLINE} {command} > /dev/full")
    assert (status, err) == (2, "trapline: standard output: No space left on device: expected room for all of it\n")


@pytest.mark.parametrize("command", ["list", "--help", "opcode riscv 0x8532"])
def test_a_closed_output_is_one_line(command):
    status, _, err = shell(f"{TRAPLINE} {command} >&-")
    assert (status, err) == (2, "trapline: standard output is closed: expected somewhere to print to\n")


@pytest.mark.parametrize("command", ["list archs", "explore foreign_break --arch mips"])
def test_without_standard_error_the_answer_is_the_same(command):
    assert shell(f"{TRAPLINE} {command} 2>&-") == shell(f"{TRAPLINE} {command}")


def test_what_would_be_said_on_a_closed_standard_error_does_not_go_into_the_answer():
    assert shell(f"{TRAPLINE} list nothing 2>&-") == (2, "", "")
    assert shell(f"{TRAPLINE} opcode vax 0 2>&-") == (2, "", "")


def test_a_pipe_that_ends_is_quiet():
    status, out, err = shell(f"{TRAPLINE} list | head -n 1; exit ${{PIPESTATUS[0]}}")
    assert (status, out.count("\n"), err) == (0, 1, "")


def test_letters_that_the_locale_lacks(tmp_path):
    (tmp_path / "drüben.py").write_text("def mine(lab):\n    return {}\n")
    environment = "PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LC_ALL=C"
    status, out, err = shell(f"cd {tmp_path}; {environment} {TRAPLINE} explore drüben.py::mine --arch mips")
    assert (status, err) == (0, "") and "ben.py::mine on mips" in out
    status, out, err = shell(f"cd {tmp_path}; {environment} {TRAPLINE} explore drüben.py::mein --arch mips")
    assert (status, out, err.count("\n")) == (2, "", 1) and "did you mean mine?" in err


# What user code prints


@pytest.mark.parametrize(
    "command", [["run"], ["explore"], ["explore", "--timeline"], ["compare", "--variant", "seed"]], ids=" ".join
)
def test_what_a_scenario_prints_goes_to_standard_error(tmp_path, capfd, command):
    path = tmp_path / "chatty.py"
    path.write_text(CHATTY)
    arguments = [command[0], f"{path}::mine", "--arch", "mips", *command[1:]]
    assert main(arguments) == 0
    out, err = capfd.readouterr()
    assert "loaded" in err and "set up" in err
    assert "loaded" not in out and "set up" not in out
    assert main([*arguments, "--json"] if "--timeline" not in arguments else [*arguments[:4], "--json"]) == 0
    json.loads(capfd.readouterr().out)


# What nobody expected


@pytest.fixture
def broken(monkeypatch):
    def fails(options):
        raise ValueError("so\nmuch for \x1b[31mthat")

    monkeypatch.setattr(list_command, "list_what", fails)


def test_a_mistake_is_one_line_and_a_file(broken, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["list"]) == 70
    out, err = capsys.readouterr()
    said = re.fullmatch(r"trapline: a mistake of trapline's own: ValueError: (.*); traceback in (\S+)\n", err)
    assert out == "" and said is not None and "\x1b" not in err
    text = Path(said[2]).read_text()
    assert text.startswith("Traceback") and 'raise ValueError("so' in text


def test_a_mistake_where_no_file_can_be_written(broken, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    assert main(["list"]) == 70
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "--debug prints it" in err


def test_debug_shows_the_traceback(broken, capsys):
    assert main(["--debug", "list"]) == 70
    assert capsys.readouterr().err.startswith("Traceback (most recent call last)")
