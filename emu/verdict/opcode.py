"""One instruction by itself: its text, and the kernel's verdict on a probe there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from emu.errors import DecodeError, UsageError
from emu.isa.arch import Arch
from emu.verdict.site import Decision, Release, Site


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


def opcode(
    arch: Arch[Any],
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
    return opcode_at(arch, site, release)


def opcode_at(arch: Arch[Any], site: Site, release: Release | None) -> Opcode:
    """What stands at a site."""
    insn = site.insn[: size_of(arch, site.insn)]
    return Opcode(arch.word(insn), len(insn), text_of(arch, insn, site.addr), arch.decide(site, release))


def size_of(arch: Arch[Any], insn: bytes) -> int:
    """Bytes of the instruction that starts `insn`; all of them where it is none: the kernel has a verdict anyway."""
    try:
        return arch.insn_size(insn)
    except DecodeError:
        return len(insn)


def one_after_the_other(arch: Arch[Any], code: bytes) -> Iterator[bytes]:
    """The instructions that bytes consist of, to the last byte; DecodeError if the last one is cut off."""
    longest = max(arch.insn_sizes)
    while code:
        size = size_of(arch, code)
        if size > longest:
            raise DecodeError(f"bytes {code.hex()}: expected an instruction, of at most {longest} bytes")
        if size == len(code):
            check_whole(arch, code)
        yield code[:size]
        code = code[size:]


def is_whole(arch: Arch[Any], code: bytes) -> bool:
    """Whether bytes end where an instruction does."""
    try:
        return all(one_after_the_other(arch, code))
    except DecodeError:
        return False


def check_one(arch: Arch[Any], insn: bytes) -> None:
    """DecodeError for anything but one whole instruction, or bytes that are none."""
    first, *others = one_after_the_other(arch, insn)
    if others:
        left = b"".join(others).hex()
        raise DecodeError(
            f"word {arch.word(insn)}: bytes {left} are left over, expected one instruction such as {arch.word(first)}"
        )


def check_whole(arch: Arch[Any], insn: bytes) -> None:
    """DecodeError if the instruction goes on behind these bytes, as one of x86 can wherever it is cut off."""
    padded = insn + bytes(max(arch.insn_sizes))
    if len(insn) < size_of(arch, padded) < len(padded):
        raise DecodeError(f"word {arch.word(insn)}: cut off, expected the whole instruction")


def text_of(arch: Arch[Any], insn: bytes, addr: int) -> str:
    """Its disassembly; a word that nobody knows is printed as data."""
    try:
        return arch.disassemble(insn, addr)
    except DecodeError:
        return f".insn {arch.word(insn)}"


def known_features(arch: Arch[Any], names: Iterable[str]) -> frozenset[str]:
    """The features by these names; UsageError for one that the architecture does not have."""
    found = frozenset(names)
    for name in sorted(found - set(arch.features)):
        expected = ", ".join(f"{known} ({what})" for known, what in arch.features.items())
        raise UsageError(f"feature {name!r}: expected {f'one of {expected}' if expected else 'none'} on {arch.name}")
    return found
