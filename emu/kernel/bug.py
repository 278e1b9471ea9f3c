"""`Bug`: a defect of Linux as data. Where it is, which releases have it, how it shows, and the id of its repair.

Each repair is a flag of its own: handlers, simulation routines and verdicts ask whether `bug.id` is in their variant's
`repairs`. A bug is real if it shows without its repair, and understood if it is gone with this one repair alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from emu.errors import UsageError
from emu.kernel.outcome import Outcome
from emu.spelling import one_of
from emu.verdict.site import NO_REPAIRS, Release, Repairs

LAST_MINOR = {3: 19, 4: 20, 5: 19, 6: 19}
"""The last release of each series, after which the first number went up."""

HIT = frozenset({Outcome.HIT})
REFUSED = frozenset({"refused"})  # of a probed site: the kernel lets no probe be set


@dataclass(frozen=True)
class Changed:
    """An instruction that a probe changes, as `trapline transparent ARCH --case` takes it.

    `difference` is what that shows; `row` is where a search meets it, "" if only by luck. `leaves` is another bug's
    difference, which is left when this one is repaired. `besides` are repairs without which another bug hides this one.
    """

    line: str
    difference: str
    row: str = ""
    leaves: str | None = None
    besides: Repairs = NO_REPAIRS

    def command(self, arch: str, release: Release | None) -> str:
        """What shows it, on a command line."""
        given = [f"--release {text_of(release)}"] if release is not None else []
        fixes = [f"--fix {name}" for name in sorted(self.besides)]
        return " ".join(["transparent", arch, *given, *fixes, f"--case '{self.line}'"])


@dataclass(frozen=True)
class Explored:
    """A scenario, and what happens in some interleaving of it with the bug; `leaves` is what still does without it."""

    scenario: str
    outcomes: frozenset[str]
    leaves: frozenset[str] = HIT

    def command(self, arch: str, release: Release | None) -> str:
        """What shows it, on a command line."""
        return f"explore {self.scenario} --arch {arch}"


@dataclass(frozen=True)
class Probed:
    """A label of the firmware that goes wrong when it is probed and its function is called four times."""

    label: str
    outcomes: frozenset[str]
    leaves: frozenset[str] = HIT


@dataclass(frozen=True)
class Answered:
    """A word to which the kernel gives the wrong verdict; with the bug repaired it refuses a probe on it."""

    word: str
    verdict: str

    def command(self, arch: str, release: Release | None) -> str:
        """What shows it, on a command line."""
        version = f" --release {text_of(release)}" if release is not None else ""
        return f"opcode {arch} {self.word}{version}"


Found = Changed | Explored | Probed | Answered


@dataclass(frozen=True)
class Bug:
    """One defect. `since` is the first release that has it, None for all that have kprobes; `until` the first that has
    it no more, by `commit`, None if the newest has it. `where` is the C function and its file.
    """

    id: str
    symptom: str
    where: str
    found: tuple[Found, ...]
    since: Release | None = None
    until: Release | None = None
    commit: str | None = None

    @property
    def last(self) -> Release | None:
        """The last release that has it; None is the newest."""
        return None if self.until is None else before(self.until)

    @property
    def releases(self) -> str:
        """In words."""
        if self.until is not None and self.since is not None:
            return f"{text_of(self.since)} to {text_of(before(self.until))}"
        if self.until is not None:
            return f"before {text_of(self.until)}"
        return f"since {text_of(self.since)}" if self.since else "newest"

    def json(self, arch: str) -> dict[str, Any]:
        """`releases` in words, and a command of trapline that shows the bug, None if only tests do."""
        return {
            "arch": arch,
            "name": self.id,
            "releases": self.releases,
            "since": text_of(self.since) if self.since else None,
            "until": text_of(self.until) if self.until else None,
            "commit": self.commit,
            "where": self.where,
            "symptom": self.symptom,
            "shown_by": self.shown_by(arch),
        }

    def shown_by(self, arch: str) -> str | None:
        """A command of trapline that shows it."""
        shown = (found.command(arch, self.last) for found in self.found if not isinstance(found, Probed))
        return next(shown, None)


def before(release: Release) -> Release:
    """The release before one."""
    major, minor = release
    return (major, minor - 1) if minor else (major - 1, LAST_MINOR[major - 1])


def text_of(release: Release) -> str:
    return "{}.{}".format(*release)


def every(bugs: Iterable[Bug]) -> Repairs:
    """The repairs of all of them."""
    return frozenset(bug.id for bug in bugs)


def find_bugs(arch: str, bugs: Sequence[Bug], ids: Iterable[str]) -> tuple[Bug, ...]:
    """The bugs of an architecture by id; UsageError for one that it does not have."""
    known = {bug.id: bug for bug in bugs}
    for name in ids:
        if name not in known:
            raise UsageError(f"bug {name!r} of {arch}: {one_of(name, known)}")
    return tuple(known[name] for name in dict.fromkeys(ids))
