"""`Probing`: what an architecture's kernels say to a kprobe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from emu.verdict.release import Release
from emu.verdict.rules import RuleTable
from emu.verdict.site import NO_REPAIRS, Judgement, Repairs, Site


class Judge(Protocol):
    """A kernel's verdict on a place."""

    def __call__(self, site: Site, release: Release | None, repairs: Repairs = NO_REPAIRS, /) -> Judgement: ...


@dataclass(frozen=True)
class Probing:
    """`judge(site, release, repairs)` is the kernel's verdict under the rules of a release, None for the newest, with
    some of its bugs repaired.

    `rules` are the rows behind it, where instructions are words; elsewhere `encodings` lists one instruction for
    everything that they can tell apart. `features` are what a CPU or a build may have: name to what it stands for.
    `oldest` is the first release with kprobes, `newest` the last one that the rules stand for.
    """

    judge: Judge
    oldest: Release
    newest: Release
    rules: RuleTable | None = None
    encodings: Callable[[], Iterable[bytes]] | None = None
    features: Mapping[str, str] = field(default_factory=dict)
