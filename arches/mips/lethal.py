"""Undefined words that Unicorn 2.1.4 takes for calls of a boot monitor: it prints on the host's standard output.

SPECIAL with function 5 (`pmon` to the engine). It is undefined on the CPUs here (MD00086, table A.3), and LSA on those
with MSA or Release 6.
"""

from __future__ import annotations

import re

from emu.machine.unicorn_guard import Guard

PMON = re.compile(rb"(?s)(?=[\x05\x45\x85\xc5]..[\x00-\x03])")
RESERVED = (0x0E).to_bytes(4, "little")  # SPECIAL with function 14


def find(text: bytes) -> list[int]:
    """Offsets of these words in text that begins at a word."""
    return [match.start() for match in PMON.finditer(text) if match.start() % 4 == 0]


GUARD = Guard(find, alignment=4, substitute=RESERVED)
