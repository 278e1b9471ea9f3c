"""Pieces that every architecture's `judge` is made of: words out of sites, and judgements out of rows."""

from __future__ import annotations

from emu.errors import DecodeError
from emu.verdict.rules import Rule
from emu.verdict.site import Judgement, Verdict


def little_word(insn: bytes, size: int) -> int:
    """The first `size` bytes as a little-endian number; DecodeError if there are fewer."""
    if len(insn) < size:
        raise DecodeError(f"instruction {insn.hex() or 'of no bytes'}: expected at least {size} bytes")
    return int.from_bytes(insn[:size], "little")


def refuse(check: str, errno: str, why: str) -> Judgement:
    """The refusal of a check that is not about the word itself."""
    return Judgement(Verdict.REJECT, check, why, errno=errno)


def by_rule(rule: Rule, errno: str = "EINVAL") -> Judgement:
    """What a row says; `errno` is what the kernel answers where the row refuses."""
    return Judgement(
        rule.verdict, rule.name, rule.why, errno=errno if rule.verdict is Verdict.REJECT else None, action=rule.action
    )
