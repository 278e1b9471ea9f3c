"""An outcome is added in emu/kernel/outcome.py alone: whoever lists outcomes, or asks what dies of one, asks there."""

import ast
import json
from functools import cache
from pathlib import Path

import pytest

from emu.cli import main
from emu.errors import UsageError
from emu.explore.report import Report
from emu.kernel.outcome import Mark, Outcome
from emu.lab.cells import Cell, Settings
from emu.report import text
from emu.report.as_json import cell_json
from emu.report.cells import cell_text
from emu.scenarios.registry import find_scenario

ROOT = Path(__file__).resolve().parents[2]
ENDINGS = {"deadlock", "livelock"}  # of an execution too, under the same names


def cell(*outcomes):
    """What a search finds whose one execution had these outcomes."""
    report = Report(complete=True)
    report.add(("cpu0",), frozenset(outcomes))
    return Cell(Settings(find_scenario("unregister_vs_hit"), "mips"), report)


@cache
def strings(path):
    return {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}


def modules():
    found = [path for folder in ("emu", "arches") for path in (ROOT / folder).rglob("*.py")]
    return [path for path in found if path.name != "outcome.py" and "scenarios" not in path.parts]


def test_names_and_the_order_that_users_know():
    names = "hit, missed, claimed, passed-on, oops, livelock, deadlock, wrong-result, unpredictable"
    assert ", ".join(Outcome) == names


@pytest.mark.parametrize("outcome", Outcome)
def test_no_other_module_spells_an_outcome(outcome):
    """Scenarios may (`lab.note("hit")`), and examples; a search and a case of `transparent` have ends of their own."""
    spelling = {path.relative_to(ROOT).parts[1] for path in modules() if outcome.value in strings(path)}
    assert spelling <= ({"explore"} if outcome in ENDINGS else set()) | ({"transparent"} if outcome.fatal else set())


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_in_the_json_and_in_the_text_of_a_search(outcome):
    assert cell_json(cell(outcome))["outcomes"][outcome.value]["frequency"] == "always"
    assert cell_json(cell())["outcomes"][outcome.value]["frequency"] == "never"
    assert f"\n{outcome.value} " in cell_text(cell(outcome)).partition("never: ")[0]
    assert outcome.value in cell_text(cell()).partition("never: ")[2]


def test_every_outcome_is_listed_with_its_text(capsys):
    assert main(["list", "outcomes", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["outcomes"]
    assert listed == [{"name": outcome.value, "meaning": outcome.text} for outcome in Outcome]


@pytest.mark.parametrize("outcome", Outcome)
def test_a_kernel_dies_of_what_is_fatal(outcome):
    assert (cell(outcome).death is not None) is outcome.fatal
    assert outcome.fatal is (outcome in ("oops", "livelock"))


@pytest.mark.parametrize(("mark", "colour"), [(Mark.WRONG, "31"), (Mark.DOUBTFUL, "33"), (None, None)])
def test_colours_are_those_of_the_marks(monkeypatch, mark, colour):
    monkeypatch.setattr(text.sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for outcome in Outcome:
        if mark in outcome.marks or (mark is None and not outcome.marks & text.COLOURS.keys()):
            name = outcome.value
            assert text.colour(outcome) == (name if colour is None else f"\x1b[{colour}m{name}\x1b[0m")


def test_an_unknown_outcome_is_an_error_that_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"^outcome 'opps': expected one of hit, missed, claimed, "):
        cell().frequency("opps")
