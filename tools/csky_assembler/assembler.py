"""A small assembler over the table, which turns firmware/csky.s into an ELF executable.

The source is a subset of what GNU as reads: one statement a line, after any labels; comments from `#`. Instructions
are written as they are disassembled; `addu16` or `ld32.w` insist on a size, otherwise the smallest encoding that
holds the operands is used, also for a branch to a label.

`lrw rz, VALUE` (or `=VALUE`), `jmpi VALUE` and `jsri VALUE` take VALUE from a literal pool, which stands at
`.literals` and at the end of the section; `lrw rz, [LABEL]` takes a word of one's own.

Directives: .text, .section NAME, .global NAME, .type NAME, @function or @object, .size NAME, . - NAME, .byte, .short
and .word VALUES, .balign BYTES, .balignw BYTES, HALFWORD, .space BYTES, .fill COUNT, SIZE, VALUE, .literals, and
.macro NAME ARGUMENTS with .endm. A value is a number, a label or `.`, or a sum or difference of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from arches.csky.isa_assemble import assemble_line
from emu.errors import EncodeError
from emu.foreign import whole_number
from tools.csky_assembler.elf_writer import Section, Symbol, write_elf
from tools.csky_assembler.source import LAYOUT, Line, Pool, Source, Statement, read

_WRITABLE = (".shared", ".bss")
ENTRY = "guest_start"

_TERM = re.compile(r"\s*([+-]?)\s*([\w.$]+)\s*")
_WIDTHS = {".byte": 1, ".short": 2, ".word": 4}
_ALIGN = {".balign": 1, ".balignw": 2}  # bytes of what the gap is filled with


# Placing


def assemble(source: str, where: str) -> bytes:
    """An ELF executable from a source text; EncodeError with file and line."""
    program = read(source, where)
    if lost := sorted((program.globals | program.types.keys() | program.sized) - set(_defined(program))):
        raise EncodeError(f"{where}: {', '.join(lost)}: expected a label for every .global, .type and .size")
    labels = place(program)
    sections = []
    for name in LAYOUT:
        data = emit(program, name, labels)
        stored = b"" if name == ".bss" else data
        sections.append(Section(name, labels[_start(name)], stored, len(data), name not in _WRITABLE))
    if ENTRY not in labels:
        raise EncodeError(f"{where}: no label {ENTRY!r}: expected the ELF entry")
    return write_elf(sections, list(symbols(program, labels)), labels[ENTRY])


def build(path_in: Path, path_out: Path) -> None:
    """Assemble a file; EncodeError with file and line."""
    path_out.write_bytes(assemble(path_in.read_text(), path_in.name))


def place(program: Source) -> dict[str, int]:
    """The address of every label, and of the sections; instructions start short and grow until all distances fit."""
    statements = [item for items in program.sections.values() for item in items if isinstance(item, Statement)]
    for item in statements:
        item.size = _least(item)
    while True:
        labels = _addresses(program)
        sizes = [len(_bytes(item, labels)) for item in statements]
        if sizes == [item.size for item in statements]:
            return labels
        for item, size in zip(statements, sizes, strict=True):
            item.size = size if item.op in _ALIGN else max(item.size, size)


def _least(item: Statement) -> int:
    return 0 if item.op.startswith(".") else 2


def _start(section: str) -> str:
    return f".Lsection_{section}"


def _addresses(program: Source) -> dict[str, int]:
    labels: dict[str, int] = {}
    addr = 0
    for name, base in LAYOUT.items():
        addr = -(-addr // 8) * 8 if base is None else base
        labels[_start(name)] = addr
        for item in program.sections[name]:
            addr = _pass(item, addr, labels)
    return labels


def _pass(item: Statement | Pool | str, addr: int, labels: dict[str, int]) -> int:
    """The address behind an item; labels that it defines are added."""
    if isinstance(item, str):
        if item in labels:
            raise EncodeError(f"label {item!r} at {addr:#x}: expected it once, it is at {labels[item]:#x} too")
        labels[item] = addr
        return addr
    if isinstance(item, Pool):
        addr += -addr % 4
        labels.update({f".Lpool{item.number}_{n}": addr + 4 * n for n in range(len(item.values))})
        return addr + 4 * len(item.values)
    item.addr = addr
    return addr + (len(_padding(item)) if item.op in _ALIGN else item.size)


def emit(program: Source, section: str, labels: Mapping[str, int]) -> bytes:
    """The bytes of a section whose program has been placed."""
    data = bytearray()
    for item in program.sections[section]:
        if isinstance(item, Pool):
            data += bytes(-len(data) % 4)
            for value, line in zip(item.values, item.lines, strict=True):
                data += _integer(evaluate(value, labels, 0, line), 4, line)
        elif isinstance(item, Statement):
            data += _bytes(item, labels)
    return bytes(data)


def _bytes(item: Statement, labels: Mapping[str, int]) -> bytes:
    if item.op in _ALIGN:
        return _padding(item)
    return _data(item, labels) if item.op.startswith(".") else _instruction(item, labels)


def _padding(item: Statement) -> bytes:
    unit = _ALIGN[item.op]
    boundary, fill = (evaluate(part, {}, 0, item.line) for part in f"{item.operands}, 0".split(",")[:2])
    if not unit <= boundary <= 0x1000 or item.addr % unit:
        raise item.line.fail(f"{item.line.text!r} at {item.addr:#x}: expected a boundary of {unit}..4096 bytes")
    return -item.addr % boundary // unit * _integer(fill, unit, item.line)


def _instruction(item: Statement, labels: Mapping[str, int]) -> bytes:
    try:
        return assemble_line(f"{item.op} {item.operands}", item.addr, labels, least=item.size)
    except EncodeError as error:
        raise item.line.fail(str(error)) from None


def _data(item: Statement, labels: Mapping[str, int]) -> bytes:
    if item.op == ".fill":
        return _fill(item)
    if item.op == ".space":
        size = evaluate(item.operands, labels, item.addr, item.line)
        if not 0 <= size <= 0x10000:
            raise item.line.fail(f"size {size}: expected 0..65536 bytes")
        return bytes(size)
    if item.op not in _WIDTHS:
        raise item.line.fail(f"directive {item.op!r}: expected one that this assembler knows")
    width, line = _WIDTHS[item.op], item.line
    values = [evaluate(part, labels, item.addr + n * width, line) for n, part in enumerate(item.operands.split(","))]
    return b"".join(_integer(value, width, line) for value in values)


def _fill(item: Statement) -> bytes:
    numbers = [evaluate(part, {}, 0, item.line) for part in item.operands.split(",")]
    if len(numbers) != 3 or not (0 <= numbers[0] <= 0x10000 and 1 <= numbers[1] <= 4):
        raise item.line.fail(f"{item.operands!r}: expected COUNT, SIZE, VALUE")
    return numbers[0] * _integer(numbers[2], numbers[1], item.line)


def _integer(value: int, size: int, line: Line) -> bytes:
    if not -(1 << (8 * size - 1)) <= value < 1 << (8 * size):
        raise line.fail(f"value {value:#x}: expected one of {size} bytes")
    return (value % (1 << (8 * size))).to_bytes(size, "little")


def evaluate(text: str, labels: Mapping[str, int], here: int, line: Line) -> int:
    """A sum or difference of numbers, labels, and `.` for `here`; EncodeError."""
    terms = list(_TERM.finditer(text))
    if "".join(term[0] for term in terms) != text or not terms or not all(term[1] for term in terms[1:]):
        raise line.fail(f"{text!r}: expected numbers and labels with + or - between them")
    return sum((-1 if term[1] == "-" else 1) * _term(term[2], labels, here, line) for term in terms)


def _term(text: str, labels: Mapping[str, int], here: int, line: Line) -> int:
    if text == "." or text in labels:
        return here if text == "." else labels[text]
    try:
        return whole_number(text)
    except ValueError:
        raise line.fail(f"{text!r}: expected a number or a label of this file") from None


def _defined(program: Source) -> Iterator[str]:
    return (item for items in program.sections.values() for item in items if isinstance(item, str))


def symbols(program: Source, labels: Mapping[str, int]) -> Iterator[Symbol]:
    """What goes into the symbol table: every label that does not start with .L."""
    for section, items in program.sections.items():
        for name in items:
            if isinstance(name, str) and not name.startswith(".L"):
                size = labels[f".Lend_{name}"] - labels[name] if name in program.sized else 0
                kind = program.types.get(name, "")
                yield Symbol(name, labels[name], size, kind, name in program.globals, section)
