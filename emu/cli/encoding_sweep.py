"""`trapline sweep` where instructions are not words: every encoding that the rules can tell apart."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from emu.arch import Arch
from emu.cli.releases import Asked, lines_of
from emu.cli.status import DONE, say_interrupted
from emu.errors import UsageError
from emu.report.text import ProgressLine, print_json, table
from emu.verdict.encoding_sweep import EncodingReport, sweep_encodings
from emu.verdict.opcode import known_features
from emu.verdict.site import Release


def sweep_all(options: argparse.Namespace, arch: Arch, releases: Sequence[Release | None]) -> int:
    """`sweep` of an architecture that has `encodings`: seconds on one core, so that nothing is remembered or sent."""
    if options.cluster is not None or options.resume is not None:
        raise UsageError(f"sweep {arch.name}: its encodings are few: expected no --cluster and no --resume")
    line = ProgressLine(f"sweep {arch.name}")
    features = known_features(arch.isa, arch.probing, options.feature)
    progress = lambda n, of: line.show(f"{n} of {of} encodings", n / of)  # noqa: E731
    report = sweep_encodings(arch.isa, arch.probing, releases, features, progress)
    line.done()
    if options.json:
        print_json(as_json(options, Asked(arch, releases[0]), report))
    else:
        print_report(report, options.list, len(releases) > 1)
        print(lines_of(arch, releases))
    if report.encodings == report.listed:
        return DONE
    return say_interrupted(f"{report.encodings} of {report.listed} encodings are counted")


def as_json(options: argparse.Namespace, asked: Asked, report: EncodingReport) -> dict[str, Any]:
    return {
        "schema": "trapline.sweep/1",
        "arch": asked.arch.name,
        "version": options.release,
        "release": asked.number,
        "against": options.against,
        "words": report.encodings,
        "complete": report.encodings == report.listed,
        "rows": dict(report.rows),
        "verdicts": totals(report),
        "differing": len(report.differences),
        "differences": [{"words": w, "old": old, "new": new} for w, old, new in report.differences[: options.list]],
    }


def totals(report: EncodingReport) -> dict[str, int]:
    """How many encodings are refused, simulated and stepped."""
    return {name: sum(row[name] for row in report.verdicts.values()) for name in ("reject", "simulate", "step")}


def print_report(report: EncodingReport, limit: int, compared: bool) -> None:
    rows = [[name, ", ".join(report.verdicts[name]), str(count)] for name, count in report.rows.most_common()]
    print(table(("row", "verdict", "encodings"), rows))
    print(f"\n{report.encodings} encodings: {', '.join(f'{name} {count}' for name, count in totals(report).items())}")
    if compared:
        print(f"{len(report.differences)} encodings differ between the two releases")
        print(table(("words", "before", "after"), report.differences[:limit]))
