"""How C-SKY operands are written: as binutils 2.40 prints them, except where tools/check_csky.py says why not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from arches.csky.registers import ABI_NAMES, CONTROL_NAMES, GPR
from emu.bits import mask, sext
from emu.errors import EncodeError
from emu.isa.table_text import Number, OperandKind, PcRelative, Place, RegisterName, parse_number

REGISTER = RegisterName(GPR, ABI_NAMES)

# Operand bits of psrset and psrclr in the order in which they are printed.
PSR_BITS: Mapping[str, int] = {"ee": 8, "ie": 4, "fe": 2, "af": 1, "sie": 16}

FAR = 1020  # bytes: the distance of lrw16.far counts down from here


@dataclass(frozen=True)
class Implied:
    """A register that the mnemonic's form implies; it has no bits in the word."""

    number: int

    def covers(self, name: str) -> tuple[str, ...]:
        return ()

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        return GPR[self.number]

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        if REGISTER.number(text) != self.number:
            raise EncodeError(f"{text!r}: expected {GPR[self.number]}")
        return {}


@dataclass(frozen=True)
class Literal:
    """The address of a word in the text; `down_from` is the distance of the field's value 0 if that counts down."""

    down_from: int | None = None

    def covers(self, name: str) -> tuple[str, ...]:
        return (name,)

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        distance = fields[name] if self.down_from is None else self.down_from - fields[name]
        return f"{(pc + distance) & ~3 & mask(32):#x}"

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        target = PcRelative(absolute=True, bits=32).parse(name, text, place)[name] + place.pc
        if target & 3:
            raise EncodeError(f"{text!r}: expected the address of a word, a multiple of 4")
        distance = sext(target - (place.pc & ~3), 32)
        return {name: distance if self.down_from is None else self.down_from - distance}


class OneHot:
    """The shift of a register index: one of four bits. Of other values binutils prints nothing either."""

    _SHIFTS: Mapping[int, str] = {1: "0", 2: "1", 4: "2", 8: "3"}

    def covers(self, name: str) -> tuple[str, ...]:
        return (name,)

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        return self._SHIFTS.get(fields[name], "")

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        shift = parse_number(text, "a shift of 0..3")
        if not 0 <= shift <= 3:
            raise EncodeError(f"{name} = {shift}: expected 0..3")
        return {name: 1 << shift}


class SpanAndLsb:
    """The bit field of ins: the word holds its lowest bit and how far up the highest one is from there."""

    def covers(self, name: str) -> tuple[str, ...]:
        return ("span", "lsb")

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        return f"{fields['span'] + fields['lsb']}, {fields['lsb']}"

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        high, _, low = text.partition(",")
        msb, lsb = parse_number(high.strip(), "the highest bit"), parse_number(low.strip(), "msb, lsb")
        if not 0 <= lsb <= msb <= 31:
            raise EncodeError(f"{text!r}: expected 31 >= msb >= lsb >= 0")
        return {"span": msb - lsb, "lsb": lsb}


class RegisterRange:
    """The registers of ldm and stm: `rz` and the `count` after it."""

    def covers(self, name: str) -> tuple[str, ...]:
        return ("rz", "count")

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        return f"{GPR[fields['rz']]}-{GPR[fields['rz'] + fields['count']]}"

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        first, last = _range(text)
        return {"rz": first, "count": last - first}


def _range(text: str) -> tuple[int, int]:
    first, dash, last = (part.strip() for part in text.partition("-"))
    low, high = REGISTER.number(first), REGISTER.number(last if dash else first)
    if high < low:
        raise EncodeError(f"{text!r}: expected the lower register first")
    return low, high


class RegisterList:
    """What push and pop move: r4 and up (list bits 3:0 are how many), r15 (4), r16 and up (7:5), r28 (8)."""

    def covers(self, name: str) -> tuple[str, ...]:
        return (name,)

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        value = fields[name]
        parts = [_run(4, value & 15), _run(15, value >> 4 & 1), _run(16, value >> 5 & 7), _run(28, value >> 8)]
        return ", ".join(part for part in parts if part)

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        value = 0
        for part in text.split(","):
            first, last = _range(part.strip())
            value += self._bits(first, last - first + 1, part)
        return {name: value}

    @staticmethod
    def _bits(first: int, count: int, text: str) -> int:
        shifts = {4: (0, 8), 15: (4, 1), 16: (5, 2), 28: (8, 1)}
        shift, most = shifts.get(first, (0, 0))
        if count > most:
            raise EncodeError(f"{text.strip()!r}: expected a list made of r4-r11, r15, r16-r17 and r28")
        return count << shift


def _run(first: int, count: int) -> str:
    if count < 2:
        return GPR[first] if count else ""
    return f"{GPR[first]}-{GPR[first + count - 1]}"


class ControlRegister:
    """`cr<number, bank>`, or a name."""

    def covers(self, name: str) -> tuple[str, ...]:
        return ("cr", "bank")

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        return f"cr<{fields['cr']}, {fields['bank']}>"

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        if text in CONTROL_NAMES:
            number, bank = CONTROL_NAMES[text], 0
        elif match := re.fullmatch(r"cr<\s*(\d{1,9})\s*,\s*(\d{1,9})\s*>", text):
            number, bank = int(match[1]), int(match[2])
        else:
            raise EncodeError(f"{text!r}: expected cr<number, bank> or one of {', '.join(CONTROL_NAMES)}")
        return {"cr": number, "bank": bank}


class PsrBits:
    """The bits that psrset and psrclr name."""

    def covers(self, name: str) -> tuple[str, ...]:
        return (name,)

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        return ", ".join(bit for bit, value in PSR_BITS.items() if fields[name] & value)

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        value = 0
        for bit in text.split(","):
            if bit.strip() not in PSR_BITS:
                raise EncodeError(f"{bit.strip()!r}: expected some of {', '.join(PSR_BITS)}")
            value |= PSR_BITS[bit.strip()]
        return {name: value}


OPERANDS: Mapping[str, OperandKind] = {
    "r28": Implied(28),
    "sp": Implied(14),
    "regs": RegisterRange(),
    "r[xyz]": REGISTER,
    "off": PcRelative(absolute=True, bits=32),
    "lit": Literal(),
    "far": Literal(down_from=FAR),
    "disp": Number(hexadecimal=True),
    "goff": Number(hexadecimal=True),
    "onehot": OneHot(),
    "span_lsb": SpanAndLsb(),
    "list": RegisterList(),
    "creg": ControlRegister(),
    "psr": PsrBits(),
}
