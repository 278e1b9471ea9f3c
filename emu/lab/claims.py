"""How often an outcome comes, as far as a search can know it: `never` and `always` need one that was complete."""

from __future__ import annotations

from enum import StrEnum

from emu.errors import UsageError
from emu.explore.report import Report
from emu.kernel.outcome import Outcome, is_own_name
from emu.spelling import one_of


class Claim(StrEnum):
    """The values are JSON's; `text` is for people."""

    NEVER = "never"
    SOMETIMES = "sometimes"  # one execution has it and another has not: that is known from any search
    ALWAYS = "always"
    NOT_FOUND = "not-found"  # in what was run; the search had a bound, or was not complete
    ALL_RUN = "all-run"  # likewise, in all that were run

    @property
    def text(self) -> str:
        return {Claim.NOT_FOUND: "not found", Claim.ALL_RUN: "in all that were run"}.get(self, self.value)

    @property
    def found(self) -> bool:
        return self not in (Claim.NEVER, Claim.NOT_FOUND)


EXPECTED = (Claim.NEVER, Claim.SOMETIMES, Claim.ALWAYS)
COULD_BE = {  # what a claim that is not the last word leaves open
    Claim.NOT_FOUND: (Claim.NEVER, Claim.SOMETIMES),
    Claim.ALL_RUN: (Claim.SOMETIMES, Claim.ALWAYS),
}


def is_exact(report: Report) -> bool:
    """Whether all interleavings were searched."""
    return report.complete and report.bound is None


def claim(report: Report, outcome: str) -> Claim:
    count = report.outcomes[outcome].count if outcome in report.outcomes else 0
    if 0 < count < report.executions:
        return Claim.SOMETIMES
    if is_exact(report):
        return Claim.ALWAYS if count else Claim.NEVER
    return Claim.ALL_RUN if count else Claim.NOT_FOUND


def covers(report: Report) -> str:
    """What was searched."""
    if report.complete:
        return "every interleaving" + at_most(report.bound)
    why = "interrupted" if report.interrupted else f"stopped at the limit of {report.limit}"
    return f"not complete: {why}{at_most(report.bound)}"


def at_most(bound: int | None) -> str:
    return "" if bound is None else f" with at most {bound} preemption{'' if bound == 1 else 's'}"


def expectation(text: str, own: bool = False) -> tuple[str, Claim]:
    """`OUTCOME=FREQUENCY` of --expect; UsageError if one of them is unknown. `own`: a scenario's own outcomes may be
    meant, which are known when it has run."""
    outcome, _, frequency = text.rpartition("=")
    form = f"--expect {text!r}: expected OUTCOME={'|'.join(EXPECTED)}"
    if outcome not in list(Outcome) and not (own and is_own_name(outcome)):
        raise UsageError(f"{form}, OUTCOME {one_of(outcome, Outcome).removeprefix('expected ')}")
    if frequency not in EXPECTED:
        raise UsageError(f"{form}; {one_of(frequency, EXPECTED)}")
    return outcome, Claim(frequency)
