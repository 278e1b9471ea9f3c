"""The closed sets that a kernel is configured with."""

from __future__ import annotations

from enum import Enum, auto

from emu.choice import Choice


class Patching(Choice):
    """How a breakpoint gets into running text; the functions are in `emu.kernel.patching`."""

    LIVE = "live"
    STOP_MACHINE = "stop_machine"
    TEXT_POKE = "text_poke"
    TEXT_POKE_BP = "text_poke_bp"


class Preempt(Choice):
    NONE = "none"
    FULL = "full"


class Views(Choice):
    """When a CPU's view of text follows a store. Stale: not even at an IPI (see `emu.kernel.text`)."""

    COHERENT = "coherent"
    STALE = "stale"


class Flush(Enum):
    """What makes new text visible to the other CPUs after a live store."""

    BROADCAST = auto()  # the instruction that flushes does it
    IPI = auto()  # each CPU must take an interrupt
    LOCAL = auto()  # nothing does
