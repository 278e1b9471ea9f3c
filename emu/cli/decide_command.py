"""`trapline decide`: is a check needed, redundant or harmful?"""

from __future__ import annotations

import argparse

from emu.cli.configuration import add_grid, arch_names
from emu.cli.parser import Parser, command
from emu.cli.status import DONE, say_interrupted, say_lost
from emu.lab.decide import decide_recheck
from emu.report.as_json import decisions_json
from emu.report.decisions import decisions_text
from emu.report.text import ProgressLine, print_json
from emu.scenarios.registry import recheck_question


def add(parser: Parser) -> None:
    example = "trapline decide recheck --arch mips riscv"
    command(parser, example, decide_check)
    parser.add_argument("check", choices=("recheck",), help="recheck: the word comparison when no kprobe is found")
    add_grid(parser)


def decide_check(options: argparse.Namespace) -> int:
    line = ProgressLine("decide recheck")
    told = lambda done, of: line.show(f"{done} of {of} searches", done / of)  # noqa: E731
    names, question = arch_names(options.arch), recheck_question()
    policies = options.patching, options.preempt
    decisions = decide_recheck(question, names, *policies, told, options.bound, options.fix, options.cpus)
    line.done()
    if options.json:
        print_json(decisions_json(options.check, decisions))
    else:
        print(decisions_text(decisions))
    if decisions.searches.interrupted:
        complete = [decision for decision in decisions.found if decision.complete]
        return say_interrupted(f"{len(complete)} verdicts are complete")
    return say_lost(decisions.searches.loss) if decisions.searches.lost else DONE
