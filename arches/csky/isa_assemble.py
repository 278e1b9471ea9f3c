"""One line of C-SKY assembly to bytes: sizes, spellings, and the choice between encodings."""

from __future__ import annotations

import re
from collections.abc import Mapping

from arches.csky.insns import TABLE
from emu.errors import EncodeError
from emu.isa.table_rows import Row
from emu.isa.table_text import Place

# A size stands before the first dot or at the end: ld32.w, ld.w32, addu16.
_SIZED = re.compile(r"(?P<head>[a-z]\w*?)(?P<size>16|32)(?P<tail>(?:\.\w+)*)|(?P<all>[a-z][\w.]*?)(?P<last>16|32)")

# Only CPUs with the extended lrw have these two, so not the CK810: only if asked for. (gas: -melrw, -mno-elrw)
_EXTENDED = ("lrw16.far", "btsti16")


def assemble_line(text: str, addr: int = 0, labels: Mapping[str, int] | None = None, least: int = 2) -> bytes:
    """The bytes of one instruction: the smallest encoding, not below `least` bytes, that holds it; EncodeError."""
    mnemonic, _, operands = " ".join(text.split()).partition(" ")
    mnemonic, size = split_size(mnemonic)
    rows = [row for row in _rows(mnemonic) if row.size == (size or row.size) and row.size >= least]
    if size is None:
        rows = [row for row in rows if row.name not in _EXTENDED]
    if not rows:
        raise EncodeError(f"{text.strip()!r}: expected an instruction of the table")
    place, errors = Place(addr, labels or {}), []
    for row in rows:
        try:
            return TABLE.to_bytes(row.encode(TABLE.syntax(row).parse(operands, place)), row.size)
        except EncodeError as error:
            errors.append(str(error))
    raise EncodeError("; or ".join(dict.fromkeys(errors)))


def split_size(mnemonic: str) -> tuple[str, int | None]:
    """`ld32.w` or `ld.w32` as `ld.w` and 4 (bytes); the size is None where none is asked for."""
    match = None if _rows(mnemonic) else _SIZED.fullmatch(mnemonic)
    if match is None:
        return mnemonic, None
    if match["size"]:
        return match["head"] + match["tail"], int(match["size"]) // 8
    return match["all"], int(match["last"]) // 8


def _rows(mnemonic: str) -> list[Row]:
    """Rows of a mnemonic, 16-bit ones first, and in each size `rz, rz, rx` before three different registers."""
    return sorted((row for row in (*TABLE.aliases, *TABLE.rows) if row.mnemonic == mnemonic), key=lambda row: row.size)
