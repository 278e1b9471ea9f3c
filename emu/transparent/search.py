"""Trying thousands of instructions: every row, random encodings, random states; what differs, grouped and shrunk."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from emu.errors import DecodeError
from emu.isa.opcode import text_of
from emu.isa.site import Decision
from emu.machine.cpu import TrapKind
from emu.transparent.bench import Bench, Result, Seen
from emu.transparent.case import Case, format_case
from emu.transparent.compare import Comparison, Difference
from emu.transparent.examples import ExampleRow
from emu.transparent.shrink import shrink
from emu.transparent.states import States

STATES = 2  # of each encoding
HOPELESS = 24  # tries of a row of which none could be compared
TRIES = 8  # for each encoding that is wanted

UNDEFINED = "undefined: the CPU here knows no such instruction, and the kernel simulates it"
NO_ENCODING = "no encoding: every word of the row belongs to another one, or is no instruction"


@dataclass(frozen=True)
class Quota:
    """How many encodings of one row, and from which random numbers; `round` goes on where a round before ended."""

    row: str
    encodings: int
    seed: int
    round: int = 0


@dataclass
class Finding:
    """One group of differences: the same rule of the kernel, the same kind. `rows` counts by row."""

    rule: str
    action: str | None
    kind: str
    case: str
    word: str
    text: str
    why: str
    row: str
    difference: str
    relative: bool
    rows: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        return self.rows.total()

    def json(self) -> dict[str, Any]:
        return {
            "word": self.word,
            "text": self.text,
            "row": self.row,
            "rule": self.rule,
            "action": self.action,
            "kind": self.kind,
            "difference": self.difference,
            "why": self.why,
            "case": self.case,
            "count": self.count,
            "rows": dict(self.rows),
        }


@dataclass
class Tally:
    """What was tried: by row the encodings compared and refused; by reason those skipped; findings by group."""

    compared: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        for name in ("compared", "refused", "tried", "skipped"):
            getattr(self, name).update(getattr(other, name))
        for key, finding in other.findings.items():
            if key in self.findings:
                self.findings[key].rows.update(finding.rows)
            else:
                self.findings[key] = finding


@dataclass(frozen=True)
class Replay:
    """One case: the kernel's verdict, rows of (what, in place, under the probe), and what follows from them."""

    verdict: str
    why: str
    lines: list[tuple[str, str, str]]
    conclusion: str
    differs: bool

    def json(self) -> dict[str, Any]:
        results = [{"what": what, "in_place": here, "probed": there} for what, here, there in self.lines]
        said = {"verdict": self.verdict, "why": self.why, "results": results}
        return {**said, "differs": self.differs, "difference": self.conclusion}


def side_by_side(bench: Bench, plain: Result, probed: Result) -> list[tuple[str, str, str]]:
    """The registers that are not zero on both sides, the pc, memory that differs, hits and misses."""
    lines = _both(bench, "", plain.first, probed.first)
    lines.append(("hits, nmissed", "1, 0", f"{probed.hits}, {probed.missed}"))
    if plain.then is not None and probed.then is not None:
        lines += _both(bench, "then ", plain.then, probed.then)
        lines.append(("then hits, nmissed", "1, 0", f"{probed.then_hits}, {probed.then_missed}"))
    return lines


def _both(bench: Bench, prefix: str, plain: Seen, probed: Seen) -> list[tuple[str, str, str]]:
    lines = [(f"{prefix}pc", f"{plain.pc:#x}", f"{probed.pc:#x}")]
    if plain.end is not None or probed.end is not None:
        lines.append((f"{prefix}end", str(plain.end or "completes"), str(probed.end or "completes")))
    registers = zip(bench.names, plain.values, probed.values, strict=True)
    lines += [(prefix + name, f"{here:#x}", f"{there:#x}") for name, here, there in registers if here or there]
    size = bench.arch.registers.bits // 8
    for at in range(0, len(plain.memory), size):
        here, there = plain.memory[at : at + size], probed.memory[at : at + size]
        if here != there:
            lines.append((f"{prefix}[{bench.layout.buffer + at:#x}]", here.hex(), there.hex()))
    return lines


class Search:
    """A bench that rows are tried on."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.compare = Comparison(bench)
        self._states = States(bench)
        self._rows = {row.label: row for row in bench.examples.rows(bench.variant.release)}

    def run(self, quotas: Iterable[Quota]) -> Tally:
        tally = Tally()
        for quota in quotas:
            self._row(self._rows[quota.row], quota, tally)
        return tally

    def _row(self, row: ExampleRow, quota: Quota, tally: Tally) -> None:
        rng = Random(f"{quota.seed}:{quota.round}:{row.label}")
        compared = 0
        for number in range(TRIES * quota.encodings):
            if compared == quota.encodings or (number >= HOPELESS and not compared):
                break
            insn = row.make(rng)
            if insn is None:
                tally.skipped[NO_ENCODING] += 1
                break
            compared += self._encoding(row.label, insn, rng, tally)
        tally.compared[row.label] += compared

    def _encoding(self, label: str, insn: bytes, rng: Random, tally: Tally) -> bool:
        """Whether it was compared."""
        bench = self.bench
        tally.tried[label] += 1
        for limit in bench.examples.limits:
            if limit.applies(insn):
                tally.skipped[f"{limit.name}: {limit.why}"] += 1
                return False
        following = bench.examples.following(rng) if bench.arch.has_delay_slot(insn) else b""
        case = Case(insn, rng.choice(bench.layout.sites), following=following)
        if error := bench.open(case):
            tally.refused[label] += 1
            assert error < 0, errno.errorcode
            return False
        try:
            return self._opened(label, case, rng, tally)
        finally:
            bench.close()

    def _opened(self, label: str, case: Case, rng: Random, tally: Tally) -> bool:
        for number in range(STATES):
            regs = self._states.registers(case.insn + case.following, case.at, rng)
            mem = {self.bench.layout.buffer: self._states.memory(rng)}
            state = replace(case, regs=regs, mem=mem, then=b"" if number else self.bench.examples.canary)
            found = self._difference(state)
            if isinstance(found, str):
                tally.skipped[found] += 1
                return False
            if found is not None:
                self._note(label, state, found, tally)
        return True

    def _difference(self, case: Case) -> Difference | str | None:
        """With the case opened: the first difference, or why there can be none."""
        plain = self.bench.in_place(case)
        probed = self.bench.under_probe(case)
        p = self.bench.probe
        if plain.first.end is not None and plain.first.end.kind == TrapKind.ILLEGAL.value and p.ainsn.slot is None:
            return UNDEFINED
        return self.compare.first(case, plain, probed, p.ainsn.slot)

    def difference(self, case: Case) -> Difference | str | None:
        """Of one case alone; a string says why it cannot be compared."""
        if error := self.bench.open(case):
            return f"refused: -{errno.errorcode[-error]}"
        try:
            return self._difference(case)
        finally:
            self.bench.close()

    def replay(self, case: Case) -> Replay:
        """Both results of one case; what is the same and zero is left out."""
        if error := self.bench.open(case):
            why = self.decision(case).why
            return Replay("reject", why, [], f"refused: -{errno.errorcode[-error]}", False)
        try:
            plain, probed = self.bench.in_place(case), self.bench.under_probe(case)
            decision, found = self.decision(case), self._difference(case)
        finally:
            self.bench.close()
        lines = side_by_side(self.bench, plain, probed)
        conclusion = "no difference" if found is None else str(found)
        return Replay(decision.verdict.value, decision.why, lines, conclusion, isinstance(found, Difference))

    # What was found

    def _note(self, label: str, case: Case, found: Difference, tally: Tally) -> None:
        decision = self.decision(case)
        key = decision.rule, found.kind
        known = tally.findings.get(key)
        if known is None or (found.relative and not known.relative):  # that says most of why
            tally.findings[key] = self._finding(label, case, found, decision)
            tally.findings[key].rows.update(known.rows if known else {})
        tally.findings[key].rows[label] += 1

    def _finding(self, label: str, case: Case, found: Difference, decision: Decision) -> Finding:
        self.bench.close()
        smallest = self.shrunk(case, found)
        shown = self.difference(smallest)
        self.bench.open(case)
        arch = self.bench.arch
        return Finding(
            rule=decision.rule,
            action=decision.action,
            kind=found.kind,
            case=format_case(smallest, arch),
            word=arch.word(case.insn),
            text=self.text(smallest),
            why=decision.why,
            row=label,
            difference=str(shown),
            relative=found.relative,
        )

    def shrunk(self, case: Case, wanted: Difference) -> Case:
        """The smallest case found that has a difference of the same kind."""

        def shows(smaller: Case) -> bool:
            found = self.difference(smaller)
            if not isinstance(found, Difference):
                return False
            return (found.kind, found.relative) == (wanted.kind, wanted.relative)

        return shrink(case, shows, self.bench.layout.sites[0])

    def decision(self, case: Case) -> Decision:
        bench = self.bench
        return bench.kernel.decide(bench.kernel.site(case.at))

    def text(self, case: Case) -> str:
        try:
            return text_of(self.bench.arch, case.insn, case.at)
        except DecodeError:
            return case.insn.hex()


# All rows


Run = Callable[[Sequence[Quota]], Iterable[Tally]]
"""Runs quotas, in any order and anywhere, and gives tallies as they come."""


def search(
    rows: Sequence[ExampleRow], encodings: int, seed: int, run: Run, progress: Callable[[int], None] = lambda done: None
) -> Tally:
    """At least this many encodings compared, unless no row has any left to give; all rows get the same share."""
    total = Tally()
    productive = list(rows)
    for number in range(8):
        missing = encodings - total.compared.total()
        if missing <= 0 or not productive:
            break
        share = -(-missing // len(productive))
        for tally in run([Quota(row.label, share, seed, number) for row in productive]):
            total.add(tally)
            progress(total.compared.total())
        productive = [row for row in productive if total.compared[row.label]]
    return total
