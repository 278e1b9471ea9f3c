"""Every instruction of an image with the kernel's verdict on a probe there, where it really is: its neighbours count.

Instructions follow one another from each symbol's start; what the mapping symbols call data, and what no
instruction fits into, is left out and counted.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from emu.elf.image import Image, Section, Symbol
from emu.errors import DecodeError, ImageError
from emu.isa.isa import Isa
from emu.verdict.opcode import Opcode, opcode_at
from emu.verdict.probing import Probing
from emu.verdict.site import Release, Site, Verdict

UNWALKED = ("alignment", "boundary")  # refusals for which the walk was not made, or came to another address


@dataclass(frozen=True)
class Line:
    """One instruction. `symbol` is the nearest one at or before it in its section (None: there is none).

    `offset` is in bytes from the symbol's start, or the section's.
    """

    address: int
    section: Section
    symbol: Symbol | None
    offset: int
    opcode: Opcode

    def json(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "section": self.section.name,
            "symbol": self.symbol.name if self.symbol else None,
            "offset": self.offset,
            **self.opcode.json(),
        }


@dataclass
class Summary:
    """How many instructions get which answer, by the row or check that decided."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    rules: Counter[tuple[Verdict, str]] = field(default_factory=Counter)
    why: dict[tuple[Verdict, str], tuple[str, str | None]] = field(default_factory=dict)  # of the first one
    data_bytes: int = 0

    def add(self, line: Line) -> None:
        judgement = line.opcode.judgement
        key = judgement.verdict, judgement.rule
        self.verdicts[judgement.verdict] += 1
        self.rules[key] += 1
        self.why.setdefault(key, (judgement.why, judgement.errno))

    def json(self) -> dict[str, Any]:
        """Rows by how often they decided."""
        counts = {verdict.value: self.verdicts[verdict] for verdict in Verdict}
        may = self.verdicts[Verdict.STEP] + self.verdicts[Verdict.SIMULATE]
        rules = [
            {"rule": rule, "verdict": verdict.value, "count": count, "errno": errno, "why": why}
            for (verdict, rule), count in self.rules.most_common()
            for why, errno in (self.why[verdict, rule],)
        ]
        total = sum(self.verdicts.values())
        return {"instructions": total, "may_be_probed": may, **counts, "data_bytes": self.data_bytes, "rules": rules}


class Listing:
    """The instructions of one image under the rules of one release.

    `relocatable`: its addresses were made up, so that they are given in bytes from their section's start.
    """

    def __init__(
        self,
        isa: Isa,
        probing: Probing,
        image: Image,
        release: Release | None,
        features: frozenset[str] = frozenset(),
        *,
        relocatable: bool = False,
    ) -> None:
        self.isa, self.probing, self.image, self.relocatable = isa, probing, image, relocatable
        self.summary = Summary()
        self._release, self._features = release, features
        sections = [section for section in image.executable_sections() if section.data]
        self.sections = sorted(sections, key=lambda section: section.address)
        self._starts = sorted({s.address for s in (*image.functions, *image.labels)})
        self._is_code = dict(image.mapping)
        self._mapped = sorted(self._is_code)
        self._symbols = {s.address: s for s in (*image.labels, *image.functions)}
        self._reached: tuple[Section, int, int] | None = None  # a symbol's start, and the last boundary behind it

    @property
    def size(self) -> int:
        """Bytes of text."""
        return sum(len(section.data) for section in self.sections)

    def lines(self, symbol: str | None = None) -> Iterator[Line]:
        """All of them, or those of one function (of all that have the name); ImageError if there is none."""
        if symbol is not None:
            yield from self.lines_of(self._named(symbol))
            return
        for section in self.sections:
            yield from self._lines(section, section.address, section.address + len(section.data))

    def lines_of(self, symbols: Iterable[Symbol]) -> Iterator[Line]:
        """The instructions of these functions."""
        for symbol in symbols:
            section = self._section(symbol.address)
            end = min(symbol.address + symbol.size, section.address + len(section.data))
            yield from self._lines(section, symbol.address, end)

    def _lines(self, section: Section, first: int, last: int) -> Iterator[Line]:
        for address, insn in self._instructions(section, first, last):
            line = self._line(section, address, insn)
            if line is None:
                self.summary.data_bytes += len(insn)
            else:
                self.summary.add(line)
                yield line

    def _named(self, name: str) -> list[Symbol]:
        """Functions and labels of that name; ImageError if there is none in text."""
        wanted = [s for s in (*self.image.functions, *self.image.labels) if s.name == name]
        if not wanted:  # an alias, then
            at = self.image.symbol(name).address
            wanted = [s for s in self._symbols.values() if s.address == at]
        if not wanted:
            raise ImageError(f"{self.image.name}: {name!r} at {at:#x} is not in text")
        return wanted

    def _section(self, addr: int) -> Section:
        index = bisect_right(self.sections, addr, key=lambda section: section.address)
        if index and addr < self.sections[index - 1].address + len(self.sections[index - 1].data):
            return self.sections[index - 1]
        raise ImageError(f"{self.image.name}: no text at {addr:#x}")

    def _instructions(self, section: Section, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Addresses and bytes; an instruction that would reach into the next symbol is cut."""
        for start, end, is_code in self._pieces(section, first, last):
            data = section.data[start - section.address : end - section.address]
            if not is_code:
                self.summary.data_bytes += len(data)
                continue
            at = 0
            while at < len(data):
                size = self._size(data[at : at + max(self.isa.sizes)])
                yield start + at, data[at : at + size]
                at += size

    def _size(self, window: bytes) -> int:
        """Of the instruction, or of the smallest step on from what is none, or does not fit."""
        try:
            size = self.isa.insn_size(window)
        except DecodeError:
            size = len(window) + 1
        return size if size <= len(window) else min(*self.isa.sizes, len(window))

    def _pieces(self, section: Section, first: int, last: int) -> Iterator[tuple[int, int, bool]]:
        """The extent cut at symbols and at borders of code and data."""
        borders = self._starts, self._mapped
        cuts = sorted({first, *(a for all_ in borders for a in _between(all_, first, last))})
        before = _between(self._mapped, section.address - 1, first + 1)
        is_code = self._is_code[before[-1]] if before else True
        for start, end in zip(cuts, [*cuts[1:], last], strict=True):
            is_code = self._is_code.get(start, is_code)
            yield start, end, is_code

    def _line(self, section: Section, address: int, insn: bytes) -> Line | None:
        """None for what even the kernel does not take for an instruction: cut short."""
        symbol, bias = self._symbol(section, address), section.address if self.relocatable else 0
        start = symbol.address - bias if symbol else None
        site = Site(
            insn=insn,
            addr=address - bias,
            read=_reader(section.data, section.address - bias),
            symbol=start,
            reached=self._reached_from(section, start, address - bias),
            in_extable=address in self.image.extable,
            features=self._features,
        )
        offset = address - (symbol or section).address
        try:
            found = opcode_at(self.isa, self.probing, site, self._release)
        except DecodeError:
            return None
        if start is not None and found.judgement.rule not in UNWALKED:
            self._reached = section, start, site.addr
        return Line(site.addr, section, symbol, offset, found)

    def _reached_from(self, section: Section, start: int | None, address: int) -> int | None:
        """See `Site`: walking every time from the start would take hours where symbols are few."""
        if self._reached is None or self._reached[:2] != (section, start) or self._reached[2] > address:
            return None
        return self._reached[2]

    def _symbol(self, section: Section, address: int) -> Symbol | None:
        """As kallsyms finds it: the last one that does not begin behind the address."""
        index = bisect_right(self._starts, address)
        if not index or self._starts[index - 1] < section.address:
            return None
        return self._symbols[self._starts[index - 1]]


def _between(ordered: list[int], low: int, high: int) -> list[int]:
    """Those of the sorted numbers that are above `low` and below `high`."""
    return ordered[bisect_right(ordered, low) : bisect_left(ordered, high)]


def _reader(data: bytes, base: int) -> Callable[[int, int], bytes | None]:
    def read(addr: int, size: int) -> bytes | None:
        offset = addr - base
        return data[offset : offset + size] if offset >= 0 and offset + size <= len(data) else None

    return read
