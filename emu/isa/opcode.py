"""One instruction by itself: its text, and the kernel's verdict on a probe there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emu.errors import DecodeError
from emu.isa.arch import Arch
from emu.isa.site import Decision, Release, Site


@dataclass(frozen=True)
class Opcode:
    word: str
    size: int
    text: str
    decision: Decision

    @property
    def verdict(self) -> str:
        return self.decision.verdict.value

    @property
    def why(self) -> str:
        return self.decision.why

    def json(self) -> dict[str, Any]:
        """`boostable` only where the architecture knows it."""
        decision = self.decision
        boost = {} if decision.boostable is None else {"boostable": decision.boostable}
        return {
            "word": self.word,
            "size": self.size,
            "text": self.text,
            "verdict": self.verdict,
            "why": self.why,
            "rule": decision.rule,
            "errno": decision.errno,
            **boost,
        }


def opcode(arch: Arch[Any], insn: bytes, addr: int, prev: bytes | None, release: Release | None) -> Opcode:
    """The instruction that starts `insn` at addr, with `prev` right before it (None: nothing readable there)."""
    size = arch.insn_size(insn)

    def read(at: int, length: int) -> bytes | None:
        text, start = (prev or b"") + insn, addr - len(prev or b"")
        return text[at - start : at - start + length] if start <= at and at + length <= addr + len(insn) else None

    symbol = addr - len(prev or b"")
    site = Site(insn=insn, addr=addr, read=read, symbol=symbol, raw=read)
    return Opcode(arch.word(insn[:size]), size, text_of(arch, insn, addr), arch.decide(site, release))


def text_of(arch: Arch[Any], insn: bytes, addr: int) -> str:
    """Its disassembly; a word that nobody knows is printed as data, because the kernel has a verdict on it too."""
    try:
        return arch.disassemble(insn, addr)
    except DecodeError:
        return f".insn {arch.word(insn[: arch.insn_size(insn)])}"
