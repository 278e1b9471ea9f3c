"""One trial as text: `word=0x1e080004 at=0x200000 r5=0x1 mem=0x300000:ff`, to be pasted back.

What is not mentioned is zero; the status word, and registers that programs do not compute with, are as after reset.
`mem` are bytes of the bench's buffer. `next` is the instruction behind (the delay slot's, where there is one), `then` a
second probed instruction that the same CPU executes afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from emu.bits import mask
from emu.errors import UsageError
from emu.foreign import whole_number
from emu.isa.isa import Isa, check_whole
from emu.machine.bench import changed_runs


@dataclass(frozen=True)
class Case:
    """An instruction in memory order, its address, and the state that it starts from."""

    insn: bytes
    at: int
    regs: Mapping[str, int] = field(default_factory=dict)
    mem: Mapping[int, bytes] = field(default_factory=dict)
    following: bytes = b""
    then: bytes = b""


def format_case(case: Case, isa: Isa) -> str:
    """One line that `parse_case` reads; registers by their printed names."""
    parts = [f"word={isa.word(case.insn)}", f"at={case.at:#x}"]
    if case.following:
        parts.append(f"next={isa.word(case.following)}")
    parts += [f"{name}={value:#x}" for name, value in case.regs.items()]
    runs = [f"{addr:#x}:{data.hex()}" for start, run in case.mem.items() for addr, data in nonzero_runs(start, run)]
    if runs:
        parts.append(f"mem={','.join(runs)}")
    if case.then:
        parts.append(f"then={isa.word(case.then)}")
    return " ".join(parts)


def nonzero_runs(start: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """The bytes that are not zero, in runs."""
    yield from changed_runs(start, bytes(len(data)), data)


def parse_case(text: str, isa: Isa) -> Case:
    """The case that a line says; UsageError with what is wrong, DecodeError for a word that is none."""
    fields = _pairs(text)
    for needed in ("word", "at"):
        if needed not in fields:
            raise UsageError(f"case {text!r}: expected word=... at=... and what is not zero")
    words = {name: isa.parse_word(fields.pop(name)) for name in ("word", "next", "then") if name in fields}
    for insn in words.values():
        check_whole(isa, insn)
    at, mem = _number(fields.pop("at"), "at"), _memory(fields.pop("mem", ""))
    regs = dict(_register(name, value, isa) for name, value in fields.items())
    return Case(words["word"], at, regs, mem, words.get("next", b""), words.get("then", b""))


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in text.split():
        name, equals, value = part.partition("=")
        if not equals or not value or name in pairs:
            raise UsageError(f"case: {part!r}: expected NAME=VALUE, each name once")
        pairs[name] = value
    return pairs


def _number(text: str, name: str) -> int:
    try:
        return whole_number(text)
    except ValueError:
        raise UsageError(f"case: {name}={text}: expected a whole number such as 18 or 0x12") from None


def _memory(text: str) -> dict[int, bytes]:
    runs: dict[int, bytes] = {}
    for part in filter(None, text.split(",")):
        addr, _, data = part.partition(":")
        try:
            runs[_number(addr, "mem")] = bytes.fromhex(data)
        except ValueError:
            raise UsageError(f"case: mem={part}: expected ADDR:HEX") from None
    return runs


def _register(name: str, text: str, isa: Isa) -> tuple[str, int]:
    file, value = isa.registers, _number(text, name)
    name = file.canonical(name)
    bits = file.width(name)
    if name == "pc" or not -(1 << bits - 1) <= value <= mask(bits):
        raise UsageError(f"case: {name}={text}: expected a register other than the pc, and {bits} bits")
    return name, value & mask(bits)
