"""One case again, both results side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emu.transparent.bench import Bench, Result, Seen


@dataclass(frozen=True)
class Replay:
    """One case: the kernel's verdict, rows of (what, in place, under the probe), and what follows from them."""

    verdict: str
    why: str
    lines: list[tuple[str, str, str]]
    conclusion: str
    differs: bool

    def json(self) -> dict[str, Any]:
        results = [{"what": what, "in_place": here, "probed": there} for what, here, there in self.lines]
        said = {"verdict": self.verdict, "why": self.why, "results": results}
        return {**said, "differs": self.differs, "difference": self.conclusion}


def side_by_side(bench: Bench, plain: Result, probed: Result) -> list[tuple[str, str, str]]:
    """The registers that are not zero on both sides, the pc, memory that differs, hits and misses."""
    lines = _both(bench, "", plain.first, probed.first)
    lines.append(("hits, nmissed", "1, 0", f"{probed.hits}, {probed.missed}"))
    if plain.then is not None and probed.then is not None:
        lines += _both(bench, "then ", plain.then, probed.then)
        lines.append(("then hits, nmissed", "1, 0", f"{probed.then_hits}, {probed.then_missed}"))
    return lines


def _both(bench: Bench, prefix: str, plain: Seen, probed: Seen) -> list[tuple[str, str, str]]:
    lines = [(f"{prefix}pc", f"{plain.pc:#x}", f"{probed.pc:#x}")]
    if plain.end is not None or probed.end is not None:
        lines.append((f"{prefix}end", str(plain.end or "completes"), str(probed.end or "completes")))
    registers = zip(bench.names, plain.values, probed.values, strict=True)
    lines += [(prefix + name, f"{here:#x}", f"{there:#x}") for name, here, there in registers if here or there]
    size = bench.isa.registers.bits // 8
    for at in range(0, len(plain.memory), size):
        here, there = plain.memory[at : at + size], probed.memory[at : at + size]
        if here != there:
            lines.append((f"{prefix}[{bench.layout.buffer + at:#x}]", here.hex(), there.hex()))
    return lines
