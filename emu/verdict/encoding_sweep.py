"""The kernel's verdict on every encoding that an architecture without fixed words lists: counts, and what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from emu.isa.isa import Isa
from emu.parallel.interrupts import until_interrupted
from emu.verdict.probing import Probing
from emu.verdict.site import Judgement, Release, Site

ADDRESS = 0x10000
EVERY = 1024  # encodings between two reports of progress


@dataclass
class EncodingReport:
    """Counts by row, and by row and verdict, of the last release; `differences` have the two rows that decide.

    `encodings` is how many were asked about, of `listed`: fewer if it was interrupted.
    """

    listed: int
    encodings: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    verdicts: dict[str, Counter[str]] = field(default_factory=dict)
    differences: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, word: str, judgements: Sequence[Judgement]) -> None:
        """Count an encoding; words differ whose verdicts do, or the routines that simulate them."""
        old, new = judgements[0], judgements[-1]
        self.encodings += 1
        self.rows[new.rule] += 1
        self.verdicts.setdefault(new.rule, Counter())[new.verdict.value] += 1
        if (old.verdict, old.action) != (new.verdict, new.action):
            self.differences.append((word, old.rule, new.rule))


def sweep_encodings(
    isa: Isa,
    probing: Probing,
    releases: Sequence[Release | None],
    features: frozenset[str],
    progress: Callable[[int, int], None],
) -> EncodingReport:
    """Ask about all of `probing.encodings`, under one release or two; an interrupt (^C) gives what is done."""
    assert probing.encodings is not None
    todo = list(probing.encodings())
    report = EncodingReport(len(todo))
    with until_interrupted():
        for insn in todo:
            site = Site(insn=insn, addr=ADDRESS, features=features)
            report.add(isa.word(insn), [probing.judge(site, release) for release in releases])
            if report.encodings % EVERY == 0:
                progress(report.encodings, report.listed)
    return report
