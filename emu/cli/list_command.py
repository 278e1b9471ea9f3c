"""`trapline list`: what there is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import arches
from emu.cli.parser import Parser, command
from emu.kernel.outcome import Outcome
from emu.report.text import print_json, table
from emu.scenarios.registry import find_scenario, shipped


def add(parser: Parser) -> None:
    command(parser, "trapline list scenarios", list_what)
    parser.add_argument("what", nargs="?", choices=tuple(LISTS), help="default: everything")


def list_what(options: argparse.Namespace) -> int:
    kinds = [options.what] if options.what else list(LISTS)
    found = {kind: LISTS[kind]() for kind in kinds}
    if options.json:
        print_json({"schema": "trapline.list/1", **found})
        return 0
    for kind, rows in found.items():
        header = [key for key in rows[0] if not isinstance(rows[0][key], list)]
        print(f"{kind}:" if len(found) > 1 else "", end="\n" if len(found) > 1 else "")
        print(table(header, [[str(row[key]) for key in header] for row in rows]))
        print("\n" if len(found) > 1 else "", end="")
    return 0


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
            "release": "newest" if variant.release is None else "{}.{}".format(*variant.release),
            "patching": variant.patching,
            "title": variant.title,
        }
        for arch in arches.all_archs()
        for variant in arch.port.variants.values()
    ]


def outcomes() -> list[dict[str, Any]]:
    return [{"name": outcome, "meaning": outcome.text} for outcome in Outcome]


LISTS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "archs": archs,
    "scenarios": scenarios,
    "variants": variants,
    "outcomes": outcomes,
}
