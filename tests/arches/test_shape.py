"""Whoever has learnt one folder of arches knows all of them; adding an architecture, or an engine, is one folder."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import arches
from emu.arch import Setup
from emu.cli import main
from emu.errors import UsageError
from emu.explore.report import Frequency
from emu.explore.search import explore
from emu.lab.cells import Settings, explore_cell
from emu.lab.lab import Laboratory
from emu.scenarios.registry import find_scenario

ARCHES = Path(arches.__file__).parent
ROOMS = {
    *("__init__", "registers", "insns", "isa", "accesses", "breaks", "verdict"),
    *("kprobes", "simulate", "variants", "relocations", "trials", "bugs"),
}
ENGINES = {"unicorn", "semantics"}  # one of them, or both
DATA = {"insns.decode", "kprobes.rules"}


def modules(name):
    return {path.stem for path in (ARCHES / name).glob("*.py")}


@pytest.mark.parametrize("name", arches.names())
def test_every_folder_has_the_same_modules(name):
    found = modules(name)
    assert found >= ROOMS and found & ENGINES
    others = {module for module in found - ROOMS - ENGINES if module.partition("_")[0] not in ROOMS | ENGINES}
    assert others == set(), "a part of a module has the module's name in front: verdict_encodings.py"


@pytest.mark.parametrize("name", arches.names())
def test_every_folder_has_the_same_tables(name):
    files = {path.name for path in (ARCHES / name).iterdir() if path.suffix in (".decode", ".rules")}
    assert files >= DATA
    assert {file for file in files - DATA if file.partition("_")[0] not in ROOMS} == set()


@pytest.mark.parametrize("name", arches.names())
def test_engines_are_named_in_their_own_module_only(name):
    """Unicorn's quirks stand in unicorn.py; which engine there is, in __init__.py."""
    naming = {path.stem for path in (ARCHES / name).glob("*.py") if "unicorn" in path.read_text().lower()}
    assert naming <= {"unicorn", "__init__", "trials"}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A copy of ARM64 under another name, in a folder that is not the checkout's, with its firmware."""
    source = tmp_path / "arches" / "toy"
    shutil.copytree(ARCHES / "arm64", source, ignore=shutil.ignore_patterns("__pycache__"))
    for path in source.iterdir():
        path.write_text(path.read_text().replace("arches.arm64", "arches.toy").replace('name="arm64"', 'name="toy"'))
    monkeypatch.setattr(arches, "__path__", [*arches.__path__, str(source.parent)])
    firmware = tmp_path / "firmware"
    shutil.copytree(ARCHES.parent / "firmware", firmware)
    shutil.copy(firmware / "arm64.elf", firmware / "toy.elf")
    monkeypatch.setattr("emu.lab.lab.FIRMWARE", firmware)
    return "toy"


def test_a_copied_architecture_is_explored_as_the_one_it_was_copied_from(toy):
    assert toy in arches.names()
    scenario = find_scenario("unregister_vs_hit")
    copied, original = (explore_cell(Settings(scenario, name, patching="live")).report for name in (toy, "arm64"))
    assert copied.complete and copied.executions == original.executions
    assert copied.frequency("oops") == original.frequency("oops") == Frequency.SOMETIMES


def test_a_second_engine_is_one_row_of_an_architecture():
    """A search on it is the search on the first."""
    arm64 = arches.load("arm64")
    made = []

    def make_cpu(number, memory):
        made.append(number)
        return arm64.make_cpu()(number, memory)

    both = replace(arm64, cpus={**arm64.cpus, "second": make_cpu})
    variant = both.port.variants["mainline"]
    reports = [
        explore(Laboratory(find_scenario("two_cpus_hit").function, Setup(both, variant, "live", engine=engine)))
        for engine in (None, "second")
    ]
    assert set(made) == {0, 1}
    assert reports[0].executions == reports[1].executions


def test_an_unknown_engine_is_named_with_those_there_are():
    arch = arches.load("csky")
    with pytest.raises(UsageError, match=r"^engine 'qemu' of csky: expected one of interp$"):
        Setup(arch, arch.port.variants["mainline"], "live", engine="qemu")


def test_the_engine_is_an_option_of_the_commands_that_run_a_scenario(capsys):
    command = ["run", "two_cpus_hit", "--arch", "csky", "--engine"]
    assert main([*command, "interp"]) == 0
    assert main([*command, "qemu"]) == 2
    assert "engine 'qemu' of csky: expected one of interp" in capsys.readouterr().err
