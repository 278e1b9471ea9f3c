"""Assembly source taken apart: lines, macros, and what each section holds. See assembler.py for the syntax."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from arches.csky.isa_assemble import split_size
from emu.errors import EncodeError

# As in firmware/guest.ld. A section without an address of its own follows the one before it.
LAYOUT: Mapping[str, int | None] = {
    ".text": 0x10000,
    ".rodata": None,
    "__ex_table": None,
    "__bug_table": None,
    ".shared": 0x100000,
    ".bss": 0x101000,
}

_LABEL = re.compile(r"([A-Za-z_.$][\w.$]*):\s*")
_POOLED = ("lrw", "jmpi", "jsri")


@dataclass(frozen=True)
class Line:
    """A line of the source, without comment and superfluous blanks; `where` is its file and number."""

    where: str
    text: str

    def fail(self, problem: str) -> EncodeError:
        return EncodeError(f"{self.where}: {problem}")


# Reading lines and macros


def read_lines(source: str, where: str) -> list[Line]:
    """A line for each label and each statement, macros expanded; EncodeError for a macro that does not end."""
    macros: dict[str, tuple[list[str], list[str]]] = {}
    return list(_expand(_split(source, where), macros))


def _split(source: str, where: str) -> Iterator[Line]:
    for number, text in enumerate(source.splitlines(), 1):
        yield from _labels_apart(f"{where}:{number}", " ".join(text.split("#")[0].split()))


def _labels_apart(where: str, text: str) -> Iterator[Line]:
    while match := _LABEL.match(text):
        yield Line(where, match[0].rstrip())
        text = text[match.end() :]
    yield Line(where, text)


def _expand(lines: Iterator[Line], macros: dict[str, tuple[list[str], list[str]]]) -> Iterator[Line]:
    for line in lines:
        name, _, rest = line.text.partition(" ")
        if name == ".macro":
            macro, _, arguments = rest.partition(" ")
            macros[macro] = (re.split(r"[\s,]+", arguments) if arguments else [], list(_body(line, lines)))
        elif name in macros:
            arguments_, body = macros[name]
            values = dict(zip(arguments_, (value.strip() for value in rest.split(",")), strict=False))
            for text in body:
                yield from (part for part in _labels_apart(line.where, _substitute(text, values)) if part.text)
        elif name:
            yield line


def _body(start: Line, lines: Iterator[Line]) -> Iterator[str]:
    for line in lines:
        if line.text == ".endm":
            return
        yield line.text
    raise start.fail(f"{start.text!r}: expected .endm after it")


def _substitute(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\\(\w+)", lambda match: values.get(match[1], match[0]), text)


# What a section holds


@dataclass
class Statement:
    """An instruction or directive, and where the last round of placing put it."""

    line: Line
    op: str
    operands: str
    size: int = 0
    addr: int = 0


@dataclass
class Pool:
    """Literals in the order in which they were first named."""

    number: int
    values: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def label(self, value: str, line: Line) -> str:
        """The label of a literal, which is added if it is new."""
        if value not in self.values:
            self.values.append(value)
            self.lines.append(line)
        return f".Lpool{self.number}_{self.values.index(value)}"


@dataclass
class Source:
    """A program taken apart: what each section holds (a str is a label), and what was said about symbols."""

    sections: dict[str, list[Statement | Pool | str]] = field(default_factory=lambda: {name: [] for name in LAYOUT})
    globals: set[str] = field(default_factory=set)
    types: dict[str, str] = field(default_factory=dict)
    sized: set[str] = field(default_factory=set)


def read(source: str, where: str) -> Source:
    """EncodeError with file and line for what is no label, directive or instruction."""
    reader = _Reader()
    for line in read_lines(source, where):
        reader.line(line)
    for name in LAYOUT:
        reader.pool(name)
    return reader.source


class _Reader:
    def __init__(self) -> None:
        self.source = Source()
        self._section = ".text"
        self._waiting: dict[str, Pool] = {}
        self._pools = 0

    def line(self, line: Line) -> None:
        op, _, operands = line.text.partition(" ")
        if op.endswith(":"):
            self._items.append(op[:-1])
        elif op == ".text" or op == ".section":
            self._enter(operands.split(",")[0].strip() or op, line)
        elif op == ".literals":
            self.pool(self._section)
        elif op in (".global", ".globl", ".type", ".size"):
            name, _, value = operands.partition(",")
            self._about_symbol(op, name.strip(), value.strip(), line)
        else:
            self._items.append(self._statement(line, op, operands))

    @property
    def _items(self) -> list[Statement | Pool | str]:
        return self.source.sections[self._section]

    def _enter(self, name: str, line: Line) -> None:
        if name not in LAYOUT:
            raise line.fail(f"section {name!r}: expected one of {', '.join(LAYOUT)}")
        self._section = name

    def _about_symbol(self, op: str, name: str, value: str, line: Line) -> None:
        if op in (".global", ".globl"):
            self.source.globals.add(name)
        elif op == ".type" and value in ("@function", "@object"):
            self.source.types[name] = value[1:]
        elif op == ".size" and value.replace(" ", "") == f".-{name}":
            self.source.sized.add(name)
            self._items.append(f".Lend_{name}")
        else:
            raise line.fail(f"{line.text!r}: expected .type NAME, @function or @object, or .size NAME, . - NAME")

    def _statement(self, line: Line, op: str, operands: str) -> Statement:
        """A statement; a value that belongs in the pool is replaced by the label that it gets there."""
        if split_size(op)[0] not in _POOLED or "[" in operands:
            return Statement(line, op, operands)
        registers, comma, value = operands.rpartition(",")
        pool = self._waiting.get(self._section)
        if pool is None:
            pool = self._waiting[self._section] = Pool(self._pools)
            self._pools += 1
        label = pool.label(value.strip().removeprefix("="), line)
        return Statement(line, op, f"{registers}{comma} [{label}]")

    def pool(self, section: str) -> None:
        """Put the literals that a section waits for where it is now."""
        if section in self._waiting:
            self.source.sections[section].append(self._waiting.pop(section))
