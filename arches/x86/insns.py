"""Instructions as the kernel's own decoder takes them apart, from the rows of `insns.decode`.

Capstone knows instructions; the kernel knows shapes: what follows an opcode byte, valid or not. Where a kprobe
may go is decided by the second (`insn_decode` in arch/x86/lib/insn.c), which calls `06` an instruction of one
byte and reads a 32-bit distance behind `66 e9`. Behind VEX and EVEX, where the kernel's map holds thousands of
rows, Capstone's answer stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

from arches.x86.insns_fields import LEGACY_PREFIXES, VEX_LENGTHS, X86Insn, decode_x86
from emu.errors import TableError
from emu.verdict.site import Release, parse_release

MAX_INSN_LENGTH = 15  # bytes; Intel SDM vol. 2A, 2.3.11
EMULATE_PREFIXES = (b"\x0f\x0bxen", b"\x0f\x0bkvm")  # forced emulation; arch/x86/include/asm/emulate_prefix.h
MAPS = {"1": b"", "0f": b"\x0f", "0f38": b"\x0f\x38", "0f3a": b"\x0f\x3a"}
IMMEDIATES = ("ib", "iw", "iz", "iv")
FLAGS = ("modrm", "moffs", "f64", "i64", "bad", "-")
TABLE = Path(__file__).with_name("insns.decode")


@dataclass(frozen=True)
class Shape:
    """One row of `insns.decode`.

    `opcodes` have their escape bytes. `regs` are the values of ModRM.reg with the immediate, None for all.
    """

    name: str
    opcodes: tuple[bytes, ...]
    modrm: bool
    moffs: bool
    immediates: tuple[str, ...]
    regs: frozenset[int] | None
    force64: bool
    force64_until: Release | None
    valid: bool  # False for bytes that 64-bit mode does not define
    examples: frozenset[str]

    def operand_size_fixed(self, release: Release | None) -> bool:
        """Whether the kernel ignores prefix 66 when it sizes the immediate."""
        until = self.force64_until
        return self.force64 or (until is not None and release is not None and release < until)


@dataclass(frozen=True)
class Prefixes:
    """What stands before the opcode: `legacy` in memory order, and how many bytes of forced-emulation prefix."""

    emulate: int
    legacy: bytes
    rex: int
    operand_size: int
    address_size: int
    length: int


def byte_ranges(text: str, escape: bytes, place: str) -> tuple[bytes, ...]:
    """`00-03,08` as opcodes behind `escape`; TableError for anything that is not hex bytes in order."""
    opcodes: list[bytes] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        try:
            low, high = int(first, 16), int(last or first, 16)
        except ValueError:
            raise TableError(f"{place}: opcode {part!r}: expected hex bytes such as 70-7f") from None
        if not 0 <= low <= high <= 0xFF:
            raise TableError(f"{place}: opcode {part!r}: expected bytes in ascending order")
        opcodes += [escape + bytes([byte]) for byte in range(low, high + 1)]
    return tuple(opcodes)


def parse_shapes(text: str, place: str) -> tuple[Shape, ...]:
    """The rows of an opcode table; TableError names the line of a bad one, or of an opcode that has two rows."""
    shapes: list[Shape] = []
    owner: dict[bytes, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        shape = _parse_shape(line, f"{place}:{number}")
        for opcode in shape.opcodes:
            if opcode in owner:
                raise TableError(f"{place}:{number}: {shape.name}: opcode {opcode.hex()} is in row {owner[opcode]} too")
            owner[opcode] = shape.name
        shapes.append(shape)
    return tuple(shapes)


def _parse_shape(line: str, place: str) -> Shape:
    columns = line.split()
    if len(columns) != 5 or columns[1] not in MAPS:
        raise TableError(f"{place}: {line!r}: expected name, map (one of {', '.join(MAPS)}), opcodes, fields, examples")
    name, table, opcodes, fields, examples = columns
    immediates, regs, until = [], None, None
    for field in fields.split(","):
        kind, _, limit = field.partition("/")
        if kind in IMMEDIATES:
            immediates.append(kind)
            regs = frozenset(int(digit) for digit in limit) if limit else regs
        elif field.startswith("d64.until="):
            until = parse_release(field.removeprefix("d64.until="))
        elif field not in FLAGS:
            raise TableError(f"{place}: field {field!r}: expected one of {', '.join(IMMEDIATES + FLAGS)}")
    given = fields.split(",")
    return Shape(
        name=name,
        opcodes=byte_ranges(opcodes, MAPS[table], place),
        modrm="modrm" in given,
        moffs="moffs" in given,
        immediates=tuple(immediates),
        regs=regs,
        force64="f64" in given,
        force64_until=until,
        valid="i64" not in given and "bad" not in given,
        examples=frozenset(examples.split(",")),
    )


@cache
def shapes() -> tuple[Shape, ...]:
    return parse_shapes(TABLE.read_text(encoding="ascii"), TABLE.name)


@cache
def _by_opcode() -> Mapping[bytes, Shape]:
    return {opcode: shape for shape in shapes() for opcode in shape.opcodes}


def shape_of(opcode: bytes) -> Shape | None:
    """The row of an opcode with its escape bytes; None for prefixes, which the kernel takes for an opcode at times."""
    return _by_opcode().get(opcode)


def split_prefixes(code: bytes) -> Prefixes:
    """Prefixes as the kernel counts them: a fifth different one is the opcode, and so is one behind REX."""
    emulate = next((len(prefix) for prefix in EMULATE_PREFIXES if code.startswith(prefix)), 0)
    at, seen = emulate, set[int]()
    while at < len(code) and code[at] in LEGACY_PREFIXES and (code[at] in seen or len(seen) < 4):
        seen.add(code[at])
        at += 1
    legacy = code[emulate:at]
    rex = code[at] if at < len(code) and code[at] & 0xF0 == 0x40 else 0
    operand_size = 8 if rex & 8 else 2 if 0x66 in seen else 4
    return Prefixes(emulate, legacy, rex, operand_size, 4 if 0x67 in seen else 8, at + (rex != 0))


def decode(code: bytes, addr: int = 0, release: Release | None = None) -> X86Insn | None:
    """The instruction that the kernel's decoder finds at the start of `code`; None if it finds none or is cut short.

    The text and groups are Capstone's where it sees the same bytes, else the mnemonic is `(bad)`. A
    forced-emulation prefix is part of the instruction but not of its `prefixes`.
    """
    found = decode_fields(code, addr, release)
    return None if found is None else _with_text(found)


@lru_cache(maxsize=1 << 16)
def decode_fields(code: bytes, addr: int = 0, release: Release | None = None) -> X86Insn | None:
    """As `decode`, many times faster: text and groups mean nothing."""
    code = code[:MAX_INSN_LENGTH]
    prefixes = split_prefixes(code)
    if prefixes.length >= len(code):
        return None
    if code[prefixes.length] in VEX_LENGTHS:
        return _decode_vex(code, addr, prefixes)
    return _decode_shape(code, addr, prefixes, release)


def length(code: bytes, release: Release | None = None) -> int | None:
    """Bytes in the instruction that the kernel's decoder finds at the start of `code`."""
    found = decode_fields(code, 0, release)
    return None if found is None else found.size


def _decode_vex(code: bytes, addr: int, prefixes: Prefixes) -> X86Insn | None:
    """Capstone's answer without the prefixes before VEX: the kernel skips those that make processors refuse it."""
    found = decode_x86(code[prefixes.length :], addr + prefixes.length)
    if found is None:
        return None
    shift = prefixes.length
    return replace(
        found,
        addr=addr,
        code=code[: shift + found.size],
        prefixes=prefixes.legacy,
        rex=prefixes.rex,
        disp_offset=found.disp_offset + shift if found.disp_size else 0,
        imm_offset=found.imm_offset + shift if found.imm_size else 0,
        addr_size=prefixes.address_size,
    )


def _decode_shape(code: bytes, addr: int, prefixes: Prefixes, release: Release | None) -> X86Insn | None:
    opcode = _opcode(code[prefixes.length :])
    if opcode in MAPS.values():
        return None  # an escape and nothing behind it
    shape = shape_of(opcode)
    at = prefixes.length + len(opcode)
    modrm = sib = None
    disp_offset = disp_size = 0
    if shape is not None and shape.modrm:
        modrm, sib, disp_size = _modrm(code[at : at + 2])
        if modrm is None:
            return None
        at += 1 + (sib is not None)
        disp_offset = at if disp_size else 0
        at += disp_size
    imm_size = 0 if shape is None else _immediate_size(shape, modrm, prefixes, release)
    imm_offset = at if imm_size else 0
    end = at + imm_size
    if end > len(code):
        return None
    return X86Insn(
        addr=addr, code=code[:end], mnemonic="(bad)", operands="", prefixes=prefixes.legacy, rex=prefixes.rex, vex=b"",
        opcode=opcode, modrm=modrm, sib=sib,
        disp=_signed(code, disp_offset, disp_size), disp_offset=disp_offset, disp_size=disp_size,
        imm=_signed(code, imm_offset, imm_size), imm_offset=imm_offset, imm_size=imm_size,
        addr_size=prefixes.address_size, groups=frozenset(),
    )  # fmt: skip


def _opcode(rest: bytes) -> bytes:
    if rest[:2] in (b"\x0f\x38", b"\x0f\x3a"):
        return rest[:3]
    return rest[:2] if rest[0] == 0x0F else rest[:1]


def _modrm(rest: bytes) -> tuple[int | None, int | None, int]:
    """ModRM, SIB if there is one, and the size of the displacement; Intel SDM vol. 2A, 2.1.3 and 2.2.1.2."""
    if not rest:
        return None, None, 0
    modrm = rest[0]
    mod, rm = modrm >> 6, modrm & 7
    if mod == 3:
        return modrm, None, 0
    sib = None
    if rm == 4:
        if len(rest) < 2:
            return None, None, 0
        sib = rest[1]
    no_base = rm == 5 or (sib is not None and sib & 7 == 5)
    return modrm, sib, {0: 4 if no_base else 0, 1: 1, 2: 4}[mod]


def _immediate_size(shape: Shape, modrm: int | None, prefixes: Prefixes, release: Release | None) -> int:
    if shape.moffs:
        return prefixes.address_size
    if shape.regs is not None and (modrm is None or modrm >> 3 & 7 not in shape.regs):
        return 0
    operand = 8 if shape.operand_size_fixed(release) else prefixes.operand_size
    sizes = {"ib": 1, "iw": 2, "iz": min(operand, 4), "iv": operand}
    return sum(sizes[kind] for kind in shape.immediates)


def _signed(code: bytes, offset: int, size: int) -> int:
    return int.from_bytes(code[offset : offset + size], "little", signed=True)


def _with_text(found: X86Insn) -> X86Insn:
    """Capstone's text and groups, where it means the same bytes."""
    text = decode_x86(found.code, found.addr)
    if text is None or text.size != found.size:
        return found
    return replace(found, mnemonic=text.mnemonic, operands=text.operands, groups=text.groups)
