"""Trying thousands of instructions: every row, random encodings, random states; what differs, grouped and shrunk."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from random import Random

from emu.errors import DecodeError, UsageError
from emu.isa.isa import Isa, text_of
from emu.kernel import kallsyms
from emu.kernel.kprobes import verdict_at
from emu.machine.cpu import TrapKind
from emu.parallel.interrupts import until_interrupted
from emu.transparent.bench import Bench
from emu.transparent.case import Case, format_case
from emu.transparent.compare import Comparison, Difference
from emu.transparent.replay import Replay, side_by_side
from emu.transparent.shrink import shrink
from emu.transparent.states import States
from emu.transparent.tally import Finding, Group, Quota, Tally
from emu.trials import TrialRow
from emu.verdict.site import Judgement

STATES = 2  # of each encoding
THEN = 0.4  # how often a second probed instruction follows
HOPELESS = 12  # tries of a row of which none could be compared
TRIES = 8  # for each encoding that is wanted

UNKNOWN = "not executed: the CPU here knows no such instruction"
SIMULATED_END = "not compared: what a simulation that faults leaves behind, nobody looks at"
OWN_EXCEPTION = "not compared: an exception of its own in the slot, whose handling is not modelled"
NO_LENGTH = "no length: the kernel would step what no disassembler takes for an instruction"
UNSTABLE = "unstable: a difference that did not show again from the same state"
LETHAL = "lethal: the engine did not survive it"
OWN_TEXT = "its own text: it reads the breakpoint in its own place"
INTO_SLOT = "its own slot: it goes to where the kernel has its copy"
NO_ENCODING = "no encoding: every word of the row belongs to another one, or is no instruction"


class Search:
    """A bench that rows are tried on.

    `about_to(case)` is called before a case runs; those in `lethal` do not. `stopped()` ends a row early.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.about_to: Callable[[Case], None] = lambda case: None
        self.lethal: Sequence[Case] = ()
        self.stopped: Callable[[], bool] = lambda: False
        self.compare = Comparison(bench)
        self._states = States(bench)
        self._rows = {row.label: row for row in bench.trials.rows(bench.variant.release)}

    def run(self, quotas: Iterable[Quota]) -> Tally:
        tally = Tally()
        for quota in quotas:
            tally.add(self.tally(quota))
        return tally

    def tally(self, quota: Quota) -> Tally:
        tally = Tally()
        self._row(self._rows[quota.row], quota, tally)
        return tally

    def _row(self, row: TrialRow, quota: Quota, tally: Tally) -> None:
        rng = Random(f"{quota.seed}:{quota.round}:{row.label}")
        compared = 0
        for number in range(TRIES * quota.encodings):
            if compared == quota.encodings or (number >= HOPELESS and not compared) or self.stopped():
                break
            insn = row.make(rng)
            if insn is None:
                tally.skip(row.label, NO_ENCODING)
                break
            compared += self._encoding(row, insn, rng, tally)
        tally.compared[row.label] += compared

    def _encoding(self, row: TrialRow, insn: bytes, rng: Random, tally: Tally) -> bool:
        """Whether it was compared."""
        bench, label = self.bench, row.label
        tally.tried[label] += 1
        following = bench.trials.following(insn, rng)
        case = Case(insn, rng.choice(bench.layout.sites), following=following, then=self._partner(insn))
        try:
            error = bench.open(case)
        except DecodeError:
            tally.skip(label, NO_LENGTH)
            return False
        if error:
            tally.refused[label] += 1
            return False
        compared = self._within_limits(label, insn, tally) and self._opened(label, case, rng, tally)
        bench.close()
        return compared

    def _within_limits(self, label: str, insn: bytes, tally: Tally) -> bool:
        for limit in self.bench.trials.limits:
            if limit.applies(insn):
                tally.skip(label, f"{limit.name}: {limit.why}")
                return False
        return True

    def _partner(self, insn: bytes) -> bytes:
        """What goes with it, if the kernel lets that be probed too."""
        partner = self.bench.trials.partner(insn)
        return partner if partner and self.bench.allows(partner) else b""

    def _opened(self, label: str, case: Case, rng: Random, tally: Tally) -> bool:
        """Whether it was compared in at least one state."""
        compared = False
        for number in range(STATES):
            canary = self.bench.trials.canary if not number and rng.random() < THEN else b""
            regs = self._states.registers(case.insn + case.following, case.at, rng)
            mem = {self.bench.layout.buffer: self._states.memory(rng)}
            state = replace(case, regs=regs, mem=mem, then=case.then or canary)
            found = self._difference(state)
            if isinstance(found, str):
                tally.skip(label, found)
                continue
            compared = True
            if found is not None:
                self._note(label, state, found, tally)
        return compared

    def _difference(self, case: Case) -> Difference | str | None:
        """With the case opened: the first difference, or why there can be none."""
        beyond = self.bench.trials.beyond(case.insn, case.regs)
        if beyond is not None:
            return beyond
        if case in self.lethal:
            return LETHAL
        self.about_to(case)
        plain = self.bench.in_place(case)
        probed = self.bench.under_probe(case)
        end = plain.first.end
        if end is not None and end.kind == TrapKind.ILLEGAL.value:
            return UNKNOWN
        found = self.compare.first(case, plain, probed, self.bench.probe.ainsn.slot)
        if found is None:
            return None if end is None else self._without_end()
        if self._is_in_slot(plain.first.pc):
            return INTO_SLOT
        return OWN_TEXT if self._touches_itself(case) else found

    def _without_end(self) -> str:
        """Why the same exception in place and under the probe says nothing: its handler does not run here."""
        return OWN_EXCEPTION if self.bench.probe.ainsn.simulate is None else SIMULATED_END

    def _is_in_slot(self, pc: int) -> bool:
        slot = self.bench.probe.ainsn.slot
        return slot is not None and slot <= pc < slot + self.bench.arch.port.slot_size

    def _touches_itself(self, case: Case) -> bool:
        """Whether it reads or writes the text that its own breakpoint is in."""
        isa, end = self.bench.isa, case.at + len(case.insn)
        operands = isa.memory_operands(case.insn, case.at)
        places = (operand.address(lambda name: case.regs.get(name, 0), isa.registers.bits) for operand in operands)
        return any(at < end and case.at < at + operand.size for at, operand in zip(places, operands, strict=True))

    def difference(self, case: Case) -> Difference | str | None:
        """Of one case alone; a string says why it cannot be compared."""
        if error := self.bench.open(case):
            return f"refused: -{errno.errorcode[-error]}"
        try:
            return self._difference(case)
        finally:
            self.bench.close()

    def replay(self, case: Case) -> Replay:
        """Both results of one case; what is the same and zero is left out. UsageError if it cannot be run."""
        beyond = self.bench.trials.beyond(case.insn, case.regs)
        if beyond is not None:
            raise UsageError(f"case: {beyond}")
        if error := self.bench.open(case):
            why = self.judgement(case).why
            return Replay("reject", why, [], f"refused: -{errno.errorcode[-error]}", False)
        self.about_to(case)
        try:
            plain, probed = self.bench.in_place(case), self.bench.under_probe(case)
            judgement, found = self.judgement(case), self._difference(case)
        finally:
            self.bench.close()
        lines = side_by_side(self.bench, plain, probed)
        conclusion = "no difference" if found is None else str(found)
        return Replay(judgement.verdict.value, judgement.why, lines, conclusion, isinstance(found, Difference))

    # What was found

    def _note(self, label: str, case: Case, found: Difference, tally: Tally) -> None:
        if self._difference(case) != found:
            tally.skip(label, UNSTABLE)
            return
        judgement = self.judgement(case)
        size = len(case.insn) if len(self.bench.isa.sizes) == 2 else 0
        group = Group(judgement.rule, judgement.action, size, judgement.why, case, found, Counter({label: 1}))
        if group.key in tally.groups:
            tally.groups[group.key].add(group)
        else:
            tally.groups[group.key] = group

    def finding(self, group: Group) -> Finding:
        """A group with its case shrunk."""
        smallest = self.shrunk(group.case, group.difference)
        return finding_of(self.bench.isa, group, smallest, str(self.difference(smallest)))

    def shrunk(self, case: Case, wanted: Difference) -> Case:
        """The smallest case found that has a difference of the same kind; `stopped` ends that early."""

        def shows(smaller: Case) -> bool:
            found = None if self.stopped() else self.difference(smaller)
            if not isinstance(found, Difference):
                return False
            return (found.kind, found.relative) == (wanted.kind, wanted.relative)

        return shrink(case, shows, self.bench.layout.sites[0], self.bench.isa.registers.status)

    def judgement(self, case: Case) -> Judgement:
        bench = self.bench
        return verdict_at(bench.kernel, kallsyms.site(bench.kernel, case.at))


def finding_of(isa: Isa, group: Group, case: Case, difference: str) -> Finding:
    """A group as it is reported, with one of its cases and what that shows."""
    text = text_of_bytes(isa, case.insn, case.at)
    return Finding(group, format_case(case, isa), isa.word(case.insn), text, difference)


def text_of_bytes(isa: Isa, insn: bytes, addr: int) -> str:
    """The instruction's text, or its bytes where there is none."""
    try:
        return text_of(isa, insn, addr)
    except DecodeError:
        return insn.hex()


# All rows


Run = Callable[[Sequence[Quota]], Iterable[Tally]]
"""Runs quotas anywhere and gives their tallies; what there is after a ^C, before it raises KeyboardInterrupt."""


def search(
    rows: Sequence[TrialRow], encodings: int, seed: int, run: Run, progress: Callable[[int], None] = lambda done: None
) -> Tally:
    """At least this many encodings compared, unless no row has any left to give; all rows get the same share.

    After a ^C it is what was compared by then.
    """
    total = Tally()
    with until_interrupted() as cut_short:
        _rounds(rows, encodings, seed, run, total, progress)
    total.interrupted = bool(cut_short)
    return total


def _rounds(
    rows: Sequence[TrialRow], encodings: int, seed: int, run: Run, total: Tally, progress: Callable[[int], None]
) -> None:
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
