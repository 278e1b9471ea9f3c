"""`trapline transparent`: whether a probe changes what instructions do; and one case of it, replayed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import arches
from emu.arch import Arch
from emu.cli.arch_argument import add_arch
from emu.cli.parser import MOST_JOBS, Parser, add_fix, add_release, at_most, command, natural, positive
from emu.cli.status import CONTRADICTED, DONE, say_interrupted
from emu.errors import UsageError
from emu.kernel.state import Variant
from emu.parallel.interrupts import until_interrupted
from emu.parallel.pool import Death
from emu.report.text import ProgressLine, print_json, table
from emu.transparent.bench import Bench
from emu.transparent.case import format_case, parse_case
from emu.transparent.processes import Pool
from emu.transparent.search import Search, finding_of, search, text_of_bytes
from emu.transparent.tally import Finding, Key, Tally, merged
from emu.trials import TrialRow, choose
from emu.verdict.release import Release, release_text

ENCODINGS = 10_000
SHOWN_ROWS = 6


@dataclass(frozen=True)
class Setting:
    """Which kernel, by names: a process of its own loads it."""

    arch: str
    variant: str | None
    release: Release | None
    fix: tuple[str, ...] = ()

    def load(self) -> tuple[Arch, Variant]:
        """UsageError for what there is not."""
        arch = arches.load(self.arch)
        return arch, arch.variant(self.variant, self.release, self.fix)


def add(parser: Parser) -> None:
    example = "trapline transparent mips --row beql\n  trapline transparent arm64 --release 6.1"
    command(parser, example, transparent)
    add_arch(parser)
    add_release(parser, "the newest")
    add_fix(parser)
    parser.add_argument("--variant", metavar="V", help="a variant of the handlers (see `trapline list variants`)")
    parser.add_argument(
        "--count", type=positive, default=ENCODINGS, metavar="N", help=f"encodings; default {ENCODINGS}"
    )
    parser.add_argument("--seed", type=natural, default=1, metavar="S", help="of the random numbers; default 1")
    parser.add_argument("--row", action="append", default=[], metavar="NAME", help="only this row; may be repeated")
    parser.add_argument("--case", metavar="LINE", help="replay one case, as a search prints it")
    parser.add_argument("--jobs", type=at_most(MOST_JOBS), default=1, metavar="N", help="processes; default 1")
    parser.add_argument("--expect", choices=("none", "some"), help="exit with 1 unless there are that many differences")


def transparent(options: argparse.Namespace) -> int:
    arch = arches.load(options.arch)
    setting = Setting(arch.name, options.variant, arch.release(options.release), tuple(options.fix))
    if options.case is not None:
        return replay(setting, options)
    rows = rows_of(setting, options.row)
    line = ProgressLine("transparent")
    told = lambda done: line.show(f"{done} of {options.count} encodings", done / options.count)  # noqa: E731
    with Pool(partial(make_search, setting), options.jobs) as pool:
        tally = search(rows, options.count, options.seed, pool.run, told)
        findings = shrunk(setting, tally, pool)
    line.done()
    show(setting, Outcome(rows, tally, findings, pool.deaths), options)
    if tally.interrupted:
        return say_interrupted(f"{tally.compared.total()} encodings are compared")
    return status(bool(findings), options.expect)


def status(found: bool, expected: str | None) -> int:
    return CONTRADICTED if expected is not None and found != (expected == "some") else DONE


# The search


def shrunk(setting: Setting, tally: Tally, pool: Pool) -> list[Finding]:
    """What differed, with the cases shrunk; those that a ^C comes before are as they were found."""
    groups, isa = {group.key: group for group in merged(tally.groups.values())}, arches.load(setting.arch).isa
    found: dict[Key, Finding] = {}
    with until_interrupted() as cut_short:
        for finding in pool.findings(list(groups.values())):
            found[finding.group.key] = finding
    tally.interrupted = tally.interrupted or bool(cut_short)
    return [
        found.get(key) or finding_of(isa, group, group.case, str(group.difference)) for key, group in groups.items()
    ]


def make_search(setting: Setting) -> Search:
    """A bench in this process, for one kernel."""
    arch, variant = setting.load()
    return Search(Bench(arch, variant, arches.trials(arch)))


def rows_of(setting: Setting, wanted: Sequence[str]) -> list[TrialRow]:
    """The rows that are tried; UsageError for an unknown one."""
    arch, variant = setting.load()
    return choose(arches.trials(arch).rows(variant.release), wanted)


@dataclass(frozen=True)
class Outcome:
    """What a search of `rows` found, and which processes it cost."""

    rows: Sequence[TrialRow]
    tally: Tally
    findings: Sequence[Finding]
    deaths: Sequence[Death]


# What is printed


def report(setting: Setting, outcome: Outcome) -> dict[str, Any]:
    rows, tally = outcome.rows, outcome.tally
    covered = [row.label for row in rows if tally.covered(row.label)]
    missing = [row.label for row in rows if not tally.covered(row.label)]
    isa = arches.load(setting.arch).isa
    return {
        "schema": "trapline.transparent/1",
        **names_of(setting),
        "complete": not tally.interrupted,
        "encodings": tally.compared.total(),
        "rows": len(rows),
        "rows_covered": len(covered),
        "rows_not_covered": missing,
        "why_not_covered": {label: tally.why_not(label) for label in missing},
        "refused": tally.refused.total(),
        "skipped": dict(tally.skipped),
        "differences": [finding.json() for finding in outcome.findings],
        "deaths": [{"how": one.how, "case": one.note and format_case(one.note, isa)} for one in outcome.deaths],
        "coverage": {row.label: coverage(row.label, tally) for row in rows if tally.tried[row.label]},
    }


def by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Rows by why they are not covered."""
    found: dict[str, list[str]] = {}
    for label, why in reasons.items():
        found.setdefault(why, []).append(label)
    return found


def names_of(setting: Setting) -> dict[str, str]:
    """Which kernel it was, as the JSON has it."""
    arch, variant = setting.load()
    return {
        "arch": arch.name,
        "version": "newest" if setting.release is None else release_text(setting.release),
        "release": release_text(setting.release or arch.probing.newest),
        "variant": variant.name,
    }


def coverage(label: str, tally: Tally) -> dict[str, int]:
    return {"tried": tally.tried[label], "compared": tally.compared[label], "refused": tally.refused[label]}


def show(setting: Setting, outcome: Outcome, options: argparse.Namespace) -> None:
    said = report(setting, outcome)
    if options.json:
        print_json(said)
        return
    newest = " (the newest that is known)" if said["version"] == "newest" else ""
    print(f"{said['arch']}, Linux {said['release']}{newest}, variant {said['variant']}")
    print(f"{said['encodings']} encodings compared, {said['refused']} refused by the kernel, seed {options.seed}")
    print(f"{said['rows_covered']} of {said['rows']} rows covered")
    for why, labels in by_reason(said["why_not_covered"]).items():
        print(f"  not covered ({why}): {', '.join(labels)}")
    for why, count in said["skipped"].items():
        print(f"  {count} skipped: {why}")
    for death in said["deaths"]:
        where = command_line(setting, death["case"]) if death["case"] else "before its first case"
        print(f"  the engine died ({death['how']}): {where}")
    print(f"{len(said['differences'])} kinds of difference" + (":" if said["differences"] else ""))
    for finding in outcome.findings:
        print_finding(setting, finding)


def print_finding(setting: Setting, finding: Finding) -> None:
    group = finding.group
    rules = ", ".join(group.rules) + (f": {group.action}" if group.action else "")
    rows = [f"{row} {count}" for row, count in group.rows.most_common(SHOWN_ROWS)]
    more = len(group.rows) - len(rows)
    print(f"\n{finding.word}  {finding.text}  [{rules}]")
    print(f"  {finding.difference}")
    print(f"  {group.rows.total()} times in {', '.join(rows)}" + (f" and {more} more rows" if more else ""))
    print(f"  {command_line(setting, finding.case)}")


def command_line(setting: Setting, case: str) -> str:
    """What replays a case."""
    given = ["--release {}.{}".format(*setting.release)] if setting.release is not None else []
    given += [f"--variant {setting.variant}"] if setting.variant is not None else []
    given += [f"--fix {bug}" for bug in setting.fix]
    return " ".join(["trapline transparent", setting.arch, *given, f"--case '{case}'"])


# One case


def replay(setting: Setting, options: argparse.Namespace) -> int:
    """Both results of one case, side by side."""
    if options.row:
        raise UsageError("--case: expected no --row with it")
    isa = arches.load(setting.arch).isa
    case = parse_case(options.case, isa)
    with Pool(partial(make_search, setting), 1) as pool:
        found = pool.replay(case)
    word, text = isa.word(case.insn), text_of_bytes(isa, case.insn, case.at)
    if options.json:
        said = {"case": format_case(case, isa), "word": word, "text": text, **found.json()}
        print_json({"schema": "trapline.transparent-case/1", **names_of(setting), **said})
    else:
        print(f"{case.at:#x}: {word}  {text}")
        print(f"{found.verdict}: {found.why}")
        print(table(("", "in place", "under the probe"), found.lines))
        print(found.conclusion)
    return status(found.differs, options.expect)
