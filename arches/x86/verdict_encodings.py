"""What a sweep asks about on x86, whose instructions are no words: encodings that the kernel's rules can tell apart.

The rules look at prefixes, the opcode, ModRM.reg, and whether ModRM names memory or a register. Displacements and
immediates are 0. A prefix stands alone; VEX and EVEX are there with one choice of their fields for each opcode map.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from arches.x86.insns import MAPS, MAX_INSN_LENGTH, decode_fields

PREFIXES = (b"", b"\x66", b"\x67", b"\xf2", b"\xf3", b"\xf0", b"\x2e", b"\x48")
VEX = ("c5f8", "c4e178", "c4e278", "c4e378", "62f17c08", "62f27d08", "62f37d08")
MODRM = tuple(mod << 6 | reg << 3 for mod in (0, 3) for reg in range(8))


def encodings() -> Iterator[bytes]:
    """Each once, as long as the newest kernel's decoder makes it; what that refuses ends with its ModRM."""
    seen: set[bytes] = set()
    before = [prefix + escape for prefix, escape in product(PREFIXES, MAPS.values())] + [bytes.fromhex(v) for v in VEX]
    for start, opcode, modrm in product(before, range(256), MODRM):
        code = start + bytes((opcode, modrm))
        insn = decode_fields(code.ljust(MAX_INSN_LENGTH, b"\0"))
        if insn is not None and insn.modrm is None and modrm:
            continue  # an immediate
        code = code if insn is None else insn.code
        if code not in seen:
            seen.add(code)
            yield code
