"""`trapline completion`, in the shells that there are; shtab is an extra."""

import importlib.util
import shutil
import subprocess
import sys

import pytest

import arches
from emu.cli import main
from emu.cli.commands import COMMANDS
from emu.scenarios.registry import shipped

needs_shtab = pytest.mark.skipif(importlib.util.find_spec("shtab") is None, reason="shtab is not installed")
ASK = """
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_shtab_trapline trapline "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """script(shell): the file that `trapline completion` gives for it."""
    folder = tmp_path_factory.mktemp("completion")

    def script(shell):
        path = folder / shell
        if not path.exists():
            command = [sys.executable, "-m", "emu.cli", "completion", shell]
            path.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return path

    return script


def completed(script, *words):
    """What bash offers for the last of the words."""
    command = ["bash", "--norc", "-c", ASK, "ask", str(script("bash")), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split())


@needs_shtab
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["trapline", "ex"], {"explore"}),
        (["trapline", "list", "b"], {"bugs"}),
        (["trapline", "explore", "unreg"], {"unregister_vs_hit", "unregister_vs_hits"}),
        (["trapline", "explore", "unregister_vs_hit", "--patch"], {"--patching"}),
        (["trapline", "explore", "unregister_vs_hit", "--patching", "st"], {"stop_machine"}),
        (["trapline", "run", "unregister_vs_hit", "--arch", "loo"], {"loongarch"}),
        (["trapline", "compare", "--arch", "mips", "loo"], {"loongarch"}),
        (["trapline", "opcode", "loo"], {"loongarch"}),
        (["trapline", "transparent", "mips", "--fix", "likely"], {"likely-polarity"}),
        (["trapline", "completion", ""], {"bash", "zsh", "tcsh"}),
    ],
)
def test_bash_offers_what_there_is(script, words, offered):
    assert completed(script, *words) == offered


@needs_shtab
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_offers_every_command_architecture_and_scenario(script):
    assert completed(script, "trapline", "") >= {command.name for command in COMMANDS}
    assert completed(script, "trapline", "opcode", "") >= set(arches.names())
    assert completed(script, "trapline", "explore", "") >= set(shipped())


@needs_shtab
@pytest.mark.parametrize(("shell", "check"), [("bash", "-n"), ("zsh", "-n"), ("tcsh", "-n")])
def test_a_shell_reads_it(script, shell, check):
    text = script(shell).read_text()
    assert "trapline" in text and "unregister_vs_hit" in text and "--patching" in text
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    done = subprocess.run([shell, check, str(script(shell))], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_shtab_one_line_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "trapline: completion needs shtab: expected the extra trapline[completion] to be installed\n"


def test_its_help_says_where_the_script_goes(capsys):
    with pytest.raises(SystemExit):
        main(["completion", "--help"])
    said = capsys.readouterr().out
    for shell in ("bash", "zsh", "tcsh"):
        assert f"trapline completion {shell} >~/" in said
    assert "pip install 'trapline[completion]'" in said
