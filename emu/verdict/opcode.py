"""One instruction by itself: its text, and the kernel's verdict on a probe there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from emu.errors import UsageError
from emu.isa.isa import Isa, size_of, text_of
from emu.verdict.probing import Probing
from emu.verdict.site import Judgement, Release, Site


@dataclass(frozen=True)
class Opcode:
    word: str
    size: int
    text: str
    judgement: Judgement

    @property
    def verdict(self) -> str:
        return self.judgement.verdict.value

    @property
    def why(self) -> str:
        return self.judgement.why

    def json(self) -> dict[str, Any]:
        """`boostable` only where the architecture knows it."""
        judgement = self.judgement
        boost = {} if judgement.boostable is None else {"boostable": judgement.boostable}
        return {
            "word": self.word,
            "size": self.size,
            "text": self.text,
            "verdict": self.verdict,
            "why": self.why,
            "rule": judgement.rule,
            "errno": judgement.errno,
            **boost,
        }


def opcode(
    isa: Isa,
    probing: Probing,
    insn: bytes,
    addr: int,
    prev: bytes = b"",
    release: Release | None = None,
    features: frozenset[str] = frozenset(),
) -> Opcode:
    """The instruction that starts `insn` at addr, with the instructions `prev` right before it in the same symbol."""
    text, start = prev + insn, addr - len(prev)

    def read(at: int, size: int) -> bytes | None:
        inside = start <= at and at + size <= start + len(text)
        return text[at - start : at - start + size] if inside else None

    site = Site(insn=insn, addr=addr, read=read, symbol=start, raw=read, features=features)
    return opcode_at(isa, probing, site, release)


def opcode_at(isa: Isa, probing: Probing, site: Site, release: Release | None) -> Opcode:
    """What stands at a site."""
    insn = site.insn[: size_of(isa, site.insn)]
    return Opcode(isa.word(insn), len(insn), text_of(isa, insn, site.addr), probing.judge(site, release))


def known_features(isa: Isa, probing: Probing, names: Iterable[str]) -> frozenset[str]:
    """The features by these names; UsageError for one that the architecture does not have."""
    found = frozenset(names)
    for name in sorted(found - set(probing.features)):
        expected = ", ".join(f"{known} ({what})" for known, what in probing.features.items())
        raise UsageError(f"feature {name!r}: expected {f'one of {expected}' if expected else 'none'} on {isa.name}")
    return found
