"""The parser of every command, and kinds of values; what it needs is imported fast."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from emu.foreign import one_line, whole_number
from emu.spelling import one_of

MOST_JOBS = 1024  # processes


class Once(argparse.Action):
    """A value of an option that is given once: of two, one would be dropped."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        given: frozenset[str] = getattr(namespace, "given", frozenset())
        if self.option_strings and self.dest in given:
            raise argparse.ArgumentError(self, f"{values!r}: expected this option once")
        namespace.given = given | {self.dest}
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """Bad usage is one line, like all other bad input; words may stand before, between and behind the options."""

    fill: Callable[[Parser], None] | None = None  # adds the arguments, once they are needed
    rewrite: Callable[[Parser, Sequence[str]], list[str]] | None = None  # what argparse is given for what was typed
    _asked_again = False

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.register("action", None, Once)  # what is done with a value unless an action is named
        self.set_defaults(given=frozenset())

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """argparse gives a list of words its words before the first option that follows it, unless asked again."""
        self.complete()
        if self.rewrite is not None:
            args = self.rewrite(self, args)
        found, unknown = super().parse_known_args(args, namespace)
        if not unknown or self._subparsers is not None or self._asked_again:
            return found, unknown
        self._asked_again = True  # the second way calls this function too, for the options and for the words
        try:
            return self.parse_known_intermixed_args(args)
        finally:
            self._asked_again = False

    def complete(self) -> None:
        """Have the arguments, if they have not been added yet."""
        fill, self.fill = self.fill, None
        if fill is not None:
            fill(self)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {one_line(message)} (see {self.prog} --help)\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """argparse does not mind if its help is not printed."""
        print(message, end="", file=file or sys.stderr)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """argparse has no hint at what may have been meant."""
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, f"{value!r}: {one_of(str(value), map(str, action.choices))}")


def command(parser: Parser, example: str, run: Any) -> Parser:
    """A command's example, `--json`, and the function that does it."""
    parser.epilog = f"example:\n  {example}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=run)
    return parser


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


def at_most(most: int) -> Callable[[str], int]:
    """A positive number, for what has an end."""

    def number(text: str) -> int:
        value = positive(text)
        if value > most:
            raise argparse.ArgumentTypeError(f"{text!r}: expected at most {most}")
        return value

    return number


def add_release(parser: Parser, default: str) -> None:
    """`--version` was its name until there were versions of trapline."""
    help_text = f"the rules and handlers of a Linux release; default: {default}"
    parser.add_argument("--release", metavar="R", help=help_text)
    parser.add_argument("--version", dest="release", metavar="R", help=argparse.SUPPRESS)


def add_fix(parser: Parser) -> None:
    help_text = "without this bug of Linux (see `trapline list bugs`); may be given several times"
    parser.add_argument("--fix", action="append", default=[], metavar="BUG", help=help_text)


def add_features(parser: Parser) -> None:
    parser.add_argument("--feature", action="append", default=[], metavar="NAME", help="what the CPU or kernel has")
