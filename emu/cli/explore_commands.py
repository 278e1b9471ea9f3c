"""`trapline run`, `explore`, `compare` and `decide`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from emu.cli.arguments import Commands, add_configuration, arch_names, command, natural, positive, settings_of
from emu.cli.status import CONTRADICTED, DONE
from emu.errors import UsageError
from emu.explore.execution import RandomScheduler, Replay, RoundRobin, Scheduler
from emu.explore.schedule import Schedule, format_schedule, parse_schedule
from emu.explore.search import Report
from emu.kernel.kernel import OUTCOMES, PREEMPT
from emu.lab.cells import Cell, Settings, contradictions, expectation, explore_cell, run_once
from emu.lab.compare import grid, searched
from emu.lab.decide import RACE, Decided, Decision, decide_recheck
from emu.report.text import ProgressLine, colour, print_json, say_interrupted, table, timeline


def add(commands: Commands) -> None:
    example = "trapline run unregister_vs_hit --arch mips --patching live --seed 7"
    run = command(commands, "run", "one execution, with a timeline", example, run_scenario)
    add_configuration(run)
    how = run.add_mutually_exclusive_group()
    how.add_argument("--schedule", metavar="S", help="who runs, step by step: 'cpu0*2 cpu1*2 cpu0'")
    how.add_argument("--seed", type=natural, metavar="N", help="a random schedule; the same seed, the same run")

    example = "trapline explore unregister_vs_hit --arch riscv --variant seed --patching live --expect oops=sometimes"
    explore = command(commands, "explore", "every interleaving of one scenario", example, explore_scenario)
    add_configuration(explore)
    explore.add_argument("--bound", type=natural, metavar="K", help="at most K preemptions; default: no bound")
    explore.add_argument("--limit", type=positive, metavar="N", help="at most N executions; default: no limit")
    explore.add_argument("--timeline", action="store_true", help="show the timeline of every witness")
    add_expect(explore)

    example = "trapline compare unregister_vs_hit --arch mips loongarch --patching live"
    compare = command(commands, "compare", "the handlers side by side", example, compare_handlers)
    compare.add_argument("scenario", nargs="*", metavar="SCENARIO", help=f"default: {RACE}")
    add_grid(compare)
    compare.add_argument("--variant", nargs="+", metavar="V", help="default: every variant")
    compare.add_argument("--limit", type=positive, metavar="N", help="at most N executions a cell")
    add_expect(compare)

    example = "trapline decide recheck --arch mips riscv"
    decide = command(commands, "decide", "is a check needed, redundant or harmful?", example, decide_check)
    decide.add_argument("check", choices=("recheck",), help="recheck: the word comparison when no kprobe is found")
    add_grid(decide)


def add_grid(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--arch", nargs="+", metavar="A", help="default: all")
    parser.add_argument("--patching", nargs="+", metavar="P", help="default: every policy")
    parser.add_argument("--preempt", nargs="+", choices=PREEMPT, default=list(PREEMPT), help="default: both")
    parser.add_argument("--bound", type=natural, metavar="K", help="at most K preemptions; default: no bound")


def add_expect(parser: argparse.ArgumentParser) -> None:
    help_text = "exit with 1 if it is not so: never, sometimes or always; may be given several times"
    parser.add_argument("--expect", action="append", default=[], metavar="OUTCOME=FREQUENCY", help=help_text)


def run_scenario(options: argparse.Namespace) -> int:
    run = run_once(settings_of(options), scheduler_of(options))
    if options.json:
        print_json(run.json())
        return 0
    print(timeline(run.events, options.cpus))
    print(f"\noutcomes: {', '.join(run.outcomes) or 'none'}\nschedule: {format_schedule(run.schedule)}")
    return 0


def scheduler_of(options: argparse.Namespace) -> Scheduler:
    if options.schedule is not None:
        return Replay(parse_schedule(options.schedule))
    return RandomScheduler(options.seed) if options.seed is not None else RoundRobin()


def explore_scenario(options: argparse.Namespace) -> int:
    expected = [expectation(text) for text in options.expect]
    line = ProgressLine(f"explore {options.scenario}")

    def progress(report: Report, fraction: float) -> None:
        line.show(f"{report.executions} executions", fraction)

    cell = explore_cell(settings_of(options), bound=options.bound, limit=options.limit, progress=progress)
    line.done()
    if options.json:
        print_json(cell.json())
    else:
        print_cell(cell)
        if options.timeline:
            print_witnesses(cell)
    if cell.report.interrupted:
        return say_interrupted(f"{cell.report.executions} executions are done")
    return report_contradictions([cell], expected)


def print_cell(cell: Cell) -> None:
    rows = [
        [colour(name, name), cell.frequency(name), str(count_of(cell, name)), text_of(cell.witness(name))]
        for name in OUTCOMES
        if cell.frequency(name) != "never"
    ]
    print(table(("outcome", "frequency", "executions", "shortest witness"), rows))
    never = [name for name in OUTCOMES if cell.frequency(name) == "never"]
    print(f"never: {', '.join(never)}\n{covers(cell.report)}")


def count_of(cell: Cell, name: str) -> int:
    return cell.report.outcomes[name].count


def text_of(schedule: Schedule | None) -> str:
    return format_schedule(schedule) if schedule is not None else "-"


def covers(report: Report) -> str:
    """What a verdict covers."""
    bound = "" if report.bound is None else f" with at most {report.bound} preemptions"
    if report.complete:
        return f"{report.executions} executions: every interleaving{bound}"
    why = "interrupted" if report.interrupted else f"stopped at the limit of {report.limit}"
    return f"{report.executions} executions{bound}: not complete, {why}; `never` and `always` are of these only"


def print_witnesses(cell: Cell) -> None:
    for name in OUTCOMES:
        if (witness := cell.witness(name)) is not None:
            print(f"\n{name}: {format_schedule(witness)}\n")
            print(timeline(run_once(cell.settings, Replay(witness)).events, cell.settings.cpus))


def report_contradictions(cells: Sequence[Cell], expected: Sequence[tuple[str, str]]) -> int:
    wrong = [line for cell in cells for line in contradictions(cell, expected)]
    for line in wrong:
        print(f"trapline: {line}", file=sys.stderr)
    return CONTRADICTED if wrong else DONE


def compare_handlers(options: argparse.Namespace) -> int:
    expected = [expectation(text) for text in options.expect]
    names = options.scenario or [RACE]
    order = grid(names, arch_names(options.arch), options.variant, options.patching, options.preempt)
    line = ProgressLine("compare")
    told = lambda done, of: line.show(f"{done} of {of} cells", done / of)  # noqa: E731
    cells, interrupted = searched(order, options.bound, options.limit, told)
    line.done()
    if not cells and not interrupted:
        raise UsageError(f"compare {' '.join(names)}: expected an architecture that has what the scenario needs")
    if options.json:
        print_json({"schema": "trapline.compare/1", "cells": [cell.json() for cell in cells]})
    else:
        print_comparison(cells)
    if interrupted:
        return say_interrupted(f"{len(cells)} of at most {len(order)} cells are done")
    return report_contradictions(cells, expected)


def print_comparison(cells: Sequence[Cell]) -> None:
    """A table per scenario: variant, patching and preemption down, architectures across."""
    for scenario in dict.fromkeys(cell.settings.scenario for cell in cells):
        here = [cell for cell in cells if cell.settings.scenario == scenario]
        archs = list(dict.fromkeys(cell.settings.arch for cell in here))
        rows = same_rows_once(comparison_rows(here, archs))
        print(f"{scenario}\n{table(('variant', 'patching', 'preempt', *archs), rows)}\n")
    total = sum(cell.report.executions for cell in cells)
    complete = cells and all(cell.report.complete for cell in cells)
    whole = "every interleaving" if complete else "not all interleavings"
    print(f"{len(cells)} cells, {total} executions, {whole}; outcome! always, outcome sometimes, others never")


def comparison_rows(cells: Sequence[Cell], archs: Sequence[str]) -> list[list[str]]:
    """Variants in the order that the architectures name them, most common ones first."""
    by_key = {(cell.settings.arch, *row_key(cell.settings)): cell for cell in cells}
    keys = list(dict.fromkeys(row_key(cell.settings) for cell in cells))
    variants = list(dict.fromkeys(key[0] for key in keys))
    keys.sort(key=lambda key: (variants.index(key[0]), key[1]))
    return [[*key, *(short(by_key.get((arch, *key))) for arch in archs)] for key in keys]


def same_rows_once(rows: Sequence[list[str]]) -> list[list[str]]:
    """Rows that differ in their third column only, the preemption setting, are one row, where the first of them was."""
    merged: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        same = merged.setdefault((*row[:2], *row[3:]), list(row))
        if same[2] != row[2]:
            same[2] = "any"
    return list(merged.values())


def row_key(settings: Settings) -> tuple[str, str, str]:
    return settings.variant or "", settings.patching or "", settings.preempt


def short(cell: Cell | None) -> str:
    """A cell's outcomes, one a line; `!` marks those that every execution has."""
    if cell is None:
        return "-"
    marks = {"always": "!", "sometimes": ""}
    names = [name + marks[cell.frequency(name)] for name in OUTCOMES if cell.frequency(name) != "never"]
    return "\n".join(names) or "none"


def decide_check(options: argparse.Namespace) -> int:
    line = ProgressLine("decide recheck")
    told = lambda done, of: line.show(f"{done} of {of} searches", done / of)  # noqa: E731
    names = arch_names(options.arch)
    decisions, interrupted = decide_recheck(names, options.patching, options.preempt, told, options.bound)
    line.done()
    if options.json:
        verdicts = [decision.json() for decision in decisions]
        print_json({"schema": "trapline.decide/1", "check": options.check, "verdicts": verdicts})
    else:
        print_decisions(decisions)
    return say_interrupted(f"{len(decisions)} verdicts are complete") if interrupted else DONE


def print_decisions(decisions: Sequence[Decision]) -> None:
    header = ("arch", "patching", "preempt", "the check is", "sufficient", "harmful in")
    print(table(header, same_rows_once([decision_row(decision) for decision in decisions])))
    claims = [claims_of(one) for decision in decisions for one in (decision.race, *decision.foreign)]
    if any(claims):
        print("\nThe shortest interleavings (try them with: trapline run SCENARIO ... --schedule '...'):")
    for *where, preempt, claim, schedule in same_rows_once([row for rows in claims for row in rows]):
        print(f"{where[0]} (preempt {preempt}) {claim}: {schedule}")


def decision_row(decision: Decision) -> list[str]:
    race = decision.race
    harmful = [one.settings.scenario for one in decision.foreign if one.verdict == "harmful"]
    sufficient = "yes" if race.sufficient else "no"
    return [
        race.settings.arch,
        race.settings.patching or "",
        race.settings.preempt,
        race.verdict,
        sufficient,
        ", ".join(harmful) or "-",
    ]


def claims_of(one: Decided) -> list[list[str]]:
    """Scenario, preemption, claim and its shortest schedule, for each claim that is more than `redundant`."""
    claims: list[tuple[str, str, Schedule | None]] = []
    if one.verdict == "needed":
        claims.append(("no-recheck", "dies without the check", death(one.without)))
    if one.verdict != "redundant":
        claims.append(("recheck", f"{one.verdict}: claimed with it", one.with_check.witness("claimed")))
    if one.settings.scenario == RACE and not one.sufficient:
        claims.append(("recheck", "dies even with it", death(one.with_check)))
    names = one.settings
    return [
        [
            f"{names.scenario} --arch {names.arch} --variant {variant} --patching {names.patching}",
            "",
            names.preempt,
            claim,
            text_of(schedule),
        ]
        for variant, claim, schedule in claims
    ]


def death(cell: Cell) -> Schedule | None:
    return cell.witness("oops") or cell.witness("livelock")
