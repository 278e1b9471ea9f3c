"""What can come out of an execution. A new outcome is a member here, and a place that notes it (`Kernel.note`)."""

from __future__ import annotations

import re
from enum import Enum, auto

from emu.choice import Choice


class Mark(Enum):
    """What others need to know of an outcome."""

    FATAL = auto()  # the kernel dies of it: a check that prevents it is needed
    WRONG = auto()  # nobody wants it
    DOUBTFUL = auto()  # it may be right, or hide something
    MISLEADS = auto()  # after it a guest may fault through no fault of its own text


class Outcome(Choice):
    """The value is the name that users know, `text` what it means. Reports have them in this order.

    >>> from trapline import Outcome
    >>> Outcome("oops") is Outcome.OOPS, Outcome.OOPS.fatal, Outcome.OOPS.text
    (True, True, 'the kernel dies: BUG, unexpected break')
    """

    HIT = "hit", "a probe's handlers ran", Mark.MISLEADS
    MISSED = "missed", "a probe was hit while another ran, and counted in nmissed", Mark.MISLEADS
    CLAIMED = "claimed", "the trap was swallowed although no probe was found", Mark.DOUBTFUL
    PASSED_ON = "passed-on", "the trap was given to the next handler in the chain"
    OOPS = "oops", "the kernel dies: BUG, unexpected break", Mark.FATAL, Mark.WRONG
    LIVELOCK = "livelock", "the same trap again and again", Mark.FATAL, Mark.WRONG
    DEADLOCK = "deadlock", "CPUs wait for one another for ever", Mark.WRONG
    WRONG_RESULT = "wrong-result", "the guest computed something else than without probes", Mark.WRONG
    UNPREDICTABLE = (
        "unpredictable",
        "a CPU fetched a word while it changed in a way its architecture promises nothing about",
        Mark.MISLEADS,
    )

    text: str
    marks: frozenset[Mark]

    def __new__(cls, name: str, text: str = "", *marks: Mark) -> Outcome:
        outcome = str.__new__(cls, name)
        outcome._value_, outcome.text, outcome.marks = name, text, frozenset(marks)
        return outcome

    @property
    def fatal(self) -> bool:
        return Mark.FATAL in self.marks


class OwnOutcome(str):
    """An outcome of a scenario's own, which it declares (`Lab.outcome`), or an assertion in it that failed."""

    text: str
    marks: frozenset[Mark]

    def __new__(cls, name: str, text: str, *marks: Mark) -> OwnOutcome:
        outcome = super().__new__(cls, name)
        outcome.text, outcome.marks = text, frozenset(marks)
        return outcome

    def __reduce__(self) -> tuple[type[OwnOutcome], tuple[str | Mark, ...]]:
        return OwnOutcome, (str(self), self.text, *self.marks)

    @property
    def fatal(self) -> bool:
        return Mark.FATAL in self.marks


AnyOutcome = Outcome | OwnOutcome
VIOLATED = "violated: "
OWN_NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}")


def is_own_name(name: str) -> bool:
    """Whether an outcome of a scenario's own can have this name, or a failed assertion."""
    return name not in list(Outcome) and bool(OWN_NAME.fullmatch(name) or name.startswith(VIOLATED))


def violated(what: str) -> OwnOutcome:
    """The outcome that a failed assertion is."""
    return OwnOutcome(VIOLATED + what, "an assertion of the scenario's own failed", Mark.WRONG)
