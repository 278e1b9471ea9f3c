"""Runs what the READMEs show and pastes the output: `python -m tools.update_readme [--check] [README...]`.

A command stands in a `console` block as `$ tools/trapline ...` or `$ python FILE`; what follows, up to the next command
or the end of the block, is its output. A line `...` stands for lines left out, and stays. A `python` block whose first
line is a comment with a file's name is that file for the commands behind it; each `python` block has to run by itself
too. A line `<!-- exhaustive -->` before a block says that it takes longer than two seconds.

What stands between `<!-- bugs -->` and `<!-- end of bugs -->` is a table of the bugs of Linux in `arches/*/bugs.py`.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from arches import all_archs

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("", "emu", "emu/cli", "emu/scenarios", "emu/explore", "arches", "firmware", "tests", "tools")
BLOCK = re.compile(r"^(<!-- exhaustive -->\n+)?```(console|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"\$ (?:(?:tools/)?trapline|python) ")
FILE_NAME = re.compile(r"# ([\w-]+\.py)\n")
BUGS = re.compile(r"(?<=<!-- bugs -->\n).*?(?=<!-- end of bugs -->)", re.DOTALL)
PACKAGES = ("emu", "arches")  # found in their own place: a frame's file tells trapline's code from a scenario's
LONG = 2.0  # seconds, from which on a block belongs to the exhaustive ones


@dataclass(frozen=True)
class Example:
    """A command with the output that is shown; `files` are those that the README has shown before, by name."""

    readme: Path
    command: str
    shown: str
    exhaustive: bool
    files: tuple[tuple[str, str], ...]


def readmes() -> list[Path]:
    """The READMEs that there are."""
    paths = [ROOT / folder / "README.md" for folder in FOLDERS]
    return [path for path in paths if path.exists()]


def examples(readme: Path, text: str | None = None) -> Iterator[Example]:
    """Each shown command of a README, and each Python block, which shows no output and must print none."""
    files: dict[str, str] = {}
    for mark, kind, block in BLOCK.findall(readme.read_text(encoding="utf-8") if text is None else text):
        if kind == "python":
            named = FILE_NAME.match(block)
            name = named[1] if named else "block.py"
            given = {**files, name: block}
            yield Example(readme, f"$ python {name}", "", bool(mark), tuple(given.items()))
            files = given if named else files
            continue
        for part in re.split(r"^(?=\$ )", block, flags=re.MULTILINE):
            if COMMAND.match(part):
                command, _, output = part.partition("\n")
                yield Example(readme, command, output, bool(mark), tuple(files.items()))


@contextmanager
def folder_with(files: tuple[tuple[str, str], ...]) -> Iterator[Path]:
    """A folder that looks like the checkout and has the README's files too."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in ROOT.iterdir():
            if path.name not in PACKAGES:
                (folder / path.name).symlink_to(path)
        (folder / "trapline").symlink_to(ROOT / "emu" / "api")  # as which it is installed
        for file, text in files:
            (folder / file).write_text(text, encoding="utf-8")
        yield folder


def run(example: Example) -> str:
    """What a shown command prints, errors included."""
    head, *pipe = example.command.removeprefix("$ ").split(" | ")
    program, *arguments = shlex.split(head)
    words = [sys.executable, "-P", *([] if program == "python" else ["-m", "emu.cli"]), *arguments]
    with folder_with(example.files) as folder:
        where = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
        done = subprocess.run(words, capture_output=True, text=True, cwd=folder, env=where, check=False)
    output = done.stdout + done.stderr
    for filter_command in pipe:
        output = subprocess.run(shlex.split(filter_command), input=output, capture_output=True, text=True).stdout
    return output


def agrees(shown: str, printed: str) -> bool:
    """Whether the printed lines are the shown ones, `...` standing for any."""
    pattern = "".join(r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line) + "\n" for line in shown.splitlines())
    return re.fullmatch(pattern, printed) is not None


def with_bugs(text: str) -> str:
    """The text with today's table of bugs, where it has one."""
    return BUGS.sub(lambda _: bugs_table(), text)


def bugs_table() -> str:
    """Each bug of each architecture, with a command that shows it."""
    rows = [bug.json(arch.name) for arch in all_archs() for bug in arch.bugs]
    lines = ["| arch | bug | what Linux does | in | shown by `trapline ...` |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        shown = f"`{row['shown_by']}`" if row["shown_by"] else "tests only"
        cells = (row["arch"], f"`{row['name']}`", row["symptom"], row["releases"], shown)
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines) + "\n"


LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def broken_links(readme: Path) -> list[str]:
    """Relative links to a file or a heading that is not there."""
    targets = LINK.findall(CODE.sub("", readme.read_text(encoding="utf-8")))
    return [target for target in targets if not re.match(r"\w+:", target) and not _is_there(readme, target)]


def _is_there(readme: Path, target: str) -> bool:
    name, _, heading = target.partition("#")
    path = (readme.parent / name) if name else readme
    return path.exists() and (not heading or heading in _headings(path))


def _headings(path: Path) -> set[str]:
    """The names by which headings are linked to: in small letters, blanks as hyphens, no punctuation."""
    titles = re.findall(r"^#+ +(.*?) *$", FENCED.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def main(arguments: list[str] | None = None) -> int:
    """1 with --check if a shown output is not what is printed; 1 in any case for a Python block that prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 if something differs")
    parser.add_argument("readme", nargs="*", type=Path, help="which ones (default: all)")
    options = parser.parse_args(arguments)
    wrong = [update(path.resolve(), options.check) for path in options.readme or readmes()]
    return 1 if any(wrong) else 0


def update(readme: Path, check: bool) -> bool:
    """Whether something stays wrong."""
    before = readme.read_text(encoding="utf-8")
    text = with_bugs(before)
    wrong = check and text != before
    if text != before:
        print(f"{readme}: differs: the table of bugs", file=sys.stderr)
    for example in list(examples(readme)):
        begun = time.monotonic()
        printed = run(example)
        if time.monotonic() - begun > LONG and not example.exhaustive:
            print(f"{readme}: longer than {LONG} s, expected <!-- exhaustive -->: {example.command}", file=sys.stderr)
        if agrees(example.shown, printed):
            continue
        print(f"{readme}: differs: {example.command}", file=sys.stderr)
        is_block = example.command.startswith("$ python ") and not example.shown
        wrong |= check or is_block
        if is_block:
            print(printed, file=sys.stderr)
        else:
            text = text.replace(f"{example.command}\n{example.shown}", f"{example.command}\n{printed}")
    if not check:
        readme.write_text(text, encoding="utf-8")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
