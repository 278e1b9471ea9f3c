"""`trapline run`: one execution."""

from __future__ import annotations

import argparse

from emu.cli.configuration import add_all, add_configuration, settings_of
from emu.cli.parser import Parser, command, natural
from emu.cli.status import DONE
from emu.cli.streams import only_answers
from emu.errors import UsageError
from emu.explore.schedule import format_schedule, parse_schedule
from emu.explore.schedulers import RandomScheduler, Replay, RoundRobin, Scheduler
from emu.lab.cells import run_once
from emu.report.as_json import run_json
from emu.report.text import print_json
from emu.report.timeline import timeline


def add(parser: Parser) -> None:
    example = "trapline run unregister_vs_hit --arch mips --patching live --seed 7"
    command(parser, example, run_scenario)
    add_configuration(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--schedule", metavar="S", help="who runs, step by step: 'cpu0*2 cpu1*2 cpu0'")
    how.add_argument("--seed", type=natural, metavar="N", help="a random schedule; the same seed, the same run")
    add_all(parser)


def run_scenario(options: argparse.Namespace) -> int:
    if options.json and options.all:
        raise UsageError("run --json: expected no --all beside it: JSON has every instruction")
    with only_answers():
        run = run_once(settings_of(options), scheduler_of(options))
    if options.json:
        print_json(run_json(run))
    else:
        print(timeline(run.events, run.tasks, every=options.all))
        print(f"\noutcomes: {', '.join(run.outcomes) or 'none'}\nschedule: {format_schedule(run.schedule)}")
    return DONE


def scheduler_of(options: argparse.Namespace) -> Scheduler:
    if options.schedule is not None:
        return Replay(parse_schedule(options.schedule))
    return RandomScheduler(options.seed) if options.seed is not None else RoundRobin()
