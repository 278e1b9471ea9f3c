"""Linux releases, with the third number that stable trees count, and the releases in which something is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from emu.errors import UsageError

Release = tuple[int, ...]
"""(6, 1) or, of the stable line 6.1, (6, 1, 192). Comparisons are the tuple's: each line begins with mainline's."""


LAST = {3: 19, 4: 20, 5: 19, 6: 19}
"""The last mainline release of each major number that is over (Makefile, VERSION and PATCHLEVEL, v3.19 to v6.19)."""


def parse_release(text: str) -> Release:
    """`6.1`, `v6.1`, `6.1.176`, or what `uname -r` says, such as 6.1.0-50-cloud-arm64; UsageError for others.

    A third number 0 is left out: it is mainline's own, or that of a distribution which does not tell its own.
    """
    match = re.fullmatch(
        r"v?(\d{1,4})\.(\d{1,6})(?:\.(\d{1,6}))?(?:\.\d{1,6})*(?:[-+][\w.+~-]*)?", text.strip(), re.ASCII
    )
    if match is None:
        raise UsageError(f"release {text!r}: expected a Linux release such as 6.1 or v6.18")
    numbers = tuple(int(number) for number in match.groups() if number is not None)
    if numbers[1] > LAST.get(numbers[0], numbers[1]):
        raise UsageError(
            f"release {text!r}: Linux {numbers[0]} ended with {numbers[0]}.{LAST[numbers[0]]}; expected one"
            " that there is"
        )
    return numbers if numbers[2:] != (0,) else numbers[:2]


def release_text(release: Release) -> str:
    return ".".join(map(str, release))


@dataclass(frozen=True)
class Border:
    """Where something changes: in a release of mainline, and earlier in stable lines, by a release of each."""

    mainline: Release
    stable: tuple[Release, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Border:
        """`6.2` or `6.2,6.1.192,5.15.90`; UsageError."""
        mainline, *stable = map(parse_release, text.split(","))
        if len(mainline) != 2 or any(len(release) != 3 or release > mainline for release in stable):
            raise UsageError(f"{text!r}: expected a mainline release, then those of older stable lines (6.2,6.1.192)")
        return cls(mainline, tuple(stable))

    def passed(self, release: Release) -> bool:
        """Whether a release has the change."""
        return release >= self.mainline or any(release[:2] == s[:2] and release >= s for s in self.stable)

    def ends(self) -> Iterator[Release]:
        """Where the answer of `passed` can change: a stable line that has it ends with the next mainline release."""
        yield self.mainline
        for release in self.stable:
            yield release
            yield release[0], release[1] + 1


@dataclass(frozen=True)
class Span:
    """The releases from one border on and before another; None where open."""

    first: Border | None = None
    last: Border | None = None

    @classmethod
    def parse(cls, text: str) -> Span:
        """`all`, `6.13..`, `..6.12`, `6.3..6.9`, with stable releases behind commas; UsageError."""
        if text == "all":
            return cls()
        first, dots, last = text.partition("..")
        found = cls(Border.parse(first) if first else None, Border.parse(last) if last else None)
        backwards = found.since is not None and found.until is not None and found.since >= found.until
        if not dots or not (first or last) or backwards:
            raise UsageError("expected all, 6.13.., ..6.12 or 6.3..6.9")
        return found

    @property
    def since(self) -> Release | None:
        return None if self.first is None else self.first.mainline

    @property
    def until(self) -> Release | None:
        return None if self.last is None else self.last.mainline

    def holds(self, release: Release | None) -> bool:
        """Whether a release is one of them; None is the newest."""
        if release is None:
            return self.last is None
        begun = self.first is None or self.first.passed(release)
        return begun and (self.last is None or not self.last.passed(release))

    def ends(self) -> Iterator[Release]:
        for border in (self.first, self.last):
            if border is not None:
                yield from border.ends()

    def tells_apart(self, *others: Span) -> list[Release | None]:
        """One release of each kind that this span and others can tell apart."""
        return [(0, 0), *sorted({end for span in (self, *others) for end in span.ends()}), None]

    def meets(self, other: Span) -> bool:
        """Whether both hold in some release."""
        return any(self.holds(release) and other.holds(release) for release in self.tells_apart(other))

    def covers(self, other: Span) -> bool:
        """Whether this one holds wherever the other does."""
        return all(self.holds(release) for release in self.tells_apart(other) if other.holds(release))
