"""Words that Unicorn 2.1.4 must not get.

SPECIAL with function 5 (`pmon` to the engine) it takes for a call of a boot monitor, and prints on the host's standard
output. It is undefined on the CPUs here (MD00086, table A.3), and LSA on those with MSA or Release 6.

After an ERET to where nothing is mapped it dies of the next instruction. A guest here has nothing to return from, since
the host takes its exceptions: the step is a trap.
"""

from __future__ import annotations

import re

from emu.machine.cpu import TrapKind
from emu.machine.unicorn.guard import Guard

PMON = rb"[\x05\x45\x85\xc5]..[\x00-\x03]"
ERET = rb"[\x18\x58\x98\xd8]..[\x42\x43]"  # COP0 with CO set and function 0x18; the engine looks at nothing else
LETHAL = re.compile(rb"(?s)(?=" + PMON + rb"|" + ERET + rb")")
RESERVED = (0x0E).to_bytes(4, "little")  # SPECIAL with function 14


def find(text: bytes) -> list[int]:
    """Offsets of these words in text that begins at a word."""
    return [match.start() for match in LETHAL.finditer(text) if match.start() % 4 == 0]


def kind(insn: bytes) -> TrapKind:
    return TrapKind.OTHER if re.match(rb"(?s)" + ERET, insn) else TrapKind.ILLEGAL


GUARD = Guard(find, alignment=4, substitute=RESERVED, kind=kind)
