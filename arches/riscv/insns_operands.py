"""How RISC-V operands are written: as LLVM does, with the psABI's register names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emu.bits import mask, sext
from emu.errors import EncodeError
from emu.isa.table_text import Number, OperandKind, PcRelative, Place, RegisterName, parse_number

GPR_NAMES = (
    *("zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1"),
    *(f"a{n}" for n in range(8)),
    *(f"s{n}" for n in range(2, 12)),
    *("t3", "t4", "t5", "t6"),
)
FPR_NAMES = (
    *(f"ft{n}" for n in range(8)),
    *("fs0", "fs1"),
    *(f"fa{n}" for n in range(8)),
    *(f"fs{n}" for n in range(2, 12)),
    *(f"ft{n}" for n in range(8, 12)),
)
GPR = RegisterName(GPR_NAMES, {f"x{n}": n for n in range(32)} | {"fp": 8})
FPR = RegisterName(FPR_NAMES, {f"f{n}": n for n in range(32)})

# Rounding modes by number; 5 and 6 are reserved (unprivileged ISA manual, 21.2).
ROUNDING = ("rne", "rtz", "rdn", "rup", "rmm", "", "", "dyn")


def _counted(pattern: str, first: int, numbers: range) -> dict[int, str]:
    """`mhpmcounter{}` from 3 on, one address each."""
    return {first + n - numbers.start: pattern.format(n) for n in numbers}


CSR: Mapping[int, str] = {
    # Unprivileged: floating point, counters.
    **{0x001: "fflags", 0x002: "frm", 0x003: "fcsr", 0x015: "seed", 0x017: "jvt"},
    **{0x008: "vstart", 0x009: "vxsat", 0x00A: "vxrm", 0x00F: "vcsr", 0xC20: "vl", 0xC21: "vtype", 0xC22: "vlenb"},
    **{0xC00: "cycle", 0xC01: "time", 0xC02: "instret"},
    **_counted("hpmcounter{}", 0xC03, range(3, 32)),
    # Supervisor
    **{0x100: "sstatus", 0x104: "sie", 0x105: "stvec", 0x106: "scounteren", 0x10A: "senvcfg", 0x120: "scountinhibit"},
    **{0x140: "sscratch", 0x141: "sepc", 0x142: "scause", 0x143: "stval", 0x144: "sip", 0x14D: "stimecmp"},
    **{0x180: "satp", 0x5A8: "scontext", 0xDA0: "scountovf"},
    # Hypervisor, and the supervisor registers of its guests
    **{0x200: "vsstatus", 0x204: "vsie", 0x205: "vstvec", 0x240: "vsscratch", 0x241: "vsepc", 0x242: "vscause"},
    **{0x243: "vstval", 0x244: "vsip", 0x24D: "vstimecmp", 0x280: "vsatp"},
    **{0x600: "hstatus", 0x602: "hedeleg", 0x603: "hideleg", 0x604: "hie", 0x605: "htimedelta", 0x606: "hcounteren"},
    **{0x607: "hgeie", 0x60A: "henvcfg", 0x643: "htval", 0x644: "hip", 0x645: "hvip", 0x64A: "htinst"},
    **{0x680: "hgatp", 0x6A8: "hcontext", 0xE12: "hgeip"},
    # Machine
    **{0xF11: "mvendorid", 0xF12: "marchid", 0xF13: "mimpid", 0xF14: "mhartid", 0xF15: "mconfigptr"},
    **{0x300: "mstatus", 0x301: "misa", 0x302: "medeleg", 0x303: "mideleg", 0x304: "mie", 0x305: "mtvec"},
    **{0x306: "mcounteren", 0x30A: "menvcfg", 0x320: "mcountinhibit"},
    **{
        0x340: "mscratch",
        0x341: "mepc",
        0x342: "mcause",
        0x343: "mtval",
        0x344: "mip",
        0x34A: "mtinst",
        0x34B: "mtval2",
    },
    **{0x3A0 + n: f"pmpcfg{n}" for n in range(0, 16, 2)},
    **_counted("pmpaddr{}", 0x3B0, range(0, 64)),
    **{0xB00: "mcycle", 0xB02: "minstret"},
    **_counted("mhpmcounter{}", 0xB03, range(3, 32)),
    **_counted("mhpmevent{}", 0x323, range(3, 32)),
    **{0x747: "mseccfg", 0x7A0: "tselect", 0x7A1: "tdata1", 0x7A2: "tdata2", 0x7A3: "tdata3", 0x7A8: "mcontext"},
    **{0x7B0: "dcsr", 0x7B1: "dpc", 0x7B2: "dscratch0", 0x7B3: "dscratch1"},
}
"""Control and status registers by address (privileged ISA manual, 2.2)."""


class CsrName:
    """A CSR by name, or by number where it has none here."""

    _numbers: Mapping[str, int] = {name: number for number, name in CSR.items()}

    def covers(self, name: str) -> tuple[str, ...]:
        return (name,)

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        return CSR.get(fields[name], str(fields[name]))

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        return {name: self._numbers[text] if text in self._numbers else parse_number(text, "a CSR such as sstatus")}


@dataclass(frozen=True)
class Upper:
    """The upper immediate of lui and auipc: 20 unsigned bits, of which the field may hold only the lowest `stored`.

    c.lui stores six, which are extended with the sign.
    """

    stored: int

    def covers(self, name: str) -> tuple[str, ...]:
        return (name,)

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        return str(fields[name] & mask(20))

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        value = parse_number(text, "the upper 20 bits")
        if not 0 <= value <= mask(20):
            raise EncodeError(f"{name} = {value}: expected 0..{mask(20)}")
        return {name: value if self.stored == 20 else sext(value, 20)}


class RoundingMode:
    """A rounding mode by name."""

    def covers(self, name: str) -> tuple[str, ...]:
        return (name,)

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        return ROUNDING[fields[name]]

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        if not text or text not in ROUNDING:
            raise EncodeError(f"{text!r}: expected a rounding mode: {', '.join(filter(None, ROUNDING))}")
        return {name: ROUNDING.index(text)}


class FenceSet:
    """What a fence orders: a subset of `iorw` in this order; 0 is none."""

    def covers(self, name: str) -> tuple[str, ...]:
        return (name,)

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        return "".join(letter for bit, letter in zip((8, 4, 2, 1), "iorw", strict=True) if fields[name] & bit) or "0"

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        letters = "" if text == "0" else text
        value = sum(8 >> "iorw".index(letter) for letter in letters if letter in "iorw")
        if self.format(name, {name: value}, 0) != text:
            raise EncodeError(f"{text!r}: expected some of iorw in this order, or 0")
        return {name: value}


class StackPointer:
    """The `sp` that a compressed instruction implies."""

    def covers(self, name: str) -> tuple[str, ...]:
        return ()

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        return "sp"

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        if GPR.number(text) != 2:
            raise EncodeError(f"{text!r}: expected sp")
        return {}


class SameTwice:
    """A register that two fields hold: the source of fmv.d, which is fsgnj.d of a register with itself."""

    def covers(self, name: str) -> tuple[str, ...]:
        return ("fs1", "fs2")

    def format(self, name: str, fields: Mapping[str, int], pc: int) -> str:
        return FPR.format("fs1", fields, pc)

    def parse(self, name: str, text: str, place: Place) -> Mapping[str, int]:
        return dict.fromkeys(("fs1", "fs2"), FPR.number(text))


# By name of the operand in insns.decode, first match; immediates are plain numbers.
KINDS: Mapping[str, OperandKind] = {
    "rm": RoundingMode(),
    "r*": GPR,
    "fboth": SameTwice(),
    "f*": FPR,
    "off": PcRelative(absolute=False),
    "hi": Upper(stored=20),
    "chi": Upper(stored=6),
    "csr": CsrName(),
    "pred": FenceSet(),
    "succ": FenceSet(),
    "sp": StackPointer(),
    "imm": Number(),
}
