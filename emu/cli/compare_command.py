"""`trapline compare`: the handlers side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import arches
from emu.cli.configuration import add_expect, add_grid, arch_names, check_not_swallowed
from emu.cli.expect import report_contradictions, say_contradictions
from emu.cli.parser import Parser, command, positive
from emu.cli.status import say_interrupted, say_lost
from emu.cli.streams import only_answers
from emu.errors import UsageError
from emu.lab.claims import expectation
from emu.lab.compare import grid, searched
from emu.report.as_json import comparison_json
from emu.report.cells import comparison_text
from emu.report.conclusion import conclusion
from emu.report.text import ProgressLine, print_json
from emu.scenarios.registry import RACE, find_scenario

VARIANTS = ("seed", "mainline", "recheck", "no-recheck")  # what the question of November 2022 is about


def add(parser: Parser) -> None:
    example = "trapline compare unregister_vs_hit --arch mips loongarch --patching live"
    command(parser, example, compare_handlers)
    parser.add_argument("scenario", nargs="*", metavar="SCENARIO", help=f"default: {RACE}")
    add_grid(parser)
    variants = f"default: all of them; of {RACE} {', '.join(VARIANTS)}"
    parser.add_argument("--variant", nargs="+", metavar="V", help=variants)
    parser.add_argument("--limit", type=positive, metavar="N", help="at most N executions a cell")
    add_expect(parser)


def compare_handlers(options: argparse.Namespace) -> int:
    check_not_swallowed(options)
    names = options.scenario or [RACE]
    with only_answers():
        scenarios = [find_scenario(name) for name in names]
    own = any(not scenario.ships for scenario in scenarios)
    expected = [expectation(text, own) for text in options.expect]
    archs = arch_names(options.arch)
    variants = variants_of(options, archs)
    order = grid(scenarios, archs, variants, options.patching, options.preempt, options.cpus, options.fix)
    line = ProgressLine("compare")
    told = lambda done, of: line.show(f"{done} of {of} cells", done / of)  # noqa: E731
    with only_answers():
        result = searched(order, options.bound, options.limit, told)
    line.done()
    if not result.applicable:
        raise UsageError(f"compare {' '.join(names)}: expected an architecture that has what the scenario needs")
    if options.json:
        print_json(comparison_json(result))
    else:
        print(comparison_text(result))
        if names == [RACE] and not result.missing:
            print(f"\n{conclusion(result)}")
    if result.interrupted:
        say_contradictions(result.cells, expected)
        return say_interrupted(f"{len(result.cells)} of at most {len(order)} cells are done")
    if result.lost:
        say_contradictions(result.cells, expected)
        return say_lost(result.loss)
    return report_contradictions(result.cells, expected)


def variants_of(options: argparse.Namespace, archs: Sequence[str]) -> Sequence[str] | None:
    """Those to be compared; None stands for all that there are."""
    if options.variant is None and options.scenario in ([], [RACE]):
        known = {variant for name in archs for variant in arches.load(name).port.variants}
        return [variant for variant in VARIANTS if variant in known]
    return None if "all" in (options.variant or ["all"]) else tuple(options.variant)
