"""The frame of the command line: which commands there are, what they import, names that are nearly right."""

import ast
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import emu.cli
from emu.cli import main
from emu.cli.commands import COMMANDS, parser

LIBRARIES = {"numpy", "elftools", "unicorn", "capstone", "keystone", "multiprocessing", "arches", "emu.kernel"}


@pytest.fixture
def refused(capsys):
    """What a command line that is not understood is told, without the program's name."""

    def refused(*arguments):
        try:
            status = main(list(arguments))
        except SystemExit as exit:
            status = exit.code
        out, err = capsys.readouterr()
        assert (status, out, err.count("\n")) == (2, "", 1)
        return err

    return refused


def test_every_command_is_a_module_and_every_such_module_a_command():
    folder = Path(emu.cli.__file__).parent
    assert {one.module.rpartition(".")[2] for one in COMMANDS} == {path.stem for path in folder.glob("*_command.py")}


@pytest.mark.parametrize("one", COMMANDS, ids=lambda one: one.name)
def test_every_command_has_help_and_an_example(one, capsys):
    with pytest.raises(SystemExit) as exit:
        main([one.name, "--help"])
    out = capsys.readouterr().out
    assert exit.value.code == 0
    assert f"usage: trapline {one.name}" in out and one.help.split()[0] in out and "\nexample:\n  trapline " in out


def test_a_command_gets_its_arguments_when_it_is_asked_for():
    made = parser()
    assert made.parse_args(["list", "archs"]).what == "archs"
    assert all(callable(import_module(one.module).add) for one in COMMANDS)


def imported(*arguments):
    """What a process has imported by the end of a command."""
    code = "import sys; from emu.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\n"
    code += "print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-S", "-c", code, *arguments], capture_output=True, text=True)
    assert done.stderr.startswith("["), done.stderr
    return set(ast.literal_eval(done.stderr))


def test_help_imports_no_library_and_nothing_of_the_kernel():
    assert imported("--help") & LIBRARIES == set()


def test_the_version_is_traplines_own(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["--version"])
    assert (exit.value.code, capsys.readouterr().out.split()[0]) == (0, "trapline")


def test_the_release_of_linux_was_called_version_once(capsys):
    """`--version R` still works, where it meant that."""
    assert main(["opcode", "riscv", "0x8532", "--release", "6.1"]) == 0
    out = capsys.readouterr().out
    assert main(["opcode", "riscv", "0x8532", "--version", "6.1"]) == 0
    assert capsys.readouterr().out == out
    with pytest.raises(SystemExit):
        main(["opcode", "--help"])
    assert "--version" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["explroe"], "did you mean explore?"),
        (["run", "unregister-vs-hit", "--arch", "riscv"], "did you mean unregister_vs_hit"),
        (["run", "foreign_break", "--arch", "risc"], "did you mean riscv?"),
        (["run", "foreign_break", "--arch", "riscv", "--variant", "seeed"], "did you mean seed?"),
        (["compare", "--arch", "riscv", "--variant", "mainlin"], "did you mean mainline?"),
        (["run", "foreign_break", "--arch", "riscv", "--patching", "stop-machine"], "did you mean stop_machine?"),
        (["run", "foreign_break", "--arch", "riscv", "--preempt", "fulll"], "did you mean full?"),
        (["transparent", "mips", "--row", "jjr"], "did you mean"),
        (["explore", "foreign_break", "--arch", "riscv", "--expect", "opps=never"], "did you mean oops?"),
        (["explore", "foreign_break", "--arch", "riscv", "--expect", "oops=nevr"], "did you mean never?"),
        (["opcode", "mips", "--elf", "firmware/mips.elf", "--symbol", "probe_dely"], "did you mean probe_delay"),
        (["opcode", "mips", "0", "--feature", "xyz"], "expected"),
    ],
)
def test_names_that_are_nearly_right(refused, monkeypatch, arguments, said):
    monkeypatch.chdir(Path(__file__).parents[2])
    assert said in refused(*arguments)


def test_the_rows_of_an_architecture_are_not_all_listed(refused):
    assert len(refused("transparent", "mips", "--row", "xyzzy")) < 300


@pytest.mark.parametrize(
    "arguments",
    [
        ["opcode", "mips", "--elf", "firmware/mips.elf", "--symbol", "probe_me", "--symbol", "probe_delay"],
        ["run", "foreign_break", "--arch", "mips", "--arch", "arm64"],
        ["run", "foreign_break", "--arch", "mips", "--seed", "1", "--seed", "1"],
        ["opcode", "mips", "0", "--release", "6.1", "--version", "6.2"],
    ],
)
def test_an_option_of_which_one_value_would_be_dropped(refused, arguments):
    assert "expected this option once" in refused(*arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["opcode", "mips", "--elf", "firmware/mips.elf", "--at", "0x14"], "no words, --asm, --prev or --at"),
        (["opcode", "mips", "--elf", "firmware/mips.elf", "--at", "0x10000"], "no words, --asm, --prev or --at"),
        (["explore", "foreign_break", "--arch", "mips", "--timeline", "--json"], "no --timeline"),
        (["compare", "--arch", "riscv", "foreign_break"], "is a scenario: expected it before"),
        (["compare", "--variant", "mainline", "own.py::mine"], "is a scenario: expected it before"),
    ],
)
def test_what_would_be_ignored_or_misunderstood(refused, arguments, said):
    assert said in refused(*arguments)


def test_a_file_without_a_function_lists_its_functions(refused, tmp_path):
    path = tmp_path / "own.py"
    path.write_text("def one(lab):\n    return {}\n\ndef two(lab):\n    return {}\n")
    said = refused("explore", str(path), "--arch", "mips")
    assert "expected ::FUNCTION behind it; expected one of one, two" in said


def test_no_command_gives_the_help(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("usage: trapline") and "explore" in err


def cpu_seconds(*arguments):
    before = os.times()
    subprocess.run([sys.executable, "-P", "-m", "emu.cli", *arguments], stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@pytest.mark.parametrize(
    ("arguments", "seconds"), [(["--help"], 0.1), (["opcode", "riscv", "0x8532"], 0.25)], ids=["help", "opcode"]
)
def test_start_up(arguments, seconds):
    """The best of a few, and with room for a busy machine: a library that is imported without need costs more."""
    assert min(cpu_seconds(*arguments) for _ in range(4)) < 2 * seconds


@pytest.mark.parametrize(
    ("arguments", "imported"),
    [
        (["opcode", "riscv", "0x8532"], {"capstone"}),  # its text is Capstone's
        (["opcode", "loongarch", "0x002a0000"], set()),
        (["opcode", "loongarch", "--elf", "firmware/loongarch.elf", "--symbol", "probe_me"], {"elftools"}),
        (["step", "loongarch", "0x002a0000"], set()),
        (["step", "riscv", "0x8532"], {"capstone", "unicorn"}),
        (["list", "archs"], {"capstone"}),
    ],
)
def test_a_command_imports_the_libraries_that_it_needs(arguments, imported):
    libraries = {"capstone", "elftools", "unicorn", "keystone", "numpy", "distributed"}
    code = f"import sys; from emu.cli import main; main({arguments}); print(*({libraries} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.splitlines()[-1].split()) == imported
