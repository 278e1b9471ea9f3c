"""Undefined instructions that abort Unicorn 2.1.4: LOCK BT, BTS, BTR and BTC with a register as destination.

The SDM (volume 2A, BTS) has #UD for them; the engine's translator asserts that the operand is memory.
"""

from __future__ import annotations

import re

from emu.machine.unicorn.guard import Guard

# A LOCK prefix, then others, then 0f a3/ab/b3/bb /r or 0f ba /4..7 with ModRM.mod 3.
PREFIXES = rb"[\x26\x2e\x36\x3e\x64-\x67\xf0\xf2\xf3]"
PATTERN = re.compile(
    rb"(?s)(?=" + PREFIXES + rb"{0,13}[\x40-\x4f]?\x0f(?:[\xa3\xab\xb3\xbb][\xc0-\xff]|\xba[\xe0-\xff]))" + PREFIXES
)
MAX_SIZE = 15
LOCK = 0xF0


def find(text: bytes) -> list[int]:
    """Offsets where such an instruction begins, wherever a LOCK stands among its prefixes."""
    return [match.start() for match in PATTERN.finditer(text) if _is_locked(text, match.start())]


def _is_locked(text: bytes, at: int) -> bool:
    return LOCK in text[at : text.index(0x0F, at)]


GUARD = Guard(find, alignment=1, reach=MAX_SIZE)
