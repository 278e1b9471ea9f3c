"""`trapline sweep`: the kernel's verdict on every word there is."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import arches
from emu.arch import Arch
from emu.cli.arch_argument import add_arch
from emu.cli.encoding_sweep import sweep_all
from emu.cli.parser import MOST_JOBS, Parser, add_features, add_release, at_most, command
from emu.cli.releases import Asked, lines_of
from emu.cli.status import DONE, say_interrupted, say_lost
from emu.isa.isa import Isa
from emu.parallel.dask import cluster
from emu.parallel.pool import Here
from emu.report.text import ProgressLine, print_json, table
from emu.verdict.opcode import known_features
from emu.verdict.release import Release
from emu.verdict.rules import Rule
from emu.verdict.sweep import Crews, SweepJob, SweepReport, processes, sweep, sweep_halfwords
from emu.verdict.wordmap import Difference

Releases = tuple[Release | None] | tuple[Release | None, Release | None]
MOST_LISTED = 1 << 32  # words
Differing = list[tuple[str, str, str]]  # words, the rule before, the rule after


def add(parser: Parser) -> None:
    example = "trapline sweep arm64 --release 6.1 --against 6.13 --resume arm64.journal"
    command(parser, example, sweep_words)
    add_arch(parser)
    add_release(parser, "the newest")
    add_features(parser)
    parser.add_argument("--against", metavar="RELEASE", help="a later release, to list the words that differ")
    how_many = "how many of them; default 20"
    parser.add_argument("--list", "--limit-list", type=at_most(MOST_LISTED), default=20, metavar="N", help=how_many)
    parser.add_argument(
        "--jobs", type=at_most(MOST_JOBS), default=os.cpu_count() or 1, metavar="N", help="default: every core"
    )
    parser.add_argument("--cluster", metavar="ADDRESS", help="a Dask scheduler to give the work to")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="remembers what is done, to go on from there")


def sweep_words(options: argparse.Namespace) -> int:
    arch = arches.load(options.arch)
    isa, probing = arch.isa, arch.probing
    if probing.rules is None:
        return sweep_all(options, arch, releases_of(arch, options))
    job = SweepJob(
        probing.rules, releases_of(arch, options), known_features(isa, probing, options.feature), actions=True
    )
    line = ProgressLine(f"sweep {arch.name}")
    told = lambda done, of: line.show(f"{done} of {of} words", done / of)  # noqa: E731
    with workers(options) as crews:
        report = sweep(job, crews, told, options.resume, lambda message: print(f"trapline: {message}", file=sys.stderr))
    line.done()
    halves, differing_halves = halfwords(isa, job)
    differing = [*differing_halves, *islice(map(as_row, job.differences()), options.list)][: options.list]
    if options.json:
        print_json(as_json(options, arch, job, report, halves, differing))
    else:
        print_report(job, report, halves, differing, len(differing_halves))
        print(lines_of(arch, job.releases))
    if report.words == job.words:
        return DONE
    if report.lost is not None:
        return say_lost(f"{report.lost}: {report.words} of {job.words} words are counted")
    return say_interrupted(f"{report.words} of {job.words} words are counted")


def releases_of(arch: Arch, options: argparse.Namespace) -> Releases:
    """What is asked about: one release, or the older and the later one."""
    first = arch.release(options.release)
    return (first,) if options.against is None else (first, arch.release(options.against))


@contextmanager
def workers(options: argparse.Namespace) -> Iterator[Crews]:
    """Where the work goes: a cluster, processes, or here if one is enough."""
    if options.cluster is not None:
        with cluster(options.cluster) as crews:
            yield crews
    else:
        yield processes(options.jobs) if options.jobs > 1 else Here


def halfwords(isa: Isa, job: SweepJob) -> tuple[dict[str, int], Differing]:
    """The 16-bit space, where there is one: those halfwords that are whole instructions."""
    if min(isa.sizes) != 2:
        return {}, []
    whole = [half for half in range(1 << 16) if isa.insn_size(half.to_bytes(2, "little") + b"\0\0") == 2]
    counts, differing = sweep_halfwords(job, whole)
    return counts, [(f"{half:#06x}", old, new) for half, old, new in differing]


def as_row(difference: Difference) -> tuple[str, str, str]:
    """Words that two releases judge differently: a range of upper halves, each with a range of lower ones."""
    (high, higher), (low, lower) = difference.upper, difference.lower
    first, last = f"{high:04x}{low:04x}", f"{higher:04x}{lower:04x}"
    if first == last:
        return f"0x{first}", difference.old, difference.new
    if high == higher or (low, lower) == (0, 0xFFFF):
        return f"0x{first}..0x{last}", difference.old, difference.new
    return f"0x{first}..0x{last}, low halves {low:04x}..{lower:04x}", difference.old, difference.new


def as_json(
    options: argparse.Namespace,
    arch: Arch,
    job: SweepJob,
    report: SweepReport,
    halves: dict[str, int],
    differing: Differing,
) -> dict[str, Any]:
    return {
        "schema": "trapline.sweep/1",
        "arch": arch.name,
        "version": options.release,
        "release": Asked(arch, job.releases[0]).number,
        "against": options.against,
        "words": report.words,
        "complete": report.words == job.words,
        "rows": report.counts,
        "verdicts": by_verdict(job, report.counts),
        "halfwords": halves,
        "differing": report.differing,
        "differences": [{"words": words, "old": old, "new": new} for words, old, new in differing],
        "words_per_second": round(report.words_per_second),
    }


def by_verdict(job: SweepJob, counts: dict[str, int]) -> dict[str, int]:
    """How many words are refused, simulated and stepped."""
    verdicts = {rule.name: rule.verdict.value for rule in rules_of(job)}
    totals = dict.fromkeys(("reject", "simulate", "step"), 0)
    for name, count in counts.items():
        totals[verdicts[name]] += count
    return totals


def rules_of(job: SweepJob) -> tuple[Rule, ...]:
    return job.table.in_force(job.releases[-1], job.features)


def print_report(
    job: SweepJob, report: SweepReport, halves: dict[str, int], differing: Differing, halves_differing: int
) -> None:
    header = ["row", "verdict", "words", *(["16-bit ones"] if halves else [])]
    rows = [
        [rule.name, rule.verdict.value, str(report.counts[rule.name]), *([str(halves[rule.name])] if halves else [])]
        for rule in {rule.name: rule for rule in rules_of(job)}.values()
    ]
    print(table(header, rows))
    totals = ", ".join(f"{verdict} {count}" for verdict, count in by_verdict(job, report.counts).items())
    print(f"\n{report.words} words: {totals}; {report.words_per_second / 1e6:.0f} million a second")
    if report.words != job.words:
        why = "interrupted" if report.lost is None else "workers were lost"
        print(f"not complete: {why}, {job.words - report.words} words are not counted")
    if len(job.releases) > 1:
        print(f"{report.differing} words and {halves_differing} halfwords differ between the two releases")
        print(table(("words", "before", "after"), differing))
