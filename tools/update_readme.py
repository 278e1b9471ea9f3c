"""Runs every command that README.md shows and pastes its output: `python -m tools.update_readme [--check]`.

A command stands in a `console` block as `$ tools/trapline ...`; what follows, up to the next command or the end of the
block, is its output. A line `...` stands for lines left out, and stays.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
COMMAND = "$ tools/trapline "


def examples(text: str) -> Iterator[tuple[str, str]]:
    """Each shown command of trapline with its shown output."""
    for block in BLOCK.findall(text):
        for part in re.split(r"^(?=\$ )", block, flags=re.MULTILINE):
            if part.startswith(COMMAND):
                command, _, output = part.partition("\n")
                yield command, output


def run(command: str) -> str:
    """What a shown command prints on standard output."""
    head, *pipe = command.removeprefix("$ ").split(" | ")
    words = [sys.executable, "-m", "emu.cli", *shlex.split(head)[1:]]
    done = subprocess.run(words, capture_output=True, text=True, cwd=README.parent, check=False)
    output = done.stdout + done.stderr
    for filter_command in pipe:
        output = subprocess.run(shlex.split(filter_command), input=output, capture_output=True, text=True).stdout
    return output


def agrees(shown: str, printed: str) -> bool:
    """Whether the printed lines are the shown ones, `...` standing for any."""
    pattern = "".join(r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line) + "\n" for line in shown.splitlines())
    return re.fullmatch(pattern, printed) is not None


def main(arguments: list[str] | None = None) -> int:
    """1 with --check if a shown output is not what is printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 if something differs")
    options = parser.parse_args(arguments)
    text = README.read_text(encoding="utf-8")
    wrong = 0
    for command, shown in examples(text):
        printed = run(command)
        if agrees(shown, printed):
            continue
        wrong += 1
        print(f"differs: {command}", file=sys.stderr)
        text = text.replace(f"{command}\n{shown}", f"{command}\n{printed}")
    if not options.check:
        README.write_text(text, encoding="utf-8")
    return 1 if options.check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())
