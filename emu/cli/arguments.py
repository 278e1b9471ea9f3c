"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

import arches
from emu.choice import Choice
from emu.errors import UsageError
from emu.foreign import one_line, whole_number
from emu.kernel.configuration import Patching, Preempt, Views
from emu.lab.cells import Settings
from emu.scenarios.registry import find_scenario

MOST_JOBS = 1024  # processes
Commands = Any  # argparse does not name the type of a group of subparsers


class Parser(argparse.ArgumentParser):
    """Bad usage is one line, like all other bad input; words may stand before, between and behind the options."""

    _asked_again = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """argparse gives a list of words its words before the first option that follows it, unless asked again."""
        found, unknown = super().parse_known_args(args, namespace)
        if not unknown or self._subparsers is not None or self._asked_again:
            return found, unknown
        self._asked_again = True  # the second way calls this function too, for the options and for the words
        try:
            return self.parse_known_intermixed_args(args)
        finally:
            self._asked_again = False

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {one_line(message)} (see {self.prog} --help)\n")


def command(commands: Commands, name: str, help_text: str, example: str, run: Any) -> argparse.ArgumentParser:
    """A command with its help, an example, `--json`, and the function that does it."""
    added: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help_text,
        description=help_text,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    added.add_argument("--json", action="store_true", help="one JSON object on standard output")
    added.set_defaults(run=run)
    return added


def natural(text: str, least: int = 0) -> int:
    """A whole number in any of C's bases that is not less than `least`."""
    try:
        value = whole_number(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number, at least {least}")
    return value


def positive(text: str) -> int:
    return natural(text, 1)


def values(choice: type[Choice]) -> list[str]:
    return [one.value for one in choice]


def at_most(most: int) -> Callable[[str], int]:
    """A positive number, for what has an end."""

    def number(text: str) -> int:
        value = positive(text)
        if value > most:
            raise argparse.ArgumentTypeError(f"{text!r}: expected at most {most}")
        return value

    return number


def add_configuration(parser: argparse.ArgumentParser) -> None:
    """One scenario on one architecture."""
    parser.add_argument("scenario", metavar="SCENARIO", help="a shipped name, or path/to/file.py::function")
    parser.add_argument("--arch", required=True, metavar="A", help="the architecture (see `trapline list archs`)")
    parser.add_argument("--variant", metavar="V", help="the version of its handlers; default mainline")
    parser.add_argument("--patching", metavar="P", help=f"{', '.join(Patching)}; default: as the variant does")
    parser.add_argument("--preempt", choices=values(Preempt), default="none", help="the modelled kernel's preemption")
    parser.add_argument("--cpus", type=positive, default=2, metavar="N", help="1 to 8; default 2")
    parser.add_argument(
        "--views", choices=values(Views), help="stale: fetches follow stores late; default: the scenario's"
    )


def add_grid(parser: argparse.ArgumentParser) -> None:
    """Which cells a table has."""
    parser.add_argument("--arch", nargs="+", metavar="A", help="default: all")
    parser.add_argument("--patching", nargs="+", metavar="P", help="default: every policy")
    parser.add_argument("--preempt", nargs="+", choices=values(Preempt), default=values(Preempt), help="default: both")
    parser.add_argument("--bound", type=natural, metavar="K", help="at most K preemptions; default: no bound")


def add_expect(parser: argparse.ArgumentParser) -> None:
    help_text = "exit with 1 if it is not so: never, sometimes or always; may be given several times"
    parser.add_argument("--expect", action="append", default=[], metavar="OUTCOME=FREQUENCY", help=help_text)


def settings_of(options: argparse.Namespace) -> Settings:
    return Settings(
        find_scenario(options.scenario),
        options.arch,
        options.variant,
        options.patching,
        options.preempt,
        options.cpus,
        options.views,
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
