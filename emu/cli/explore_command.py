"""`trapline explore`: every interleaving of one scenario."""

from __future__ import annotations

import argparse

from emu.cli.configuration import add_all, add_configuration, add_expect, settings_of
from emu.cli.expect import report_contradictions, say_contradictions
from emu.cli.parser import Parser, command, natural, positive
from emu.cli.status import say_interrupted
from emu.cli.streams import only_answers
from emu.errors import UsageError
from emu.explore.report import Report
from emu.explore.schedule import format_schedule
from emu.explore.schedulers import Replay
from emu.lab.cells import Cell, explore_cell, run_once
from emu.lab.claims import expectation
from emu.report.as_json import cell_json
from emu.report.cells import cell_text
from emu.report.text import ProgressLine, print_json
from emu.report.timeline import timeline


def add(parser: Parser) -> None:
    example = "trapline explore unregister_vs_hit --arch riscv --variant seed --patching live --expect oops=sometimes"
    command(parser, example, explore_scenario)
    add_configuration(parser)
    parser.add_argument("--bound", type=natural, metavar="K", help="at most K preemptions; default: no bound")
    parser.add_argument("--limit", type=positive, metavar="N", help="at most N executions; default: no limit")
    parser.add_argument("--timeline", action="store_true", help="show the timeline of every witness")
    add_all(parser)
    add_expect(parser)


def explore_scenario(options: argparse.Namespace) -> int:
    if options.json and options.timeline:
        raise UsageError("explore --json: expected no --timeline beside it: `run --schedule S --json` has one")
    if options.all and not options.timeline:
        raise UsageError("explore --all: expected --timeline beside it, whose lines it is about")
    with only_answers():  # a file of the user's own is imported
        settings = settings_of(options)
    expected = [expectation(text, not settings.scenario.ships) for text in options.expect]
    line = ProgressLine(f"explore {options.scenario}")

    def progress(report: Report, fraction: float) -> None:
        line.show(f"{report.executions} executions", fraction)

    with only_answers():
        cell = explore_cell(settings, bound=options.bound, limit=options.limit, progress=progress)
    line.done()
    if options.json:
        print_json(cell_json(cell))
    else:
        print(cell_text(cell))
        if options.timeline:
            print_witnesses(cell, options.all)
    if cell.report.interrupted:
        say_contradictions([cell], expected)
        return say_interrupted(f"{cell.report.executions} executions are done")
    return report_contradictions([cell], expected)


def print_witnesses(cell: Cell, every: bool) -> None:
    for name in cell.outcomes:
        if (witness := cell.witness(name)) is not None:
            print(f"\n{name}: {format_schedule(witness)}\n")
            with only_answers():
                run = run_once(cell.settings, Replay(witness))
            print(timeline(run.events, run.tasks, every=every))
