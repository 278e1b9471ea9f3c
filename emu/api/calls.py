"""What the commands do, as functions that give values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, Unpack

import arches
from emu.explore.schedule import parse_schedule
from emu.explore.schedulers import RandomScheduler, Replay, RoundRobin, Scheduler
from emu.lab.cells import Cell, Run, Settings, explore_cell, run_once
from emu.lab.lab import Scenario
from emu.lab.scenario import NamedScenario
from emu.scenarios.registry import find_scenario
from emu.verdict.opcode import Opcode, known_features
from emu.verdict.opcode import opcode as one_opcode


class Options(TypedDict, total=False):
    """The options that the commands of the same names have, with their defaults.

    >>> from trapline import Options, explore
    >>> live = Options(patching="live", cpus=2)
    >>> str(explore("unregister_vs_hit", "riscv", variant="no-recheck", **live).frequency("oops"))
    'sometimes'
    """

    variant: str | None
    patching: str | None
    preempt: str
    cpus: int
    views: str | None
    engine: str | None
    fix: tuple[str, ...]


def settings(scenario: Scenario | str, arch: str, **options: Unpack[Options]) -> Settings:
    """What to run: a scenario, by its name or as a function, on an architecture. The options are the commands' own:
    `variant`, `patching`, `preempt`, `cpus`, `views`, `engine` and `fix` (the bugs that are repaired, by their ids).

    >>> import trapline
    >>> trapline.settings("unregister_vs_hit", "aarch64", patching="live", cpus=3).names()["arch"]
    'arm64'
    """
    found = find_scenario(scenario) if isinstance(scenario, str) else NamedScenario(scenario.__name__, scenario)
    return Settings(found, arch, **options)


def explore(
    scenario: Scenario | str,
    arch: str,
    *,
    bound: int | None = None,
    limit: int | None = None,
    **options: Unpack[Options],
) -> Cell:
    """Every interleaving, or those with at most `bound` preemptions, or `limit` executions; options as `settings`.

    >>> import trapline
    >>> cell = trapline.explore("unregister_vs_hit", "riscv", variant="seed", patching="live")
    >>> str(cell.frequency("oops")), cell.report.complete
    ('sometimes', True)
    """
    return explore_cell(settings(scenario, arch, **options), bound=bound, limit=limit)


def run(scenario: Scenario | str, arch: str, *, seed: int | None = None, **options: Unpack[Options]) -> Run:
    """One execution: a random one with a `seed`, else each CPU in turn; options as `settings` has them.

    >>> import trapline
    >>> run = trapline.run("foreign_break", "arm64", cpus=1)
    >>> [str(outcome) for outcome in run.outcomes], run.events[-1].text
    (['oops'], 'die: Oops - BRK #0x4 at foreign_break+0x4')
    """
    scheduler: Scheduler = RoundRobin() if seed is None else RandomScheduler(seed)
    return run_once(settings(scenario, arch, **options), scheduler)


def replay(scenario: Scenario | str, arch: str, schedule: str | Sequence[str], **options: Unpack[Options]) -> Run:
    """The execution of a schedule: text, or a witness that `explore` gave; options as `settings` has them.

    >>> import trapline
    >>> cell = trapline.explore("unregister_vs_hit", "riscv", variant="seed", patching="live")
    >>> run = trapline.replay("unregister_vs_hit", "riscv", cell.witness("oops"), variant="seed", patching="live")
    >>> "oops" in run.outcomes
    True
    """
    steps = parse_schedule(schedule) if isinstance(schedule, str) else tuple(schedule)
    return run_once(settings(scenario, arch, **options), Replay(steps))


def opcode(
    arch: str,
    word: str,
    *,
    at: int = 0x10000,
    prev: Sequence[str] = (),
    release: str | None = None,
    features: Sequence[str] = (),
) -> Opcode:
    """What an instruction is, and what the kernel of a release says to a probe on it; `prev` stands before it.

    >>> import trapline
    >>> found = trapline.opcode("riscv", "0x00000517", release="6.1")
    >>> found.text, found.verdict
    ('auipc a0, 0', 'simulate')
    """
    one = arches.load(arch)
    isa, probing = one.isa, one.probing
    before = b"".join(map(isa.parse_word, prev))
    known = one.release(release)
    chosen = known_features(isa, probing, features)
    return one_opcode(isa, probing, isa.parse_word(word), at, before, known, chosen)
