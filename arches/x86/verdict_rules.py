"""The rows of `kprobes.rules`: what Linux does with an opcode, in sections, by release."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from arches.x86.insns import byte_ranges
from arches.x86.insns_fields import X86Insn
from emu.errors import TableError
from emu.verdict.release import Release, Span
from emu.verdict.rules import parse_span

SECTIONS = ("can_probe", "copy", "emulate", "boost")
DECISIONS = ("reject", "simulate", "yes", "no")
OPERANDS = ("", "mod3", "mem", "addr32")
TABLE = Path(__file__).with_name("kprobes.rules")


@dataclass(frozen=True)
class Pattern:
    """Opcode bytes, and what ModRM or the address size must be."""

    opcode: bytes
    reg: int | None = None
    operand: str = ""

    def matches(self, insn: X86Insn) -> bool:
        """Whether a decoded instruction with this opcode fits the rest of the pattern.

        An absent ModRM reads as 0, as in the kernel.
        """
        modrm = insn.modrm or 0
        if self.reg is not None and self.reg != modrm >> 3 & 7:
            return False
        fits = {"": True, "mod3": modrm >> 6 == 3, "mem": modrm >> 6 != 3, "addr32": insn.addr_size != 8}
        return fits[self.operand]


@dataclass(frozen=True)
class Rule:
    """One row. `detail` is the errno of a refusal or the action of a simulation."""

    section: str
    name: str
    patterns: tuple[Pattern, ...]
    span: Span
    decision: str
    detail: str
    why: str

    def in_force(self, release: Release | None) -> bool:
        """Whether the row holds in a release; None is the newest."""
        return self.span.holds(release)


def parse_rules(text: str, place: str) -> tuple[Rule, ...]:
    """All rows of a rule file; TableError names the line of a bad one."""
    rules: list[Rule] = []
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{place}:{number}"
        if line.startswith("["):
            section = line.strip("[] ")
            if section not in SECTIONS:
                raise TableError(f"{where}: section {line!r}: expected one of {', '.join(SECTIONS)}")
        elif line.strip() and not line.startswith("#"):
            rules.append(_parse_rule(line, section, where))
    return tuple(rules)


def _parse_rule(line: str, section: str, place: str) -> Rule:
    columns = line.split(None, 4)
    if not section or len(columns) != 5 or columns[3] not in DECISIONS:
        raise TableError(f"{place}: {line!r}: expected name, opcode, releases, decision, why, in a section")
    name, opcode, releases, decision, why = columns
    detail = ""
    if decision in ("reject", "simulate"):
        detail, _, why = why.partition(" ")
    span = parse_span(releases, place)
    patterns = tuple(pattern for part in opcode.split(",") for pattern in _patterns(part, place))
    return Rule(section, name, patterns, span, decision, detail, why.strip())


def _patterns(text: str, place: str) -> list[Pattern]:
    opcode, _, operand = text.partition(":")
    opcode, _, reg = opcode.partition("/")
    if operand not in OPERANDS or (reg and reg not in "01234567"):
        raise TableError(f"{place}: opcode {text!r}: expected such as 70-7f, 0f.01/0:mod3, ff/2:mem")
    escape = b"\x0f" if opcode.startswith("0f.") else b""
    found = byte_ranges(opcode.removeprefix("0f."), escape, place)
    return [Pattern(bytes_, int(reg) if reg else None, operand) for bytes_ in found]


@cache
def rules() -> tuple[Rule, ...]:
    return parse_rules(TABLE.read_text(encoding="ascii"), TABLE.name)


@cache
def _index(section: str, release: Release | None) -> Mapping[bytes, list[tuple[Pattern, Rule]]]:
    rows: dict[bytes, list[tuple[Pattern, Rule]]] = defaultdict(list)
    for rule in rules():
        if rule.section == section and rule.in_force(release):
            for pattern in rule.patterns:
                rows[pattern.opcode].append((pattern, rule))
    return rows


def find_rule(section: str, insn: X86Insn, release: Release | None) -> Rule | None:
    """The first row of a section that matches; None if no row does."""
    for pattern, rule in _index(section, release).get(insn.opcode, ()):
        if pattern.matches(insn):
            return rule
    return None
