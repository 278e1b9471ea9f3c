"""The command line's grammar; each command's `--help` ends with an example."""

from __future__ import annotations

import argparse

from emu.cli import explore_commands, list_command, opcode_command, step_command, transparent_command
from emu.cli.arguments import Parser


def parser() -> argparse.ArgumentParser:
    top = Parser(
        prog="trapline",
        description="A laboratory for kernel probes: real guest code, real breakpoint words, every interleaving.",
        epilog="exit status: 0 done, 1 a verdict contradicts --expect, 2 bad usage or bad input",
        allow_abbrev=False,
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    list_command.add(commands)
    explore_commands.add(commands)
    opcode_command.add(commands)
    step_command.add(commands)
    transparent_command.add(commands)
    return top
