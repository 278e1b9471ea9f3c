"""What `decide` found, as text: a line for each verdict, and the interleavings that show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from emu.explore.schedule import Schedule
from emu.kernel.outcome import Outcome
from emu.lab.cells import Cell, Settings
from emu.lab.claims import at_most
from emu.lab.decide import BothWays, Decision, Decisions, Worth
from emu.report.cells import same_rows_once
from emu.report.command_line import replay_command
from emu.report.text import table

HEADER = ("arch", "patching", "preempt", "the check is", "sufficient", "harmful in")


def decisions_text(decisions: Decisions) -> str:
    rows = [*map(_row, decisions.found), *map(_undecided, decisions.undecided)]
    lines = [table(HEADER, same_rows_once(rows))]
    claims = [claim for found in decisions.found for one in (found.race, *found.foreign) for claim in _claims(one)]
    if claims:
        lines.append("\nThe shortest interleavings:")
    for preempts, claim, command in _same_once(claims):
        lines.append(f"{claim} (preempt {preempts}): {command}")
    bounds = {cell.report.bound for cell in decisions.searches.cells} - {None}
    lines += [f"\nsearched: every interleaving{at_most(bound)}" for bound in bounds]
    return "\n".join(lines)


def _row(decision: Decision) -> list[str]:
    race = decision.race
    harmful = [one.settings.scenario.name for one in decision.foreign if one.worth is Worth.HARMFUL]
    return [
        race.settings.arch,
        race.settings.patching or "",
        race.settings.preempt,
        race.worth.text,
        {True: "yes", False: "no", None: "not known"}[race.sufficient],
        ", ".join([*harmful, *(f"{name}?" for name in _open(decision))]) or "-",
    ]


def _open(decision: Decision) -> list[str]:
    """Scenarios in which the check may be harmful, for all that is known."""
    searched = [one.settings.scenario.name for one in decision.foreign if one.worth is Worth.NOT_KNOWN]
    return [*searched, *decision.unknown]


def _undecided(race: Settings) -> list[str]:
    return [race.arch, race.patching or "", race.preempt, "not searched", "?", "?"]


Shown = tuple[Settings, str, Schedule]  # what a schedule shows under these settings


def _claims(one: BothWays) -> list[Shown]:
    """Each claim that is more than `redundant`, with a shortest schedule."""
    claimed = one.with_check.witness(Outcome.CLAIMED)
    claims: list[tuple[Cell, str, Schedule | None]] = []
    if one.worth is Worth.NEEDED:
        claims.append((one.without, "dies without the check", one.without.death))
    if one.worth in (Worth.NEEDED, Worth.HARMFUL):
        claims.append((one.with_check, f"{one.worth}: claimed with it", claimed))
    if not one.foreign and one.sufficient is False:
        claims.append((one.with_check, "dies even with it", one.with_check.death))
    return [(cell.settings, claim, schedule) for cell, claim, schedule in claims if schedule is not None]


def _same_once(claims: Sequence[Shown]) -> list[tuple[str, str, str]]:
    """Preemption setting, claim and command; those that differ in that setting only are one, with the first's."""
    merged: dict[tuple[Settings, str, Schedule], list[Settings]] = {}
    for settings, claim, schedule in claims:
        merged.setdefault((replace(settings, preempt=""), claim, schedule), []).append(settings)
    return [
        (found[0].preempt if len(found) == 1 else "any", claim, replay_command(found[0], schedule))
        for (_, claim, schedule), found in merged.items()
    ]
