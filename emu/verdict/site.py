"""Where a probe would go, what the kernel says to it, and the releases between which its answer changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from emu.verdict.release import Release as Release
from emu.verdict.release import parse_release as parse_release

Repairs = frozenset[str]
"""What of its architecture's bugs is repaired in a kernel, by their ids (see `emu.kernel.bug`)."""

NO_REPAIRS: Repairs = frozenset()


class Verdict(Enum):
    """What arch_prepare_kprobe does with an instruction."""

    REJECT = "reject"
    SIMULATE = "simulate"  # computed in software when the probe is hit
    STEP = "step"  # executed out of line, in an insn slot


def _nothing(_addr: int, _size: int) -> bytes | None:
    return None


@dataclass(frozen=True)
class Site:
    """A place in text. `insn` is at least one instruction in memory order, starting at `addr`.

    `read(addr, size)` gives the text around it with probed words replaced by the originals, None where
    nothing can be read; `symbol` is the address that the enclosing symbol starts at, None if there is none;
    `raw(addr, size)` is the same as it stands in memory now, breakpoints included, where the kernel reads it so.
    `reached` is an address from there to `addr` that a walk from the symbol's start, an instruction at a time, is
    known to come to (None: none is), so that not every walk must be a whole one.
    `features` name what the CPU or the build has (`r6`, `octeon`, `amo`), in the architecture's words.
    """

    insn: bytes
    addr: int = 0
    read: Callable[[int, int], bytes | None] = _nothing
    symbol: int | None = None
    in_extable: bool = False
    features: frozenset[str] = field(default_factory=frozenset)
    raw: Callable[[int, int], bytes | None] = _nothing
    reached: int | None = None

    @property
    def walk_from(self) -> int:
        """Where a walk to `addr`, an instruction at a time, may begin."""
        if self.symbol is None:
            return self.addr
        return self.symbol if self.reached is None else self.reached


@dataclass(frozen=True)
class Judgement:
    """A verdict, the row or check that decided (`rule`), a sentence that says why, and the errno of a refusal.

    `action` is the name of the simulation routine; None unless the verdict is SIMULATE.
    `boostable` is x86's: whether the copy may jump back without a second trap (None elsewhere).
    """

    verdict: Verdict
    rule: str
    why: str
    errno: str | None = None
    action: str | None = None
    boostable: bool | None = None
