"""Operands as text: how a field is written in assembly, and how it is read back.

An operand column is the assembler's syntax, such as `rz, (rx, off)`. A name in it stands for an operand:
a field of the row, or something made of several fields (a register list) or of none (an implied `sp`).
`OperandKind`s say how these are written; a table is given them by name pattern (`r?`, `off`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol

from emu.bits import mask, sext
from emu.errors import EncodeError, TableError
from emu.foreign import whole_number
from emu.isa.table_rows import Row

_TOKEN = re.compile(r"[a-z]\w*|\s+|[^\sa-z]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the instruction is, and the addresses of the labels that its text may use."""

    pc: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)


class OperandKind(Protocol):
    """How one operand is written. `name` is its name in the operand column; `fields` are decoded values."""

    def covers(self, name: str) -> tuple[str, ...]:
        """The fields that this operand carries."""
        ...

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str: ...

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        """Values for the covered fields; EncodeError if the text is no such operand."""
        ...


def parse_number(text: str, expected: str) -> int:
    """A decimal, hexadecimal (0x) or binary (0b) number; EncodeError otherwise."""
    try:
        return whole_number(text)
    except ValueError:
        raise EncodeError(f"{text!r}: expected {expected}") from None


@dataclass(frozen=True)
class Number:
    """A plain number, decimal unless `hexadecimal`."""

    hexadecimal: bool = False

    def covers(self, name: str) -> tuple[str, ...]:
        return (name,)

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        return f"{fields[name]:#x}" if self.hexadecimal else str(fields[name])

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        return {name: parse_number(text, f"a number for {name}")}


@dataclass(frozen=True)
class RegisterName:
    """A register: `names` by number, as printed, and further `spellings`."""

    names: Sequence[str]
    spellings: Mapping[str, int] = field(default_factory=dict)

    def covers(self, name: str) -> tuple[str, ...]:
        return (name,)

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        return self.names[fields[name]]

    def number(self, text: str) -> int:
        """EncodeError if no register is called so."""
        if text in self.spellings:
            return self.spellings[text]
        if text in self.names:
            return self.names.index(text)
        raise EncodeError(f"{text!r}: expected a register such as {self.names[0]}")

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        return {name: self.number(text)}


@dataclass(frozen=True)
class PcRelative:
    """A distance from the instruction's own address.

    Written as the signed distance in bytes (`absolute=False`, as LLVM does for LoongArch) or as the address
    that it leads to; a label, or `.` for the instruction itself, can always be given.
    """

    absolute: bool
    bits: int = 64

    def covers(self, name: str) -> tuple[str, ...]:
        return (name,)

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        if self.absolute:
            return f"{(pc + fields[name]) & mask(self.bits):#x}"
        return str(fields[name])

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        match = re.fullmatch(r"([A-Za-z_.$][\w.$]*)\s*(?:([+-])\s*(\w+))?", text)
        if match is None:
            number = parse_number(text, "a label or " + ("an address" if self.absolute else "a distance in bytes"))
            return {name: self._distance(number, place) if self.absolute else number}
        if match[1] != "." and match[1] not in place.labels:
            raise EncodeError(f"label {match[1]!r}: expected {', '.join(sorted(place.labels)) or 'a number, or `.`'}")
        target = place.pc if match[1] == "." else place.labels[match[1]]
        addend = parse_number(match[3] or "0", "a number of bytes")
        return {name: self._distance(target - addend if match[2] == "-" else target + addend, place)}

    def _distance(self, target: int, place: Place) -> int:
        return sext(target - place.pc, self.bits)


@dataclass(frozen=True)
class Syntax:
    """The operand column of a row: literal text and operands, and the pattern that takes such text apart."""

    row: Row
    parts: tuple[str | tuple[str, OperandKind], ...]
    pattern: re.Pattern[str]

    def format(self, fields: Mapping[str, int], pc: int) -> str:
        parts = [part if isinstance(part, str) else part[1].format(part[0], fields, pc) for part in self.parts]
        return f"{self.row.mnemonic} {''.join(parts)}".rstrip()

    def parse(self, operands: str, place: Place) -> dict[str, int]:
        """Field values from an operand text; EncodeError if it has another shape."""
        match = self.pattern.fullmatch(operands.strip())
        if match is None:
            expected = f"{self.row.mnemonic} {self.row.operands}".rstrip()
            raise EncodeError(f"{self.row.mnemonic} {operands}".rstrip() + f": expected {expected!r}")
        values: dict[str, int] = {}
        kinds = [part for part in self.parts if not isinstance(part, str)]
        for (name, kind), text in zip(kinds, match.groups(), strict=True):
            for key, value in kind.parse(name, text, place).items():
                if values.setdefault(key, value) != value:
                    raise EncodeError(f"{operands!r}: expected {key} to be the same everywhere")
        return values


def make_syntax(row: Row, kinds: Mapping[str, OperandKind]) -> Syntax:
    """Read a row's operand column; TableError for an unknown operand or a field that it leaves out."""
    parts: list[str | tuple[str, OperandKind]] = []
    for token in _TOKEN.findall(row.operands):
        parts.append((token, _kind(row, token, kinds)) if token[0].isalpha() else token)
    covered = {name for part in parts if not isinstance(part, str) for name in part[1].covers(part[0])}
    if covered != {f.name for f in row.fields}:
        raise TableError(
            f"{row.where}: operands {row.operands!r} give {sorted(covered)}: "
            f"expected the row's fields {sorted(f.name for f in row.fields)}"
        )
    return Syntax(row, tuple(parts), re.compile("".join(_pattern(part) for part in parts)))


def _kind(row: Row, name: str, kinds: Mapping[str, OperandKind]) -> OperandKind:
    for pattern, kind in kinds.items():
        if fnmatchcase(name, pattern):
            return kind
    if all(name != f.name for f in row.fields):
        raise TableError(f"{row.where}: operand {name!r}: expected a field of the row or a declared operand")
    return Number()


def _pattern(part: str | tuple[str, OperandKind]) -> str:
    if not isinstance(part, str):
        return r"(\S.*?)"
    return r"\s*" if part.isspace() else rf"\s*{re.escape(part)}\s*"
