"""What `decide` found, as text: a line for each verdict, and the interleavings that show it."""

from __future__ import annotations

from emu.explore.schedule import Schedule
from emu.kernel.outcome import Outcome
from emu.lab.cells import Settings
from emu.lab.decide import BothWays, Decision, Decisions, Worth
from emu.report.cells import same_rows_once, schedule_text
from emu.report.text import table

HEADER = ("arch", "patching", "preempt", "the check is", "sufficient", "harmful in")


def decisions_text(decisions: Decisions) -> str:
    rows = [*map(_row, decisions.found), *map(_undecided, decisions.undecided)]
    lines = [table(HEADER, same_rows_once(rows))]
    claims = [_claims(one) for decision in decisions.found for one in (decision.race, *decision.foreign)]
    if any(claims):
        lines.append("\nThe shortest interleavings (try them with: trapline run SCENARIO ... --schedule '...'):")
    for *where, preempt, claim, schedule in same_rows_once([row for rows in claims for row in rows]):
        lines.append(f"{where[0]} (preempt {preempt}) {claim}: {schedule}")
    return "\n".join(lines)


def _row(decision: Decision) -> list[str]:
    race = decision.race
    harmful = [one.settings.scenario.name for one in decision.foreign if one.worth is Worth.HARMFUL]
    return [
        race.settings.arch,
        race.settings.patching or "",
        race.settings.preempt,
        race.worth,
        "yes" if race.sufficient else "no",
        ", ".join([*harmful, *(f"{name}?" for name in decision.unknown)]) or "-",
    ]


def _undecided(race: Settings) -> list[str]:
    return [race.arch, race.patching or "", race.preempt, "not searched", "?", "?"]


def _claims(one: BothWays) -> list[list[str]]:
    """Scenario, preemption, claim and its shortest schedule, for each claim that is more than `redundant`."""
    claims: list[tuple[str, str, Schedule | None]] = []
    if one.worth is Worth.NEEDED:
        claims.append(("no-recheck", "dies without the check", one.without.death))
    if one.worth is not Worth.REDUNDANT:
        claims.append(("recheck", f"{one.worth}: claimed with it", one.with_check.witness(Outcome.CLAIMED)))
    if not one.foreign and not one.sufficient:
        claims.append(("recheck", "dies even with it", one.with_check.death))
    names = one.settings
    return [
        [
            f"{names.scenario.name} --arch {names.arch} --variant {variant} --patching {names.patching}"
            + "".join(f" --fix {name}" for name in names.fix),
            "",
            names.preempt,
            claim,
            schedule_text(schedule),
        ]
        for variant, claim, schedule in claims
    ]
