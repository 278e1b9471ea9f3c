"""Rows of an instruction table: what a line of a `.decode` file says, as fields, masks and constraints.

A row is `name  encoding  operands  extra...`, columns separated by two or more spaces. The encoding is
written most significant bit first, its parts separated by single spaces:

    0011.           fixed bits; a dot is a bit that does not matter (encoded as 0)
    rd:5            an unsigned field of five bits
    imm:s12         a signed one
    off[15:2]s      bits 15..2 of a signed value; bits 1..0 are zero, so the field is scaled
    off[17:2|27:18] pieces of a value, most significant bit of the word first
    oimm:5+1        what is stored is the value minus one
    rd!=0, lsb<=msb constraints on decoded values, anywhere in the column; rz+count<=31 compares a sum

A field may occur at several places of a row (`imm[4:0] rx:5 imm[9:5]`). `@name` is an alias, printed and
assembled but never decoded to; `=name` is an alias that is only assembled. `name:text` gives a row a name
of its own where several rows have one mnemonic.
"""

from __future__ import annotations

import itertools
import keyword
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from emu.bits import mask
from emu.errors import EncodeError, TableError

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "!=": operator.ne,
    "==": operator.eq,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_NEGATION = {"!=": "==", "==": "!=", "<=": ">", ">": "<=", ">=": "<", "<": ">="}
_FIXED = re.compile(r"[01.]+")
_PLAIN = re.compile(r"([a-z]\w*):([su]?)(\d+)([+-]\d+)?")
_PIECES = re.compile(r"([a-z]\w*)\[([\d:|]+)\]([su]?)([+-]\d+)?")
_CONSTRAINT = re.compile(r"([a-z]\w*(?:\+[a-z]\w*)?)(!=|==|<=|>=|<|>)(-?\w+)")
_NAME = re.compile(r"([@=]?)([A-Za-z_][\w.]*)(?::([A-Za-z_][\w.]*))?")
_RESERVED = frozenset(("row", "name", "size", "word", "fields"))  # attributes of every decoded instruction


@dataclass(frozen=True, slots=True)
class Piece:
    """`width` bits of a value from bit `value_low` up, kept in the word from bit `word_low` up."""

    value_low: int
    word_low: int
    width: int


@dataclass(frozen=True, slots=True)
class Field:
    """A named value of an instruction. `width` counts the value's bits, implicit low zeros (`scale`) included."""

    name: str
    pieces: tuple[Piece, ...]
    signed: bool
    bias: int
    width: int
    scale: int

    def extract(self, word: int) -> int:
        value = 0
        for piece in self.pieces:
            value |= (word >> piece.word_low & (1 << piece.width) - 1) << piece.value_low
        if self.signed and value >> (self.width - 1):
            value -= 1 << self.width
        return value + self.bias

    def insert(self, value: int) -> int:
        """The word's bits for a value; EncodeError if it does not fit."""
        stored = value - self.bias
        if not self.low <= stored <= self.high or stored & mask(self.scale):
            raise EncodeError(f"{self.name} = {value}: expected {self.range}")
        word = 0
        for piece in self.pieces:
            word |= (stored >> piece.value_low & mask(piece.width)) << piece.word_low
        return word

    @property
    def low(self) -> int:
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        top = mask(self.width - 1) if self.signed else mask(self.width)
        return top & ~mask(self.scale)

    @property
    def range(self) -> str:
        """What the field can hold, for messages."""
        multiple = f", a multiple of {1 << self.scale}" if self.scale else ""
        return f"{self.low + self.bias}..{self.high + self.bias}{multiple}"


@dataclass(frozen=True, slots=True)
class Constraint:
    """`left operator right`, where left is a field or the sum of two, and right is a number or another field."""

    left: str
    symbol: str
    right: int | str

    def holds(self, fields: Mapping[str, int]) -> bool:
        right = fields[self.right] if isinstance(self.right, str) else self.right
        return _COMPARE[self.symbol](self.compared(fields), right)

    def compared(self, fields: Mapping[str, int]) -> int:
        """The left side's value."""
        return sum(fields[name] for name in self.left.split("+"))

    def excludes(self, other: Constraint) -> bool:
        """Whether one is the negation of the other."""
        same = (self.left, self.right) == (other.left, other.right)
        return same and _NEGATION[self.symbol] == other.symbol

    def __str__(self) -> str:
        return f"{self.left}{self.symbol}{self.right}"


@dataclass(frozen=True)
class Row:
    """One instruction. A word of `size` bytes matches if word & mask == bits and all constraints hold."""

    name: str
    mnemonic: str
    size: int
    mask: int
    bits: int
    fields: tuple[Field, ...]
    constraints: tuple[Constraint, ...]
    operands: str
    extra: tuple[str, ...]
    alias: bool
    printed: bool
    where: str

    def matches(self, word: int) -> bool:
        if word & self.mask != self.bits:
            return False
        return not self.constraints or self.holds({f.name: f.extract(word) for f in self.fields})

    def holds(self, values: Mapping[str, int]) -> bool:
        return all(constraint.holds(values) for constraint in self.constraints)

    def encode(self, values: Mapping[str, int]) -> int:
        """The word for these field values; EncodeError for a missing, unknown or unfit one."""
        names = {field.name for field in self.fields}
        if names != values.keys():
            raise EncodeError(f"{self.name}: fields {sorted(values)}: expected {sorted(names)}")
        word = self.bits
        for field in self.fields:
            try:
                word |= field.insert(values[field.name])
            except EncodeError as error:
                raise EncodeError(f"{self.name}: {error}") from None
        for constraint in self.constraints:
            if not constraint.holds(values):
                raise EncodeError(
                    f"{self.name}: {constraint.left} = {constraint.compared(values)}: expected {constraint}"
                )
        return word

    @property
    def specificity(self) -> tuple[int, int]:
        """Rows with more fixed bits, then with more constraints, are tried first."""
        return self.mask.bit_count(), len(self.constraints)


def parse_rows(text: str, where: str) -> list[Row]:
    """The rows of a table's text, in order; TableError with file and line for the first bad one."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if line:
            rows.append(_row(line, f"{where}:{number}"))
    return rows


def _row(line: str, where: str) -> Row:
    columns = re.split(r"\s{2,}", line)
    if len(columns) < 2:
        raise TableError(f"{where}: {line!r}: expected name, encoding and operands, two spaces between them")
    named = _NAME.fullmatch(columns[0])
    if named is None:
        raise TableError(f"{where}: name {columns[0]!r}: expected name, @alias, =alias or name:mnemonic")
    encoding = _Encoding(columns[1], f"{where}: {named[2]}")
    operands = columns[2] if len(columns) > 2 and columns[2] != "-" else ""
    return Row(
        name=named[2],
        mnemonic=named[3] or named[2],
        size=encoding.width // 8,
        mask=encoding.mask,
        bits=encoding.bits,
        fields=encoding.fields,
        constraints=encoding.constraints,
        operands=operands,
        extra=tuple(columns[3:]),
        alias=bool(named[1]),
        printed=named[1] != "=",
        where=where,
    )


@dataclass
class _Part:
    """Bits of the word in the order written: fixed (`pattern`) or pieces of a field's value."""

    width: int
    pattern: str = ""
    name: str = ""
    ranges: tuple[tuple[int, int], ...] = ()
    sign: str = ""
    bias: int = 0


class _Encoding:
    """The encoding column, taken apart."""

    def __init__(self, column: str, where: str) -> None:
        self.where = where
        self.parts: list[_Part] = []
        constraints = []
        for token in column.split(" "):
            if match := _CONSTRAINT.fullmatch(token):
                constraints.append(self._constraint(match))
            else:
                self.parts.append(self._part(token))
        self.constraints = tuple(constraints)
        self.width = sum(part.width for part in self.parts)
        if self.width not in (16, 32):
            raise TableError(f"{where}: encoding {column!r} has {self.width} bits: expected 16 or 32")
        self.mask = self.bits = 0
        self._pieces: dict[str, list[Piece]] = {}
        self._lay_out()
        self.fields = tuple(self._field(name) for name in self._pieces)
        self._check_constraints()

    def _part(self, token: str) -> _Part:
        if _FIXED.fullmatch(token):
            return _Part(len(token), pattern=token)
        if match := _PLAIN.fullmatch(token):
            name, sign, width, bias = match.groups()
            ranges: tuple[tuple[int, int], ...] = ((int(width) - 1, 0),)
        elif match := _PIECES.fullmatch(token):
            name, ranges, sign, bias = match[1], tuple(self._ranges(match[2], token)), match[3], match[4]
        else:
            raise TableError(f"{self.where}: {token!r}: expected bits, name:N, name:sN, name[hi:lo] or a constraint")
        if keyword.iskeyword(name) or name in _RESERVED or any(high < low for high, low in ranges):
            raise TableError(f"{self.where}: {token!r}: expected a free field name and high >= low")
        width = sum(high - low + 1 for high, low in ranges)
        return _Part(width, name=name, ranges=ranges, sign=sign, bias=int(bias or 0))

    def _ranges(self, text: str, token: str) -> Iterator[tuple[int, int]]:
        for piece in text.split("|"):
            bounds = re.fullmatch(r"(\d+)(?::(\d+))?", piece)
            if bounds is None:
                raise TableError(f"{self.where}: {token!r}: expected [hi:lo|hi:lo...]")
            yield int(bounds[1]), int(bounds[2] or bounds[1])

    def _constraint(self, match: re.Match[str]) -> Constraint:
        try:
            right: int | str = int(match[3], 0)
        except ValueError:
            right = match[3]
        return Constraint(match[1], match[2], right)

    def _lay_out(self) -> None:
        position = self.width
        for part in self.parts:
            position -= part.width
            if part.pattern:
                self.mask |= int(part.pattern.replace("0", "1").replace(".", "0"), 2) << position
                self.bits |= int(part.pattern.replace(".", "0"), 2) << position
                continue
            low = position + part.width
            for high_bit, low_bit in part.ranges:
                low -= high_bit - low_bit + 1
                self._pieces.setdefault(part.name, []).append(Piece(low_bit, low, high_bit - low_bit + 1))

    def _field(self, name: str) -> Field:
        pieces = sorted(self._pieces[name], key=lambda piece: piece.value_low)
        for lower, upper in itertools.pairwise(pieces):
            if lower.value_low + lower.width != upper.value_low:
                raise TableError(f"{self.where}: field {name}: expected each bit of the value once, without gaps")
        parts = [part for part in self.parts if part.name == name]
        signs, biases = {part.sign for part in parts} - {""}, {part.bias for part in parts} - {0}
        if len(signs) > 1 or len(biases) > 1:
            raise TableError(f"{self.where}: field {name}: expected one sign and one bias for all its pieces")
        width = pieces[-1].value_low + pieces[-1].width
        return Field(name, tuple(pieces), signs == {"s"}, max(biases, default=0), width, pieces[0].value_low)

    def _check_constraints(self) -> None:
        for constraint in self.constraints:
            for operand in (*constraint.left.split("+"), constraint.right):
                if isinstance(operand, str) and operand not in self._pieces:
                    raise TableError(f"{self.where}: {constraint}: expected a field of this row, not {operand!r}")
