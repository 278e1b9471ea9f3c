"""Which commands there are; what a command needs is imported when it is asked for."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from emu.cli.parser import Parser


@dataclass(frozen=True)
class Command:
    """`module` has a function `add`, which gives the command's parser its arguments."""

    name: str
    help: str

    @property
    def module(self) -> str:
        return f"emu.cli.{self.name.replace('-', '_')}_command"


COMMANDS = (
    Command("list", "what there is to choose from"),
    Command("run", "one execution, with a timeline"),
    Command("explore", "every interleaving of one scenario"),
    Command("compare", "the handlers side by side"),
    Command("decide", "is a check needed, redundant or harmful?"),
    Command("opcode", "instructions: text, verdict, why"),
    Command("step", "execute one instruction from a given state: what it changes"),
    Command("probe-all", "call a function, then again with a probe on every instruction: is the outcome the same?"),
    Command("sweep", "the verdict on every word there is"),
    Command("transparent", "run instructions in place and under a probe, and compare"),
    Command("completion", "completes trapline's words in a shell"),
)
STATUSES = (
    "exit status: 0 done, 1 a verdict contradicts --expect, 2 bad usage or bad input, 3 what --expect says is not known"
    " (--bound, --limit), 130 ^C, 143 SIGTERM, 129 SIGHUP"
    " (what was done by then is printed), 70 a mistake of trapline's own"
)


def parser() -> Parser:
    """The command line's grammar."""
    top = Parser(
        prog="trapline",
        description="A laboratory for kernel probes: real guest code, real breakpoint words, every interleaving.",
        epilog=STATUSES,
        allow_abbrev=False,
    )
    top.add_argument("--version", action=Version, nargs=0, help="show trapline's own version and exit")
    top.add_argument("--debug", action="store_true", help="show the traceback of a mistake of trapline's own")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for one in COMMANDS:
        added = commands.add_parser(one.name, help=one.help, description=one.help, allow_abbrev=False)
        added.fill = partial(_fill, one)
    return top


def _fill(one: Command, parser: Parser) -> None:
    import_module(one.module).add(parser)


class Version(argparse.Action):
    """The version that is installed."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version  # slow, and only wanted here

        try:
            found = version("trapline")
        except PackageNotFoundError:
            found = "of a checkout that is not installed"
        print(f"trapline {found}")
        parser.exit(0)
