"""`list`, `run`, `explore`, `compare` and `decide`: what they print, as text and as JSON, and their exit statuses."""

import json
import re
import shlex
from pathlib import Path

import pytest

import arches
from emu.cli import main
from emu.cli.commands import parser
from emu.explore.schedule import format_schedule, parse_schedule
from emu.kernel.outcome import Outcome

FOLDER = Path(arches.__file__).parent
NAMES = ["hit", "missed", "claimed", "passed-on", "oops", "livelock", "deadlock", "wrong-result", "unpredictable"]
SETTINGS = {"scenario", "arch", "variant", "patching", "preempt", "cpus", "views"}
CELL = SETTINGS | {"schema", "complete", "bound", "limit", "covers", "executions", "states", "outcomes"}
RACE = ["unregister_vs_hit", "--arch", "arm64", "--variant", "mainline", "--patching", "live"]


@pytest.fixture
def trapline(capsys):
    """Run the command line in this process: exit status, standard output, standard error."""

    def run(*arguments):
        status = main(arguments)
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def answer(trapline):
    """The JSON object that a command prints, which is all that it prints."""

    def run(*arguments, status=0):
        found, out, err = trapline(*arguments, "--json")
        assert (found, err) == (status, "")
        return json.loads(out)

    return run


def check_cell(cell):
    assert set(cell) == CELL
    assert cell["schema"] == "trapline.explore/1"
    assert list(cell["outcomes"]) == NAMES
    for outcome in cell["outcomes"].values():
        assert set(outcome) == {"frequency", "count", "witness"}
        never = outcome["frequency"] == "never"
        always = outcome["frequency"] == "always"
        assert never == (outcome["count"] == 0) == (outcome["witness"] is None)
        assert always == (outcome["count"] == cell["executions"])


# list


def test_list_as_json(answer):
    found = answer("list")
    assert set(found) == {"schema", "archs", "scenarios", "variants", "outcomes", "bugs"}
    assert found["schema"] == "trapline.list/1"
    assert [arch["name"] for arch in found["archs"]] == sorted(path.parent.name for path in FOLDER.glob("*/kprobes.py"))
    assert [outcome["name"] for outcome in found["outcomes"]] == NAMES == list(Outcome)
    for variant in found["variants"]:
        assert set(variant) == {"arch", "name", "release", "patching", "title"}
    for scenario in found["scenarios"]:
        assert scenario["question"].endswith("?")
    names = {scenario["name"] for scenario in found["scenarios"]}
    assert names >= {
        *("unregister_vs_hit", "register_vs_hit", "foreign_break", "foreign_break_gas", "foreign_removed"),
        *("two_cpus_hit", "nested_probe", "reregister_vs_hit"),
    }


@pytest.mark.parametrize("what", ["archs", "scenarios", "variants", "outcomes"])
def test_list_one_kind(trapline, answer, what):
    found = answer("list", what)
    assert set(found) == {"schema", what}
    status, out, _ = trapline("list", what)
    assert status == 0
    for row in found[what]:
        assert re.search(rf"^{row['name']}\b|^\w+ +{row['name']}\b", out, re.MULTILINE)


def test_every_architecture_has_the_variants_that_can_be_asked_for(answer):
    for arch in answer("list", "archs")["archs"]:
        assert {"seed", "mainline", "recheck", "no-recheck"} <= set(arch["variants"])
        assert {"live", "stop_machine"} <= set(arch["patchings"])


# explore


def test_explore_as_json(answer):
    cell = answer("explore", *RACE)
    check_cell(cell)
    settings = {key: cell[key] for key in SETTINGS}
    assert settings == {
        "scenario": "unregister_vs_hit",
        "arch": "arm64",
        "variant": "mainline",
        "patching": "live",
        "preempt": "none",
        "cpus": 2,
        "views": "coherent",
    }
    assert (cell["complete"], cell["bound"]) == (True, None)
    assert cell["outcomes"]["oops"]["frequency"] == "sometimes"
    assert cell["outcomes"]["claimed"] == {"frequency": "never", "count": 0, "witness": None}


def test_defaults_are_filled_in(answer):
    """mainline, and the patching that this kernel uses by itself; aliases are resolved."""
    cell = answer("explore", "foreign_break", "--arch", "aarch64")
    assert (cell["arch"], cell["variant"], cell["patching"]) == ("arm64", "mainline", "stop_machine")
    cell = answer("explore", "foreign_break", "--arch", "mips", "--cpus", "1")
    assert (cell["patching"], cell["cpus"]) == ("live", 1)


def test_bounds_and_limits_are_said(answer, trapline):
    whole = answer("explore", *RACE)
    bounded = answer("explore", *RACE, "--bound", "1")
    assert (bounded["bound"], bounded["complete"]) == (1, True)
    assert bounded["executions"] < whole["executions"]
    limited = answer("explore", *RACE, "--limit", "5")
    assert (limited["executions"], limited["complete"], limited["bound"]) == (5, False, None)
    assert bounded["covers"] == "every interleaving with at most 1 preemption"
    assert limited["covers"] == "not complete: stopped at the limit of 5"
    for cell, options in ((bounded, ("--bound", "1")), (limited, ("--limit", "5"))):
        text = trapline("explore", *RACE, *options)[1]
        assert f"{cell['executions']} executions: {cell['covers']}\n" in text
        assert "never" not in text and "always" not in text


def test_explore_as_a_table(trapline, answer):
    cell = answer("explore", *RACE)
    status, out, err = trapline("explore", *RACE)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines.pop(0) == (
        "unregister_vs_hit on arm64: variant mainline, patching live, preempt none, cpus 2, views coherent"
    )
    assert lines[0].split() == ["outcome", "frequency", "executions", "shortest", "witness"]
    seen = {name: one for name, one in cell["outcomes"].items() if one["count"]}
    rows = [re.split(r" {2,}", line) for line in lines[2 : 2 + len(seen)]]
    assert rows == [[name, one["frequency"], str(one["count"]), one["witness"]] for name, one in seen.items()]
    assert lines[2 + len(seen)] == "never: " + ", ".join(name for name in NAMES if name not in seen)
    assert lines[3 + len(seen)] == f"{cell['executions']} executions: every interleaving"
    assert "\x1b" not in out


def test_every_witness_has_the_command_that_shows_it_again(trapline, answer):
    """Quoted for a shell, with the settings that are not said elsewhere."""
    options = ["--preempt", "full", "--cpus", "1", "--views", "stale"]
    cell = answer("explore", "foreign_break", "--arch", "mips", *options)
    _, out, _ = trapline("explore", "foreign_break", "--arch", "mips", *options)
    commands = re.findall(r"^([\w, -]+): trapline (run .*)$", out, re.M)
    assert commands
    for names, command in commands:
        run = answer(*shlex.split(command))
        assert set(names.split(", ")) <= set(run["outcomes"])
        assert {key: run[key] for key in SETTINGS} == {key: cell[key] for key in SETTINGS}


@pytest.mark.parametrize(
    ("search", "expected", "status"),
    [
        (("--bound", "1"), "oops=sometimes", 0),  # one execution dies, another does not: known from any search
        (("--bound", "1"), "oops=never", 1),
        (("--bound", "1"), "oops=always", 1),
        (("--bound", "1"), "claimed=never", 3),
        (("--bound", "1"), "claimed=sometimes", 3),
        (("--bound", "1"), "claimed=always", 1),  # one execution without it is enough
        (("--limit", "3"), "oops=never", 3),
        (("--limit", "3"), "hit=always", 3),
        (("--limit", "3"), "hit=sometimes", 3),
        (("--limit", "3"), "hit=never", 1),
    ],
)
def test_what_a_search_that_was_not_complete_can_answer(trapline, search, expected, status):
    """The race: `hit` in each of the first three executions; with one preemption there is a death, and no claim."""
    found, _, err = trapline("explore", *RACE, *search, "--expect", expected)
    assert (found, err.count("\n")) == (status, int(status != 0))
    assert ("not known" in err) == (status == 3)


def test_an_expectation_that_is_contradicted_and_one_that_is_not_known(trapline):
    status, _, err = trapline("explore", *RACE, "--bound", "1", "--expect", "claimed=never", "--expect", "oops=never")
    assert (status, err.count("\n")) == (1, 2)


def test_a_contradiction_comes_with_its_witness(trapline, answer):
    _, _, err = trapline("explore", *RACE, "--expect", "oops=never")
    command = err.rstrip("\n").partition("expected never: trapline ")[2]
    assert "oops" in answer(*shlex.split(command))["outcomes"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "every interleaving; outcome! always, outcome sometimes, others never"),
        (
            ("--bound", "0"),
            "every interleaving with at most 0 preemptions; outcome! in all that were run, outcome sometimes, others "
            "not found",
        ),
        (
            ("--limit", "2"),
            "not all interleavings: 1 stopped at the limit; outcome! in all that were run, outcome sometimes, others "
            "not found",
        ),
    ],
)
def test_the_closing_line_of_a_comparison(trapline, options, said):
    place = ("--arch", "arm64", "--variant", "mainline", "--patching", "live", "--preempt", "none")
    _, out, _ = trapline("compare", "unregister_vs_hit", *place, *options)
    closing = next(line for line in out.splitlines() if " executions, " in line)
    assert closing.endswith(f" executions, {said}")


def test_a_bounded_decision_says_only_what_it_knows(trapline, answer):
    """With no preemption nothing goes wrong; with one the check is needed, as witnesses show, whatever the bound."""
    place = ("recheck", "--arch", "riscv", "--patching", "live", "--preempt", "none")
    (none,) = answer("decide", *place, "--bound", "0")["verdicts"]
    assert (none["verdict"], none["sufficient"]) == ("not-known", None)
    (two,) = answer("decide", *place, "--bound", "2")["verdicts"]
    assert (two["verdict"], two["sufficient"]) == ("needed", None)
    out = trapline("decide", *place, "--bound", "0")[1]
    assert "not known" in out and "redundant" not in out
    assert out.endswith("searched: every interleaving with at most 0 preemptions\n")


def test_timelines_of_witnesses(trapline, answer):
    witness = answer("explore", *RACE)["outcomes"]["oops"]["witness"]
    _, out, _ = trapline("explore", *RACE, "--timeline")
    assert f"oops: {witness}\n" in out
    assert "die: Oops - BRK #0x4 at probe_me" in out


@pytest.mark.parametrize(
    ("expected", "status"),
    [
        (["oops=sometimes"], 0),
        (["oops=sometimes", "hit=sometimes", "deadlock=never"], 0),
        (["oops=never"], 1),
        (["oops=always"], 1),
        (["hit=always", "oops=sometimes"], 1),
    ],
)
def test_expectations(trapline, expected, status):
    options = [part for text in expected for part in ("--expect", text)]
    found, out, err = trapline("explore", *RACE, *options)
    assert found == status
    assert "\noutcome" in out  # the result is printed all the same
    if status:
        assert re.match(
            r"trapline: unregister_vs_hit arm64 mainline live .*: \w+ is \w+, expected \w+: trapline run ", err
        )


# run


def test_run_as_json(answer):
    run = answer("run", *RACE)
    assert set(run) == SETTINGS | {"schema", "schedule", "outcomes", "timeline"}
    assert (run["schema"], run["arch"]) == ("trapline.run/1", "arm64")
    assert run["outcomes"] == [name for name in NAMES if name in run["outcomes"]]
    assert all(set(event) == {"cpu", "text", "unseen"} for event in run["timeline"])


def test_a_witness_that_is_pasted_gives_its_outcome(answer):
    for name, one in answer("explore", *RACE)["outcomes"].items():
        if one["witness"] is not None:
            run = answer("run", *RACE, "--schedule", one["witness"])
            assert name in run["outcomes"]
            assert run["schedule"] == one["witness"]


def test_without_a_schedule_whoever_runs_goes_on(answer):
    run = answer("run", *RACE)
    schedule = parse_schedule(run["schedule"])
    assert schedule[0] == "cpu0"
    assert answer("run", *RACE, "--schedule", run["schedule"]) == run


def test_the_same_seed_is_the_same_run_and_can_be_replayed(answer):
    runs = [answer("run", *RACE, "--seed", str(seed)) for seed in range(8)]
    assert runs == [answer("run", *RACE, "--seed", str(seed)) for seed in range(8)]
    assert len({run["schedule"] for run in runs}) > 1
    for run in runs:
        assert format_schedule(parse_schedule(run["schedule"])) == run["schedule"]
        assert answer("run", *RACE, "--schedule", run["schedule"]) == run


def test_a_timeline_has_a_column_for_each_cpu(trapline, answer):
    witness = answer("explore", *RACE)["outcomes"]["oops"]["witness"]
    status, out, err = trapline("run", *RACE, "--schedule", witness)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["cpu0", "cpu1"]
    column = lines[0].index("cpu1")
    assert any(line.startswith("probe_me: brk #4") for line in lines)  # what CPU 0 fetches
    assert any(line.startswith("trap: break at probe_me") for line in lines)
    store = next(line for line in lines if "store text[probe_me]" in line)
    assert store.index("store") == column  # CPU 1 puts the word back
    assert f"schedule: {witness}" in lines
    assert "outcomes: oops" in out


DEATH = ("unregister_vs_hit", "--arch", "riscv", "--patching", "live", "--schedule", "cpu0*2 cpu1*5 cpu0*2")


def test_the_seeds_death_is_told_in_a_dozen_lines_of_80_columns(trapline):
    _, out, _ = trapline("run", *DEATH)
    timeline = out.partition("\n\n")[0].splitlines()
    assert len(timeline) <= 12 and max(map(len, timeline)) <= 80
    assert timeline[1] == "... 23 instructions to probe_me"  # counted in the listing of guest_start and guest_loop


def test_all_shows_each_instruction_and_json_marks_those_that_are_folded(trapline, answer):
    _, out, _ = trapline("run", *DEATH, "--all")
    lines = [line.strip() for line in out.partition("\n\n")[0].splitlines()]
    events = answer("run", *DEATH)["timeline"]
    assert lines[1:] == [event["text"] for event in events]
    assert [event["unseen"] for event in events] == [True] * 23 + [False] * 10
    status, _, err = trapline("run", *DEATH, "--all", "--json")
    assert (status, err) == (2, "trapline: run --json: expected no --all beside it: JSON has every instruction\n")


def test_all_is_about_the_timelines_of_witnesses_too(trapline):
    folded, every = (trapline("explore", *DEATH[:5], "--timeline", *more)[1] for more in ([], ["--all"]))
    assert "\n... 23 instructions to probe_me\n" in folded and "\nguest_loop: " not in folded
    assert "\n... 23 instructions to probe_me\n" not in every and "\nguest_loop: " in every
    status, _, err = trapline("explore", *DEATH[:5], "--all")
    assert (status, err) == (2, "trapline: explore --all: expected --timeline beside it, whose lines it is about\n")


# compare and decide


def test_compare_as_json(answer):
    found = answer("compare", "foreign_break", "nested_probe", "--arch", "arm64", "riscv", "--patching", "live")
    assert set(found) == {"schema", "complete", "cells", "not_searched"}
    assert found["schema"] == "trapline.compare/1"
    for cell in found["cells"]:
        check_cell(cell)
    expected = [
        (scenario, arch, variant, preempt)
        for scenario in ("foreign_break", "nested_probe")
        for arch in ("arm64", "riscv")
        for variant in arches.load(arch).port.variants
        for preempt in ("none", "full")
    ]
    order = [(cell["scenario"], cell["arch"], cell["variant"], cell["preempt"]) for cell in found["cells"]]
    assert order == expected


def test_compare_puts_architectures_side_by_side(trapline):
    options = ("--arch", "arm64", "mips", "riscv", "--patching", "live", "--variant", "mainline", "--preempt", "none")
    status, out, err = trapline("compare", "foreign_break", *options)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "foreign_break"
    assert lines[1].split() == ["variant", "patching", "preempt", "arm64", "mips", "riscv"]
    assert lines[3].split() == ["mainline", "live", "none", "oops!", "passed-on!", "passed-on!"]
    assert lines[4].split() == ["oops!", "oops!"]
    assert lines[-1].startswith("3 cells, 3 executions, every interleaving")


def test_compare_of_the_question_ends_in_words(trapline, answer):
    options = ("--arch", "riscv")
    lines = trapline("compare", *options)[1].splitlines()
    table_end = next(number for number, line in enumerate(lines) if "every interleaving" in line)
    assert " ".join(lines[table_end + 2 :]) == (
        "Patched as each kernel does it itself, mainline and seed cannot die on riscv. "
        "Patched live, mainline and seed can die on riscv. Patched by stop_machine, mainline and seed cannot die on "
        "riscv. The word comparison saves riscv patched live. Nobody else dies without it."
    )
    variants = {cell["variant"] for cell in answer("compare", *options)["cells"]}
    assert variants == {"seed", "mainline", "recheck", "no-recheck"}
    everything = {cell["variant"] for cell in answer("compare", *options, "--variant", "all")["cells"]}
    assert everything == set(arches.load("riscv").port.variants)


def test_a_comparison_of_something_else_ends_with_what_was_searched(trapline):
    lines = trapline("compare", "foreign_break", "--arch", "riscv", "--variant", "seed")[1].splitlines()
    assert "every interleaving" in lines[-1]


def test_a_scenario_that_an_architecture_cannot_have_has_no_cell_there(answer):
    found = answer("compare", "foreign_break_gas", "--arch", "all", "--variant", "mainline", "--preempt", "none")
    assert {cell["arch"] for cell in found["cells"]} == {"mips"}


def test_compare_with_expectations(trapline):
    options = ["foreign_break", "--arch", "arm64", "--variant", "seed", "mainline", "--preempt", "none"]
    assert trapline("compare", *options, "--expect", "deadlock=never")[0] == 0
    status, _, err = trapline("compare", *options, "--expect", "oops=never")
    assert status == 1
    wrong = [line for line in err.splitlines() if line]
    assert len(wrong) == 2  # mainline, under two policies; seed never dies
    assert all(" arm64 mainline " in line for line in wrong)


def test_decide_as_json(answer):
    found = answer("decide", "recheck", "--arch", "mips", "--patching", "live", "--preempt", "none")
    assert set(found) == {"schema", "check", "complete", "verdicts", "not_searched"}
    assert (found["schema"], found["check"]) == ("trapline.decide/1", "recheck")
    (verdict,) = found["verdicts"]
    keys = {"arch", "patching", "preempt", "verdict", "sufficient", "without", "with", "foreign", "complete"}
    assert set(verdict) == keys
    assert (verdict["arch"], verdict["patching"], verdict["preempt"]) == ("mips", "live", "none")
    assert (verdict["verdict"], verdict["sufficient"]) == ("needed", False)
    check_cell(verdict["without"])
    check_cell(verdict["with"])
    assert (verdict["without"]["variant"], verdict["with"]["variant"]) == ("no-recheck", "recheck")
    foreign = {one["scenario"]: one["verdict"] for one in verdict["foreign"]}
    assert foreign == {"foreign_break": "redundant", "foreign_break_gas": "harmful", "foreign_removed": "harmful"}
    assert all(set(one) == keys - {"foreign", "complete"} | {"scenario"} for one in verdict["foreign"])


def test_decide_as_a_table_with_interleavings_that_can_be_run(trapline, answer):
    _, out, _ = trapline("decide", "recheck", "--arch", "mips", "--patching", "live", "--preempt", "none")
    row = ["mips", "live", "none", "needed", "no", "foreign_break_gas, foreign_removed"]
    assert row in [re.split(r" {2,}", line) for line in out.splitlines()]
    claims = re.findall(r"^(.*) \(preempt none\): trapline (run (\S+) .*)$", out, re.M)
    assert {(scenario, claim) for claim, _, scenario in claims} == {
        ("unregister_vs_hit", "dies without the check"),
        ("unregister_vs_hit", "needed: claimed with it"),
        ("unregister_vs_hit", "dies even with it"),
        ("foreign_break_gas", "harmful: claimed with it"),
        ("foreign_removed", "harmful: claimed with it"),
    }
    for claim, command, _ in claims:
        outcomes = answer(*shlex.split(command))["outcomes"]
        assert ("claimed" if "claimed" in claim else "oops") in outcomes


# Help


@pytest.mark.parametrize("command", ["list", "run", "explore", "compare", "decide"])
def test_help_has_an_example_that_works(trapline, capsys, command):
    """Those that take long are only parsed."""
    with pytest.raises(SystemExit) as exit:
        main([command, "--help"])
    assert exit.value.code == 0
    (example,) = re.findall(r"^ {2}trapline (.*)$", capsys.readouterr().out, re.M)
    if command in ("compare", "decide"):
        parser().parse_args(example.split())
    else:
        assert trapline(*example.split())[0] == 0


def test_the_exit_statuses_are_in_the_help(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert exit.value.code == 0
    statuses = ("0 done", "1 a verdict contradicts --expect", "2 bad usage or bad input", "3 what --expect", "130 ^C")
    for status in statuses:
        assert status in text
