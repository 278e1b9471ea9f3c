"""The variants that every architecture has: its own versions, and the what-ifs with and without the comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from emu.errors import UsageError
from emu.kernel.bug import Bug
from emu.kernel.state import Variant
from emu.verdict.release import Release, release_text


def with_what_ifs(mainline: Variant, *others: Variant) -> Mapping[str, Variant]:
    """By name: the given ones, then `recheck` and `no-recheck`, the newest handler with and without the check."""
    recheck = replace(
        mainline, name="recheck", title="what if: the newest handler with the word comparison", rechecks_word=True
    )
    without = replace(mainline, name="no-recheck", title="what if: the newest handler without it", rechecks_word=False)
    return {variant.name: variant for variant in (mainline, *others, recheck, without)}


def at_release(variants: Mapping[str, Variant], release: Release) -> Variant:
    """The variant that was in force in a release, with the rules of that release.

    What-ifs are not asked: they stand for no release, and are not `mainline`.
    """
    real = [v for v in variants.values() if v.name == "mainline" or v.release is not None]
    known = [v for v in real if v.since is None or v.since <= release]
    newest = max(known, key=lambda v: (v.since or (0, 0), v.release == release))
    return replace(newest, release=release)


def with_repairs(variant: Variant, bugs: Iterable[Bug]) -> Variant:
    """The same kernel without these bugs, which its name then says; those that it has no more are left out."""
    more = [bug.id for bug in bugs if bug.id not in variant.repairs]
    return replace(variant, name="+".join((variant.name, *more)), repairs=variant.repairs.union(more))


def in_release(variants: Mapping[str, Variant], variant: Variant, release: Release) -> Variant:
    """A variant with the rules of a release; UsageError if other handlers belong to it."""
    real = at_release(variants, release)
    based_on = variant if variant.release is not None else variants["mainline"]  # what-ifs are the newest, changed
    if _handlers(based_on) != _handlers(real):
        raise UsageError(f"variant {variant.name!r} in {release_text(release)}: expected {real.name!r}, its handlers")
    return replace(variant, release=release)


def _handlers(variant: Variant) -> Variant:
    """Without what only names it."""
    return replace(variant, name="", title="", release=None, since=None)
