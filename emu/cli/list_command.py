"""`trapline list`: what there is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import arches
from emu.cli.parser import Parser, command
from emu.errors import UsageError
from emu.kernel.outcome import Outcome
from emu.report.text import print_json, table
from emu.scenarios.registry import find_scenario, shipped
from emu.verdict.release import release_text


def add(parser: Parser) -> None:
    command(parser, "trapline list scenarios", list_what)
    parser.add_argument("what", nargs="?", choices=tuple(LISTS), help="default: everything")
    parser.add_argument("--arch", metavar="A", help="variants or bugs of this architecture only; default: all")


def list_what(options: argparse.Namespace) -> int:
    kinds = [options.what] if options.what else list(LISTS)
    found = {kind: LISTS[kind]() for kind in kinds}
    if options.arch is not None:
        wanted = arches.load(options.arch).name
        found = {kind: of_arch(kind, rows, wanted) for kind, rows in found.items() if options.what or "arch" in rows[0]}
    if options.json:
        print_json({"schema": "trapline.list/1", **found})
        return 0
    for kind, rows in found.items():
        header = COLUMNS.get(kind) or [key for key in rows[0] if not isinstance(rows[0][key], list)]
        print(f"{kind}:" if len(found) > 1 else "", end="\n" if len(found) > 1 else "")
        print(table(header, [[str(row[key]) for key in header] for row in rows]))
        print("\n" if len(found) > 1 else "", end="")
    return 0


def of_arch(kind: str, rows: list[dict[str, Any]], arch: str) -> list[dict[str, Any]]:
    """The rows about one architecture; UsageError for lists that are not by architecture."""
    if "arch" not in rows[0]:
        raise UsageError(f"list --arch {arch}: expected variants or bugs, not {kind}")
    return [row for row in rows if row["arch"] == arch]


def archs() -> list[dict[str, Any]]:
    return [
        {
            "name": arch.name,
            "title": arch.isa.title,
            "aliases": list(arch.isa.aliases),
            "variants": list(arch.port.variants),
            "patchings": list(arch.port.patchings),
        }
        for arch in arches.all_archs()
    ]


def scenarios() -> list[dict[str, Any]]:
    return [{"name": name, "question": find_scenario(name).question} for name in shipped()]


def variants() -> list[dict[str, Any]]:
    return [
        {
            "arch": arch.name,
            "name": variant.name,
            "release": release_text(variant.release or arch.probing.newest),
            "patching": variant.patching,
            "title": variant.title,
        }
        for arch in arches.all_archs()
        for variant in arch.port.variants.values()
    ]


def outcomes() -> list[dict[str, Any]]:
    return [{"name": outcome, "meaning": outcome.text} for outcome in Outcome]


def bugs() -> list[dict[str, Any]]:
    return [bug.json(arch.name) for arch in arches.all_archs() for bug in arch.bugs]


COLUMNS = {"bugs": ("arch", "name", "releases", "symptom", "shown_by")}
"""What of a list is printed, where that is not all of it."""

LISTS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "archs": archs,
    "scenarios": scenarios,
    "variants": variants,
    "outcomes": outcomes,
    "bugs": bugs,
}
