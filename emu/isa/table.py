"""Instruction tables: decode, encode, disassemble and assemble, all from the same rows.

See `emu.isa.table_rows` for how a row is written and `emu.isa.table_text` for operands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from emu.bits import mask
from emu.errors import DecodeError, EncodeError, TableError
from emu.isa.table_rows import Constraint, Field, Row, parse_rows
from emu.isa.table_text import Number, OperandKind, PcRelative, Place, RegisterName, Syntax, make_syntax

__all__ = [
    "Constraint",
    "Field",
    "Insn",
    "Number",
    "OperandKind",
    "PcRelative",
    "Place",
    "RegisterName",
    "Row",
    "Table",
    "parse_rows",
]

_CACHED = 1 << 16  # decoded words kept; the cache starts over when it is full


class Insn:
    """A decoded instruction. Its fields are attributes (`i.rd`, `i.imm`) as well as in `fields`."""

    __slots__ = ("fields", "row", "size", "word")
    row: Row
    word: int
    size: int
    fields: Mapping[str, int]

    @property
    def name(self) -> str:
        """The row's name."""
        return self.row.name

    def __repr__(self) -> str:
        return f"<{self.name} {self.fields}>"

    def __getattr__(self, name: str) -> int:
        """Only asked for names that the row has no field of."""
        raise AttributeError(f"instruction field {name!r}: expected one that its row has")


class _Node:
    """Rows sorted out by the bits that all of them fix; where they share none, tried most specific first."""

    __slots__ = ("children", "mask", "rows")

    def __init__(self, rows: Sequence[Row], tested: int) -> None:
        self.rows = sorted(rows, key=lambda row: row.specificity, reverse=True)
        self.mask = mask(32) & ~tested
        for row in rows:
            self.mask &= row.mask
        self.children: dict[int, _Node] = {}
        if self.mask and len(rows) > 1:
            groups: dict[int, list[Row]] = {}
            for row in rows:
                groups.setdefault(row.bits & self.mask, []).append(row)
            self.children = {bits: _Node(group, tested | self.mask) for bits, group in groups.items()}

    def find(self, word: int) -> Row | None:
        node: _Node | None = self
        while node is not None and node.children:
            node = node.children.get(word & node.mask)
        if node is not None:
            for row in node.rows:
                if row.matches(word):
                    return row
        return None


class Table:
    """The instructions of one architecture.

    `kinds` say how operands are written, by name pattern (the first that matches; plain numbers otherwise).
    `size_of(halfword)` gives the size in bytes of the instruction that starts with this halfword; it is needed
    where sizes are mixed. With `halfwords_high_first` a 32-bit instruction is stored as its upper halfword and
    then its lower one (C-SKY), otherwise as one little-endian word.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        *,
        kinds: Mapping[str, OperandKind] | None = None,
        halfwords_high_first: bool = False,
        size_of: Callable[[int], int] | None = None,
    ) -> None:
        self.rows = tuple(row for row in rows if not row.alias)
        self.aliases = tuple(row for row in rows if row.alias)
        self.sizes = tuple(sorted({row.size for row in self.rows}))
        if size_of is None and len(self.sizes) != 1:
            raise TableError(f"table with rows of {self.sizes} bytes: expected size_of, or one size")
        _check_overlaps(self.rows)
        _check_overlaps([row for row in self.aliases if row.printed])
        self._halfwords_high_first = halfwords_high_first
        self._size_of = size_of or (lambda _halfword: self.sizes[0])
        self._roots = {size: _Node([r for r in self.rows if r.size == size], 0) for size in self.sizes}
        shown = [row for row in self.aliases if row.printed]
        self._alias_roots = {size: _Node([r for r in shown if r.size == size], 0) for size in self.sizes}
        self._syntax = {id(row): make_syntax(row, kinds or {}) for row in rows}
        self._classes = {id(row): _insn_class(row) for row in self.rows}
        self._by_name = _group(self.rows, lambda row: row.name)
        self._by_mnemonic = _group(rows, lambda row: row.mnemonic)
        self._cache: dict[tuple[int, int], Insn] = {}

    @classmethod
    def parse(
        cls,
        text: str,
        where: str,
        *,
        kinds: Mapping[str, OperandKind] | None = None,
        halfwords_high_first: bool = False,
        size_of: Callable[[int], int] | None = None,
    ) -> Table:
        """A table from the text of a `.decode` file called `where`; TableError with file and line."""
        rows = parse_rows(text, where)
        return cls(rows, kinds=kinds, halfwords_high_first=halfwords_high_first, size_of=size_of)

    # Words and bytes

    def to_bytes(self, word: int, size: int) -> bytes:
        """A word as it is stored in memory."""
        if size == 4 and self._halfwords_high_first:
            return (word >> 16).to_bytes(2, "little") + (word & 0xFFFF).to_bytes(2, "little")
        return word.to_bytes(size, "little")

    def from_bytes(self, data: bytes) -> tuple[int, int]:
        """The word and size of the instruction that starts `data`; DecodeError if it is cut off."""
        size = self._size_of(int.from_bytes(data[:2], "little")) if len(data) >= 2 else 2
        if len(data) < size:
            raise DecodeError(f"bytes {data.hex() or 'none'}: expected {size} of them")
        if size == 4 and self._halfwords_high_first:
            return int.from_bytes(data[:2], "little") << 16 | int.from_bytes(data[2:4], "little"), 4
        return int.from_bytes(data[:size], "little"), size

    # Words and instructions

    def find(self, word: int, size: int) -> Row | None:
        """The row that a word belongs to, None if it is no instruction."""
        root = self._roots.get(size)
        return root.find(word) if root and not word >> (8 * size) else None

    def decode(self, word: int, size: int = 4) -> Insn:
        """DecodeError if no row matches."""
        insn = self._cache.get((word, size))
        if insn is None:
            row = self.find(word, size)
            if row is None:
                raise DecodeError(f"word {word:#0{2 + 2 * size}x}: expected an instruction of the table, {size} bytes")
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            insn = self._cache[word, size] = self._insn(row, word)
        return insn

    def _insn(self, row: Row, word: int) -> Insn:
        insn = self._classes[id(row)]()
        insn.row, insn.word, insn.size = row, word, row.size
        insn.fields = {field.name: field.extract(word) for field in row.fields}
        for name, value in insn.fields.items():
            setattr(insn, name, value)
        return insn

    def encode(self, name: str, **fields: int) -> int:
        """The word of a row by name; of several rows with that name the first that holds the values.

        EncodeError with value, field and range.
        """
        return self._encode(self._by_name.get(name, ()), name, lambda _row: fields)[0]

    def _encode(self, rows: Sequence[Row], name: str, fields_of: Callable[[Row], Mapping[str, int]]) -> tuple[int, int]:
        if not rows:
            raise EncodeError(f"{name!r}: expected an instruction of the table")
        errors = []
        for row in rows:
            try:
                return row.encode(fields_of(row)), row.size
            except EncodeError as error:
                errors.append(error)
        if len(errors) > 1:
            raise EncodeError("; or ".join(dict.fromkeys(str(error) for error in errors)))
        raise errors[0]

    # Text

    def disassemble(self, word: int, size: int = 4, pc: int = 0) -> str:
        """One instruction as text, by its most specific alias if it has one; DecodeError."""
        root = self._alias_roots.get(size)
        alias = root.find(word) if root else None
        if alias is not None:
            return self._text(alias, {field.name: field.extract(word) for field in alias.fields}, pc)
        insn = self.decode(word, size)
        return self._text(insn.row, insn.fields, pc)

    def plain(self, word: int, size: int = 4, pc: int = 0) -> str:
        """One instruction as text without aliases; DecodeError."""
        insn = self.decode(word, size)
        return self._text(insn.row, insn.fields, pc)

    def _text(self, row: Row, fields: Mapping[str, int], pc: int) -> str:
        return self._syntax[id(row)].format(fields, pc)

    def assemble(self, text: str, pc: int = 0, labels: Mapping[str, int] | None = None) -> bytes:
        """The bytes of one instruction, in memory order; of several encodings the first row's that holds it.

        EncodeError if the mnemonic is unknown or the operands do not fit.
        """
        mnemonic, _, operands = text.strip().partition(" ")
        place = Place(pc, labels or {})
        rows = self._by_mnemonic.get(mnemonic, ())
        word, size = self._encode(rows, text, lambda row: self._syntax[id(row)].parse(operands, place))
        return self.to_bytes(word, size)

    def syntax(self, row: Row) -> Syntax:
        """How a row is written."""
        return self._syntax[id(row)]


def _group(rows: Sequence[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _insn_class(row: Row) -> type[Insn]:
    # A class for each row: its slots keep attribute access in semantics cheap.
    namespace: dict[str, Any] = {"__slots__": tuple(field.name for field in row.fields)}
    return type("Insn", (Insn,), namespace)


def _check_overlaps(rows: Sequence[Row]) -> None:
    rivals: dict[tuple[int, tuple[int, int]], list[Row]] = {}
    for row in rows:
        others = rivals.setdefault((row.size, row.specificity), [])
        for other in others:
            if _overlap(row, other):
                raise TableError(f"{row.where}: overlaps {other.where}: expected one of them to fix more bits")
        others.append(row)


def _overlap(row: Row, other: Row) -> bool:
    if (row.bits ^ other.bits) & row.mask & other.mask:
        return False
    if any(mine.excludes(theirs) for mine in row.constraints for theirs in other.constraints):
        return False
    shared = [field for field in row.fields if field in other.fields and field.width <= 8]
    return all(_agree(field, row.constraints + other.constraints) for field in shared)


def _agree(field: Field, constraints: Sequence[Constraint]) -> bool:
    """Whether some value of a field satisfies all the constraints that compare it with a number."""
    own = [c for c in constraints if c.left == field.name and isinstance(c.right, int)]
    values = range(field.low + field.bias, field.high + field.bias + 1, 1 << field.scale)
    return any(all(c.holds({field.name: value}) for c in own) for value in values)
