"""Arguments of the commands that run scenarios: a configuration, or a table of them."""

from __future__ import annotations

import argparse

import arches
from emu.choice import Choice
from emu.cli.parser import Parser, add_fix, natural, positive
from emu.errors import UsageError
from emu.kernel.configuration import Patching, Preempt, Views
from emu.lab.cells import Settings
from emu.lab.endless import NO_AWAIT
from emu.scenarios.registry import find_scenario, shipped


def values(choice: type[Choice]) -> list[str]:
    return [one.value for one in choice]


def add_configuration(parser: Parser) -> None:
    """One scenario on one architecture."""
    parser.add_argument(
        "scenario",
        metavar="SCENARIO",
        help="a shipped name, or path/to/file.py::function; its Python code is ended after"
        f" {NO_AWAIT:g} s without an await",
    )
    parser.add_argument("--arch", required=True, metavar="A", help="the architecture (see `trapline list archs`)")
    parser.add_argument("--variant", metavar="V", help="the version of its handlers; default mainline")
    parser.add_argument("--patching", metavar="P", help=f"{', '.join(Patching)}; default: as the variant does")
    parser.add_argument("--preempt", choices=values(Preempt), default="none", help="the modelled kernel's preemption")
    parser.add_argument("--cpus", type=positive, default=2, metavar="N", help="1 to 8; default 2")
    parser.add_argument("--engine", metavar="E", help="what executes the guest; default: the architecture's first")
    parser.add_argument(
        "--views", choices=values(Views), help="stale: fetches follow stores late; default: the scenario's"
    )
    add_fix(parser)


def add_all(parser: Parser) -> None:
    help_text = "show each instruction of a guest, those too that no other CPU can see"
    parser.add_argument("--all", action="store_true", help=help_text)


def add_grid(parser: Parser) -> None:
    """Which cells a table has."""
    parser.add_argument("--arch", nargs="+", metavar="A", help="default: all")
    parser.add_argument("--patching", nargs="+", metavar="P", help="default: every policy")
    parser.add_argument("--preempt", nargs="+", choices=values(Preempt), default=values(Preempt), help="default: both")
    parser.add_argument("--cpus", type=positive, default=2, metavar="N", help="default: 2")
    parser.add_argument("--bound", type=natural, metavar="K", help="at most K preemptions; default: no bound")
    add_fix(parser)


def add_expect(parser: Parser) -> None:
    help_text = "exit with 1 if it is not so: never, sometimes or always; may be given several times"
    parser.add_argument("--expect", action="append", default=[], metavar="OUTCOME=FREQUENCY", help=help_text)


def check_not_swallowed(options: argparse.Namespace) -> None:
    """UsageError if a scenario stands where an option with several values takes it for one of them."""
    for option in ("arch", "variant", "patching"):
        for value in getattr(options, option) or ():
            if "::" in value or value in shipped():
                what = "a scenario: expected it before the options that take several values"
                raise UsageError(f"--{option} ... {value!r} is {what}")


def settings_of(options: argparse.Namespace) -> Settings:
    return Settings(
        find_scenario(options.scenario),
        options.arch,
        options.variant,
        options.patching,
        options.preempt,
        options.cpus,
        options.views,
        options.engine,
        fix=tuple(options.fix),
    )


def arch_names(given: list[str] | None) -> list[str]:
    """The architectures of `--arch A...`; `all`, the default, is every one."""
    names = given or ["all"]
    if "all" in names:
        return list(arches.names())
    found = list(dict.fromkeys(arches.load(name).name for name in names))
    if not found:
        raise UsageError("--arch: expected at least one architecture")
    return found
