"""The command line's grammar; each command's `--help` ends with an example."""

from __future__ import annotations

import argparse

from emu.cli import (
    compare_command,
    decide_command,
    explore_command,
    list_command,
    opcode_command,
    probe_all_command,
    run_command,
    step_command,
    sweep_command,
    transparent_command,
)
from emu.cli.arguments import Parser


def parser() -> argparse.ArgumentParser:
    top = Parser(
        prog="trapline",
        description="A laboratory for kernel probes: real guest code, real breakpoint words, every interleaving.",
        epilog="exit status: 0 done, 1 a verdict contradicts --expect, 2 bad usage or bad input, 130 ^C, 143"
        " SIGTERM, 129 SIGHUP (what was done by then is printed)",
        allow_abbrev=False,
    )
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    list_command.add(commands)
    run_command.add(commands)
    explore_command.add(commands)
    compare_command.add(commands)
    decide_command.add(commands)
    opcode_command.add(commands)
    step_command.add(commands)
    probe_all_command.add(commands)
    sweep_command.add(commands)
    transparent_command.add(commands)
    return top
