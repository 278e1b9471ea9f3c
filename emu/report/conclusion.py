"""What a comparison says, in a few sentences that can be repeated to somebody who has not seen its table.

They name only what was searched. A kernel can die if an execution was found in which it does. It cannot if every
interleaving was searched and there is none. Anything else is not known.
"""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import TypeVar

from emu.kernel.configuration import Patching
from emu.lab.cells import Cell, Settings
from emu.lab.compare import Searched

T = TypeVar("T", bound=Hashable)
WIDTH = 80
WITH, WITHOUT = "recheck", "no-recheck"  # the newest handler, with and without the word comparison


class Fate(Enum):
    DIES = "can die"
    LIVES = "cannot die"
    NOT_KNOWN = "may or may not die"


class Help(Enum):
    """What the word comparison does for a kernel."""

    SAVES = "saves"
    FAILS = "does not save"
    NOT_KNOWN = "may or may not save"
    NOT_NEEDED = "is not needed by"


Fates = Mapping[Settings, Fate]


def conclusion(result: Searched) -> str:
    """Who dies under the policy that is its own, and under each, and whom the word comparison saves."""
    fates = _fates(result)
    variants = list(dict.fromkeys(str(key.variant) for key in fates))
    check = {WITH, WITHOUT} <= set(variants)
    others = [variant for variant in variants if not check or variant not in (WITH, WITHOUT)]
    paragraphs = [_as_they_are(fates, others), " ".join(_by_policy(fates, others)), _comparison(fates) if check else ""]
    return "\n".join(textwrap.fill(text, WIDTH, break_on_hyphens=False) for text in paragraphs if text)


def _fates(result: Searched) -> Fates:
    cells = {cell.settings: cell for cell in result.cells}
    return {key: _fate(cells.get(key)) for key in result.applicable}


def _fate(cell: Cell | None) -> Fate:
    if cell is not None and any(cell.found(outcome) for outcome in cell.outcomes if outcome.fatal):
        return Fate.DIES
    return Fate.LIVES if cell is not None and cell.exact else Fate.NOT_KNOWN


def _by_policy(fates: Fates, variants: Sequence[str]) -> Iterator[str]:
    for policy, here in _policies(fates):
        if said := _by_variant(here, variants):
            yield f"{_patched(policy).capitalize()}, {said}."


def _as_they_are(fates: Fates, variants: Sequence[str]) -> str:
    own = {key: fate for key, fate in fates.items() if key.patching == replace(key, patching=None).setup().patching}
    said = _by_variant(own, variants)
    return f"Patched as each kernel does it itself, {said}." if said else ""


def _by_variant(fates: Fates, variants: Sequence[str]) -> str:
    """`a and b can die on x; c cannot die on x or y`: those of which the same is to be said stand together."""
    alike: dict[str, list[str]] = {}
    for variant in variants:
        here = {key: fate for key, fate in fates.items() if key.variant == variant}
        if here:
            alike.setdefault(_who_dies(here), []).append(variant)
    return "; ".join(f"{_list(names)} {said}" for said, names in alike.items())


def _who_dies(fates: Fates) -> str:
    """Where somebody dies, the others need no word."""
    worse = [fate for fate in (Fate.DIES, Fate.NOT_KNOWN) if fate in fates.values()]
    return ", ".join(f"{fate.value} on {_places(fates, fate)}" for fate in worse or [Fate.LIVES])


def _comparison(fates: Fates) -> str:
    """What it does for the newest handler, from the cells with it and without."""
    pairs = {key: replace(key, variant=WITHOUT) for key in fates if key.variant == WITH}
    given = {key: _help(fates[without], fates[key]) for key, without in pairs.items() if without in fates}
    said = [
        f"{one.value} {_places(here, one)} {_patched(policy)}"
        for one in (Help.SAVES, Help.FAILS, Help.NOT_KNOWN)
        for policy, here in _policies(given)
        if one in here.values()
    ]
    if not said:
        return "The word comparison saves nobody: none of them dies without it."
    rest = " Nobody else dies without it." if Help.NOT_NEEDED in given.values() else ""
    return f"The word comparison {'; it '.join(said)}.{rest}"


def _help(without: Fate, with_it: Fate) -> Help:
    if without is Fate.LIVES:
        return Help.NOT_NEEDED
    if Fate.NOT_KNOWN in (without, with_it):
        return Help.NOT_KNOWN
    return Help.FAILS if with_it is Fate.DIES else Help.SAVES


def _policies(facts: Mapping[Settings, T]) -> Iterator[tuple[str, Mapping[Settings, T]]]:
    """Each policy, with the facts under it."""
    for policy in dict.fromkeys(str(key.patching) for key in facts):
        yield policy, {key: fact for key, fact in facts.items() if key.patching == policy}


def _patched(policy: str) -> str:
    return "patched live" if policy == Patching.LIVE else f"patched by {policy}"


def _places(facts: Mapping[Settings, T], wanted: T) -> str:
    """The architectures of which a fact holds; then those for which it takes a preemption setting, and which."""
    preempts: dict[str, dict[str, bool]] = {}
    for key, fact in facts.items():
        preempts.setdefault(key.arch, {})[key.preempt] = fact == wanted
    groups: dict[str, list[str]] = {"": []}
    for arch, holds in preempts.items():
        if any(holds.values()):
            note = "" if all(holds.values()) else f" with preempt {_list([one for one in holds if holds[one]])}"
            groups.setdefault(note, []).append(arch)
    return " and on ".join(f"{_list(archs)}{note}" for note, archs in groups.items() if archs)


def _list(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
