"""The first difference between an instruction in place and the same under a probe."""

from __future__ import annotations

import re
from dataclasses import dataclass

from emu.bits import mask
from emu.transparent.bench import Bench, Result, Seen
from emu.transparent.case import Case

STAYS = "pc, which stays: the probe is hit for ever"
NUMBER = re.compile(r"0x[0-9a-f]+|\b\d+\b")  # in messages: not what tells one kind from another


@dataclass(frozen=True)
class Difference:
    """`kind` says what sort of thing differs, so that differences can be grouped; `what` names it.

    `relative`: off by exactly the way from the instruction to its slot, so it was computed there.
    """

    kind: str
    what: str
    in_place: str
    probed: str
    relative: bool = False

    def __str__(self) -> str:
        why = " (relative to the slot)" if self.relative else ""
        return f"{self.what}: {self.in_place} in place, {self.probed} under the probe{why}"


class Comparison:
    """Compares results of one bench."""

    def __init__(self, bench: Bench) -> None:
        file = bench.isa.registers
        self._names = bench.names
        self._kinds = dict.fromkeys(file.gpr, "register") | dict.fromkeys(file.special, "special register")
        self._kinds |= {name: f"flag {name}" for name in file.flags} | dict.fromkeys(file.fp, "fp register")
        self._kinds[file.status] = "status"
        self._status, self._irqs_enabled = file.status, bench.arch.port.irqs_enabled
        self._bits, self._buffer, self._then_at = file.bits, bench.layout.buffer, bench.layout.then_at

    def first(self, case: Case, plain: Result, probed: Result, slot: int | None) -> Difference | None:
        """None if nothing differs; where both end in the same exception, nothing but that is compared."""
        if plain.first.end is not None and plain.first.end == probed.first.end:
            return None
        moved = None if slot is None else slot - case.at & mask(self._bits)
        found = self._seen(plain.first, probed.first, case.at, moved)
        if found is not None:
            return found
        found = _count("hits", probed.hits, 1) or _count("nmissed", probed.missed, 0)
        found = found or _count("post hits", probed.post_hits, 1)
        found = found or _count("preempt_count", probed.preempt_count, 0)
        if found is not None or plain.then is None or probed.then is None or plain.then.end is not None:
            return found  # x86: popf may have turned on the trap flag
        found = _count("hits", probed.then_hits, 1) or _count("nmissed", probed.then_missed, 0)
        found = found or self._seen(plain.then, probed.then, self._then_at, None)
        if found is None:
            return None
        return Difference(f"next probe: {found.kind}", f"next probe's {found.what}", found.in_place, found.probed)

    def _seen(self, plain: Seen, probed: Seen, at: int, moved: int | None) -> Difference | None:
        if plain.end != probed.end:
            return self._ends(plain, probed)
        if plain.end is None and plain.pc != probed.pc:
            return self._value("pc" if probed.pc != at else STAYS, "pc", plain.pc, probed.pc, moved)
        if plain.values != probed.values:
            found = self._registers(plain, probed, moved)
            if found is not None:
                return found
        return self._memory(plain.memory, probed.memory) if plain.memory != probed.memory else None

    def _ends(self, plain: Seen, probed: Seen) -> Difference:
        kind = "trap"
        if probed.end is not None and isinstance(probed.end.detail, str):
            kind = f"{probed.end.kind}: {NUMBER.sub('N', probed.end.detail)}"
        here, there = (str(seen.end or f"completes, pc {seen.pc:#x}") for seen in (plain, probed))
        return Difference(kind, "end", here, there)

    def _registers(self, plain: Seen, probed: Seen, moved: int | None) -> Difference | None:
        for name, here, there in zip(self._names, plain.values, probed.values, strict=True):
            if here == there:
                continue
            if name != self._status:
                return self._value(self._kinds[name], name, here, there, moved)
            if plain.end is None:  # after a trap in a slot interrupts are still off
                enabled = self._irqs_enabled(here), self._irqs_enabled(there)
                kind = "status" if enabled[0] == enabled[1] else "interrupts"
                return Difference(kind, name, f"{here:#x}", f"{there:#x}")
        return None

    def _value(self, kind: str, name: str, here: int, there: int, moved: int | None) -> Difference:
        relative = bool(moved) and (there - here) & mask(self._bits) == moved
        return Difference(kind, name, f"{here:#x}", f"{there:#x}", relative)

    def _memory(self, here: bytes, there: bytes) -> Difference:
        at = next(place for place in range(len(here)) if here[place] != there[place])
        shown = slice(at, at + self._bits // 8)
        return Difference("memory", f"[{self._buffer + at:#x}]", here[shown].hex(), there[shown].hex())


def _count(name: str, value: int, expected: int) -> Difference | None:
    return None if value == expected else Difference(name, name, str(expected), str(value))
