"""`trapline completion`: what a shell needs to complete trapline's words. The only file that imports `shtab` (extra
`trapline[completion]`)."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

import arches
from emu.cli.commands import parser as grammar
from emu.cli.parser import Parser
from emu.cli.status import DONE
from emu.errors import UsageError
from emu.kernel.configuration import Patching
from emu.scenarios.registry import shipped

SHELLS = ("bash", "zsh", "tcsh")
HOW = """\
example:
  trapline completion bash >~/.local/share/bash-completion/completions/trapline
  trapline completion zsh >~/.zsh/_trapline      # ~/.zshrc: fpath+=(~/.zsh), before compinit
  trapline completion tcsh >~/.trapline.tcsh     # ~/.tcshrc: source ~/.trapline.tcsh

A new shell has it then. It needs shtab: pip install 'trapline[completion]'
"""
FILES = ("elf", "resume")


def add(parser: Parser) -> None:
    parser.epilog, parser.formatter_class = HOW, argparse.RawDescriptionHelpFormatter
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    parser.set_defaults(run=completion)


def completion(options: argparse.Namespace) -> int:
    try:
        shtab = import_module("shtab")
    except ImportError:
        raise UsageError("completion needs shtab: expected the extra trapline[completion] to be installed") from None
    print(shtab.complete(whole_grammar(shtab.FILE), shell=options.shell))
    return DONE


def whole_grammar(file: Any) -> Parser:
    """The command line's grammar with the arguments of every command, and the words that there are for them."""
    top = grammar()
    for parser in commands_of(top):
        parser.complete()
        for action in parser._actions:
            if action.dest in FILES:
                action.complete = file  # type: ignore[attr-defined]  # how shtab is told
            elif action.dest in WORDS:
                action.choices = tuple(WORDS[action.dest]())
    return top


def commands_of(top: Parser) -> Iterator[Parser]:
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def variants() -> list[str]:
    return sorted({name for arch in arches.all_archs() for name in arch.port.variants})


def bugs() -> list[str]:
    return sorted({bug.id for arch in arches.all_archs() for bug in arch.bugs})


WORDS: Mapping[str, Callable[[], Iterable[str]]] = {
    "arch": arches.names,
    "arch_option": arches.names,
    "scenario": shipped,
    "patching": lambda: [policy.value for policy in Patching],
    "variant": variants,
    "fix": bugs,
}
"""Of arguments that are not checked against a list when they are parsed, since they have aliases or are files too."""
