"""The architecture that a command is about: its first word, or `--arch`, whichever one is used to."""

from __future__ import annotations

from collections.abc import Sequence

import arches
from emu.cli.parser import Parser
from emu.errors import UsageError

OPTION = "arch_option"  # where argparse would put --arch; the words have it by then


def add_arch(parser: Parser) -> None:
    """The first word of a command."""
    parser.add_argument("arch", metavar="ARCH", help="the architecture (see `trapline list archs`); or --arch A")
    parser.add_argument("--arch", dest=OPTION, metavar="A", help="the same as ARCH")
    parser.rewrite = arch_first


def arch_first(parser: Parser, arguments: Sequence[str]) -> list[str]:
    """The arguments with what `--arch` says as the first word.

    A first word that names an architecture is ARCH, and a file of such a name is written ./mips; UsageError if it is
    another one than `--arch` says.
    """
    given, rest, word = apart(parser, arguments)
    if len(given) != 1:  # none; or several, which is said as of every option
        return list(arguments)
    if word is None or not is_arch(word):
        return [given[0], *rest]
    if arches.load(word) is not arches.load(given[0]):
        raise UsageError(f"--arch {given[0]}: expected {word}, which is the first word, or only one of the two")
    return rest


def apart(parser: Parser, arguments: Sequence[str]) -> tuple[list[str], list[str], str | None]:
    """The values of `--arch`, the arguments without it, and the first word among them."""
    given: list[str] = []
    rest: list[str] = []
    words: list[str] = []
    left = list(arguments)
    while left:
        argument = left.pop(0)
        if argument == "--":
            rest, words, left = [*rest, argument, *left], words + left, []
            continue
        name, equals, value = argument.partition("=")
        action = parser._option_string_actions.get(name)
        takes_next = action is not None and action.nargs != 0 and not equals
        if action is not None and action.dest == OPTION and (equals or left):
            given.append(value if equals else left.pop(0))
            continue
        rest += [argument, *([left.pop(0)] if takes_next and left else [])]
        if action is None and (argument == "-" or not argument.startswith("-")):
            words.append(argument)
    return given, rest, words[0] if words else None


def is_arch(word: str) -> bool:
    """Whether it names an architecture. Most words are numbers, for which they need not all be imported."""
    if not word[:1].isalpha():
        return False
    return word in arches.names() or any(word.lower() in arch.isa.aliases for arch in arches.all_archs())
