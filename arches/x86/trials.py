"""Random encodings for every row of the x86-64 tables, for tools that try them all.

x86 has no word space to count through, so a row stands for its opcodes with any prefixes and operands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from arches.x86.insns import MAX_INSN_LENGTH, Shape, decode, decode_fields, shape_of, shapes, split_prefixes
from arches.x86.insns_fields import X86Insn, decode_x86
from arches.x86.isa import insn_size
from arches.x86.verdict_rules import Pattern, Rule, find_rule, rules
from emu.bits import mask
from emu.errors import DecodeError, UsageError
from emu.trials import Limit, TrialRow, Trials
from emu.verdict.site import Release

TRIES = 10_000  # a row with fewer good encodings than one in this many is a mistake in the table
MANDATORY_PREFIXES = (b"", b"\x66", b"\xf2", b"\xf3")  # they choose among instructions in the escaped maps
CONTROL = frozenset({"jump", "call", "ret", "int", "iret", "privilege"})  # Capstone's groups
STRINGS = frozenset({*range(0xA4, 0xA8), *range(0xAA, 0xB0)})
LEAVE, INT1, HLT = 0xC9, 0xF1, 0xF4
NEAR_BRANCHES = bytes([0xC2, 0xC3, 0xE8, 0xE9, 0xEB, *range(0x70, 0x80), *range(0xE0, 0xE4)])
REPEATS = 8  # of a string instruction, at most
NEAR = 1 << 11  # RIP-relative operands and 32-bit branches stay this close, in bytes


@dataclass(frozen=True)
class OpcodeRow:
    """One row of a table. `defined` rows give what Capstone takes for instructions too, with the kernel's length."""

    name: str
    table: str
    defined: bool
    example: bytes


@cache
def opcode_rows() -> tuple[OpcodeRow, ...]:
    """Every row of `insns.decode`, then every name in the refusing and emulating sections of `kprobes.rules`."""
    rng = Random(1)
    found = [
        OpcodeRow(shape.name, "opcodes", "no" not in shape.examples, examples(shape.name, rng)) for shape in shapes()
    ]
    for name, rule in _named_rules().items():
        defined = rule.decision == "simulate" and all("no" not in _shape(p).examples for p in rule.patterns)
        found.append(OpcodeRow(name, "kprobes", defined, examples(name, rng)))
    return tuple(found)


def examples(row_name: str, rng: Random) -> bytes:
    """One random encoding of a row; UsageError for a name that no row has.

    A row of `kprobes.rules` decides about its encodings, in the newest release that has it. Encodings of defined
    rows from `insns.decode` change neither RIP nor IF unless the row says so.
    """
    rule = _named_rules().get(row_name)
    if rule is not None:
        return _of_rule(rule, rng)
    for shape in shapes():
        if shape.name == row_name:
            return _of_shape(shape, rng)
    raise UsageError(f"row {row_name!r}: expected a row of insns.decode or kprobes.rules")


@cache
def _named_rules() -> dict[str, Rule]:
    return {rule.name: rule for rule in rules() if rule.section != "boost"}


def _shape(pattern: Pattern) -> Shape:
    shape = shape_of(pattern.opcode)
    assert shape is not None, pattern  # the tables' tests see to it
    return shape


def _of_rule(rule: Rule, rng: Random) -> bytes:
    pattern = rng.choice(rule.patterns)
    release = rule.span.since if rule.span.until is not None else None

    def fits(insn: X86Insn) -> bool:
        return find_rule(rule.section, insn, release) == rule

    return _search(_shape(pattern), (pattern.opcode,), rng, fits)


def _of_shape(shape: Shape, rng: Random) -> bytes:
    def fits(insn: X86Insn) -> bool:
        return insn.opcode in shape.opcodes and ("run" not in shape.examples or not CONTROL & insn.groups)

    return _search(shape, shape.opcodes, rng, fits)


def _search(shape: Shape, opcodes: tuple[bytes, ...], rng: Random, fits: Callable[[X86Insn], bool]) -> bytes:
    for _ in range(TRIES):
        code = _encoding(shape, rng.choice(opcodes), rng)
        insn = decode(code)
        if insn is None or insn.size != len(code) or not fits(insn):
            continue
        if "no" in shape.examples or _is_instruction(code):
            return code
    raise UsageError(f"row {shape.name}: no encoding found in {TRIES} tries")


def _is_instruction(code: bytes) -> bool:
    insn = decode_x86(code)
    return insn is not None and insn.size == len(code)


def _encoding(shape: Shape, opcode: bytes, rng: Random) -> bytes:
    """Prefixes, opcode, and as many operand bytes as the kernel's decoder wants to see."""
    modrm = bytes([_modrm(shape, rng)]) if shape.modrm else b""
    head = _prefixes(shape, opcode, modrm, rng) + opcode + modrm
    padded = head + rng.randbytes(15 - len(head)) if len(head) < 15 else head
    insn = decode_fields(padded)
    if insn is None:
        return padded
    return _keep_near(insn, rng)


def _modrm(shape: Shape, rng: Random) -> int:
    modrm = rng.randrange(256)
    return modrm & 0x3F | rng.randrange(3) << 6 if "mem" in shape.examples else modrm


def _prefixes(shape: Shape, opcode: bytes, modrm: bytes, rng: Random) -> bytes:
    prefixes = b""
    if len(opcode) > 1:
        prefixes += rng.choice(MANDATORY_PREFIXES)
    elif rng.random() < 0.2 and not shape.force64:  # processors do not agree on near branches with it
        prefixes += b"\x66"
    if rng.random() < 0.05:
        prefixes += b"\x67"
    if "string" in shape.examples:
        prefixes += rng.choice((b"", b"\xf2", b"\xf3"))
    if "lock" in shape.examples and modrm < b"\xc0" and rng.random() < 0.2:
        prefixes += b"\xf0"
    rex = bytes([0x40 | rng.randrange(16)]) if rng.random() < 0.5 else b""
    return prefixes + rex


def _keep_near(insn: X86Insn, rng: Random) -> bytes:
    """The instruction's bytes with its RIP-relative operand or 32-bit branch distance made small."""
    code = bytearray(insn.code)
    near = rng.randrange(-NEAR, NEAR).to_bytes(4, "little", signed=True)
    if insn.rip_relative and insn.disp_size == 4:
        code[insn.disp_offset : insn.disp_offset + 4] = near
    shape = shape_of(insn.opcode)
    if shape is not None and "branch" in shape.examples and insn.imm_size == 4:
        code[insn.imm_offset : insn.imm_offset + 4] = near
    return bytes(code)


# For trying them under probes


def rows(_release: Release | None) -> Sequence[TrialRow]:
    """The same rows in all releases: what a release does not know it does not refuse."""
    return [TrialRow(row.table, row.name, _maker(row.name)) for row in opcode_rows()]


def _maker(name: str) -> Callable[[Random], bytes]:
    return lambda rng: examples(name, rng)


def _opcode(insn: bytes) -> int:
    return insn[split_prefixes(insn).length]


def more(insn: bytes, way: int) -> bool:
    """A repeated string instruction is a step for each element."""
    return way == 0 and _opcode(insn) in STRINGS and (b"\xf2" in insn[:-1] or b"\xf3" in insn[:-1])


def steer(insn: bytes, regs: dict[str, int], rng: Random) -> None:
    """String instructions and leave work on the stack's surroundings, and end; lengths are small."""
    stack = regs.get("rsp", 0)
    if _opcode(insn) in STRINGS:
        regs["rcx"] = rng.randrange(REPEATS)
        regs["rsi"], regs["rdi"] = stack + rng.randrange(256), stack - rng.randrange(256)
    elif takes_lengths(insn):
        regs["rax"], regs["rdx"] = rng.randint(1, 40), rng.randint(1, 40)
    elif _opcode(insn) == LEAVE:
        regs["rbp"] = stack + 8 * rng.randrange(16)


def takes_lengths(insn: bytes) -> bool:
    """pcmpestrm and pcmpestri, whose strings are as long as eax and edx say."""
    found = decode_fields(insn)
    return found is not None and found.opcode in (b"\x0f\x3a\x60", b"\x0f\x3a\x61")


def beyond(insn: bytes, regs: Mapping[str, int]) -> str | None:
    lengths = [regs.get(name, 0) for name in ("rax", "rdx")] if takes_lengths(insn) else []
    if any(length == 1 << 63 or length & mask(32) == 1 << 31 for length in lengths):
        return "a string's length that has no absolute value: the engine does not survive it"
    return None


def is_near_branch(insn: X86Insn) -> bool:
    opcode = insn.opcode
    if opcode == b"\xff":
        return (insn.modrm or 0) >> 3 & 7 in (2, 4)
    return opcode[:1] in NEAR_BRANCHES if len(opcode) == 1 else opcode[0] == 0x0F and opcode[1] >> 4 == 8


def cuts_the_target(insn: bytes) -> bool:
    """A near branch with an operand size of 16 bits."""
    found = decode_fields(insn)
    return found is not None and not found.vex and b"\x66" in found.prefixes and is_near_branch(found)


def releases_much(insn: bytes) -> bool:
    """ret imm16 with the immediate's highest bit set."""
    found = decode_fields(insn)
    return found is not None and found.opcode == b"\xc2" and found.imm & 0x8000 != 0


def has_another_length(insn: bytes) -> bool:
    """To Capstone, which sides with processors (tools/check_x86.py lists them), or as extrq and insertq of SSE4a."""
    found = decode_fields(insn)
    if found is not None and found.opcode == b"\x0f\x78" and set(b"\x66\xf2") & set(found.prefixes):
        return True
    try:
        return insn_size(insn + bytes(MAX_INSN_LENGTH)) != len(insn)
    except DecodeError:
        return False


def differs_each_time(insn: bytes) -> bool:
    """rdpmc, rdrand and rdseed; rdtsc and rdtscp count how often they were asked (`arches.x86.unicorn`)."""
    found = decode_fields(insn)
    if found is None or found.vex:
        return False
    modrm = found.modrm or 0
    return found.opcode == b"\x0f\x33" or (found.opcode == b"\x0f\xc7" and modrm >= 0xC0 and modrm >> 3 & 7 >= 6)


def sets_the_machine_up(insn: bytes) -> bool:
    """mov to control and debug registers."""
    found = decode_fields(insn)
    return found is not None and not found.vex and found.opcode in (b"\x0f\x22", b"\x0f\x23")


TRIALS = Trials(
    rows=rows,
    canary=bytes.fromhex("49 83 c1 01"),  # add r9, 1
    base=0xFFFF_FFFF_8100_0000,
    literals=True,
    limits=(
        Limit("near branch with prefix 66", cuts_the_target, "processors differ: the engine cuts IP to 16 bits"),
        Limit("length", has_another_length, "to processors it has another one than to the kernel's decoder"),
        Limit(
            "changes by itself",
            differs_each_time,
            "what the host would count, or its random number, is another one each time",
        ),
        Limit("mode", sets_the_machine_up, "the engine would go on in another mode than the kernel's"),
        Limit("hlt", lambda insn: _opcode(insn) == HLT, "no interrupt would end it here"),
        Limit("int1", lambda insn: _opcode(insn) == INT1, "its debug trap is not told from that of a step"),
        Limit("ret imm16 from 0x8000", releases_much, "the engine takes the immediate for a signed one"),
    ),
    more=more,
    steer=steer,
    beyond=beyond,
)
