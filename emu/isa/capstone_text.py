"""Instructions as Capstone sees them: text, lengths, x86 fields and memory operands.

The only file that imports Capstone. A decoder is named by Capstone's own constants without their prefixes
(`Decoder("ARM64", ("ARM",))`), so that architectures need not import it. Results depend on the bytes and
the address only and are cached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import capstone

from emu.errors import DecodeError

LEGACY_PREFIXES = frozenset(b"\xf0\xf2\xf3\x2e\x36\x3e\x26\x64\x65\x66\x67")  # Intel SDM vol. 2A, 2.1.1
VEX_LENGTHS = {0xC5: 2, 0xC4: 3, 0x62: 4}  # two-byte VEX, three-byte VEX, EVEX; this is 64-bit mode
SKIPPED = ".byte"  # what Capstone calls bytes that are no instruction
ESCAPES = (0x38, 0x3A)  # second opcode byte of the three-byte maps


@dataclass(frozen=True)
class Decoder:
    """Which Capstone decoder: `CS_ARCH_<arch>` with every `CS_MODE_<mode>` or-ed."""

    arch: str
    modes: tuple[str, ...]


X86_64 = Decoder("X86", ("64",))


def _open(decoder: Decoder) -> Any:
    mode = 0
    for name in decoder.modes:
        mode |= getattr(capstone, f"CS_MODE_{name}")
    return capstone.Cs(getattr(capstone, f"CS_ARCH_{decoder.arch}"), mode)


@cache
def _engine(decoder: Decoder) -> Any:
    engine = _open(decoder)
    engine.detail = True
    return engine


def _decode(decoder: Decoder, insn: bytes, addr: int) -> Any | None:
    """Capstone's object for the instruction that starts `insn`, None if it knows none."""
    return next(iter(_engine(decoder).disasm(insn, addr, 1)), None)


@lru_cache(maxsize=1 << 16)
def disassemble(decoder: Decoder, insn: bytes, addr: int) -> str:
    """One instruction's text as Capstone spells it; DecodeError if it is none.

    Bytes after the first instruction are ignored.
    """
    found = _decode(decoder, insn, addr)
    if found is None:
        raise DecodeError(f"bytes {insn.hex()} at {addr:#x}: no {decoder.arch} instruction")
    return f"{found.mnemonic} {found.op_str}".rstrip()


@cache
def _scanner(decoder: Decoder) -> Any:
    engine = _open(decoder)
    engine.skipdata = True
    return engine


def disassemble_words(decoder: Decoder, words: Sequence[int]) -> list[str | None]:
    """The text of each of many 4-byte words (None: no instruction) of an ISA that has no other size; not cached.

    Each word is disassembled at 4 times its index, since PC-relative operands are shown as addresses.
    """
    code = b"".join(word.to_bytes(4, "little") for word in words)
    found = _scanner(decoder).disasm_lite(code, 0)
    return [None if mnemonic == SKIPPED else f"{mnemonic} {text}".rstrip() for _, _, mnemonic, text in found]


def groups(decoder: Decoder, insn: bytes, addr: int = 0) -> frozenset[str]:
    """Capstone's groups of the instruction that starts `insn` (jump, call, ret, branch_relative, ...), none if none."""
    found = _decode(decoder, insn, addr)
    return frozenset() if found is None else frozenset(found.group_name(group) for group in found.groups)


@lru_cache(maxsize=1 << 16)
def insn_length(insn: bytes, decoder: Decoder = X86_64) -> int | None:
    """Bytes in the instruction that starts `insn`; None if it is none, or is cut short."""
    found = _decode(decoder, insn, 0)
    return None if found is None else int(found.size)


@dataclass(frozen=True)
class Operand:
    """One operand as Capstone tells it; names of registers are Capstone's, None where there is no register.

    A register has `register`; an immediate `value`; a memory operand `memory` set, `register` as its base, `index`,
    `scale` (a power of two; of a shift too), `value` as its displacement and `extend` (ARM64: `uxtw`, `sxtw`..).
    `size` in bytes, `reads` and `writes` are to be trusted on x86 only: elsewhere Capstone 5 has none or wrong ones.
    """

    register: str | None
    value: int = 0
    memory: bool = False
    index: str | None = None
    scale: int = 1
    extend: str = ""
    size: int = 0
    reads: bool = False
    writes: bool = False


@dataclass(frozen=True)
class Decoded:
    """One instruction's mnemonic, the text of its operands, size in bytes and operands in the text's order."""

    mnemonic: str
    text: str
    size: int
    operands: tuple[Operand, ...]


EXTENDS = {
    getattr(capstone.arm64, f"ARM64_EXT_{sign}XT{width}"): f"{sign}xt{width}".lower()
    for sign in "US"
    for width in "BHWX"
}


@lru_cache(maxsize=1 << 16)
def decode(decoder: Decoder, insn: bytes, addr: int) -> Decoded | None:
    """The instruction that starts `insn` with its operands; None if Capstone knows none."""
    found = _decode(decoder, insn, addr)
    if found is None:
        return None
    operands = tuple(_operand(found, operand) for operand in found.operands)
    return Decoded(found.mnemonic, found.op_str, found.size, operands)


def _operand(found: Any, operand: Any) -> Operand:
    if operand.type == capstone.CS_OP_REG:
        return Operand(found.reg_name(operand.reg))
    if operand.type == capstone.CS_OP_MEM:
        return _memory(found, operand)
    return Operand(None, operand.imm if operand.type == capstone.CS_OP_IMM else 0)


def _memory(found: Any, operand: Any) -> Operand:
    where = operand.mem
    index = getattr(where, "index", 0)
    shift = getattr(operand, "shift", None)
    access = getattr(operand, "access", 0)
    return Operand(
        found.reg_name(where.base) if where.base else None,
        where.disp,
        memory=True,
        index=found.reg_name(index) if index else None,
        scale=1 << shift.value if shift is not None else getattr(where, "scale", 1),
        extend=EXTENDS.get(getattr(operand, "ext", 0), ""),
        size=getattr(operand, "size", 0),
        reads=bool(access & capstone.CS_AC_READ),
        writes=bool(access & capstone.CS_AC_WRITE),
    )


@dataclass(frozen=True)
class X86Insn:
    """The fields of one x86-64 instruction, by the names of Intel SDM vol. 2A, chapter 2.

    `prefixes` are the legacy ones in memory order; `rex` is 0 without one; `vex` is the whole VEX or EVEX
    prefix. `opcode` has its escape bytes (0f, 0f 38, 0f 3a), except behind `vex`, where the map is in there.
    Offsets count from the instruction's first byte; an offset and size of 0 mean that the field is absent.
    `disp` and `imm` are signed as encoded: the displacement of a RIP-relative operand, and the distance of a
    relative branch, count from the next instruction. `addr_size` is in bytes.
    """

    addr: int
    code: bytes
    mnemonic: str
    operands: str
    prefixes: bytes
    rex: int
    vex: bytes
    opcode: bytes
    modrm: int | None
    sib: int | None
    disp: int
    disp_offset: int
    disp_size: int
    imm: int
    imm_offset: int
    imm_size: int
    addr_size: int
    groups: frozenset[str]  # Capstone's groups: jump, call, ret, int, iret, privilege, branch_relative

    @property
    def size(self) -> int:
        return len(self.code)

    @property
    def text(self) -> str:
        return f"{self.mnemonic} {self.operands}".rstrip()

    @property
    def mod(self) -> int | None:
        return None if self.modrm is None else self.modrm >> 6

    @property
    def reg(self) -> int | None:
        """ModRM.reg without REX.R: the opcode extension of group opcodes."""
        return None if self.modrm is None else self.modrm >> 3 & 7

    @property
    def rm(self) -> int | None:
        """ModRM.rm without REX.B."""
        return None if self.modrm is None else self.modrm & 7

    @property
    def rip_relative(self) -> bool:
        """ModRM.mod 0 with rm 5: the displacement counts from the next instruction."""
        return self.modrm is not None and self.modrm & 0xC7 == 0x05

    @property
    def target(self) -> int | None:
        """Where a relative branch goes when taken; None for anything else."""
        if "branch_relative" not in self.groups:
            return None
        return (self.addr + self.size + self.imm) & (1 << 64) - 1


@lru_cache(maxsize=1 << 16)
def decode_x86(insn: bytes, addr: int = 0) -> X86Insn | None:
    """The 64-bit mode instruction that starts `insn`; None if Capstone knows none there or it is cut short."""
    found = _decode(X86_64, insn, addr)
    if found is None:
        return None
    code = bytes(found.bytes)
    prefixes, rex, vex, start = _split_prefixes(code)
    has_modrm = found.encoding.modrm_offset != 0
    disp_offset, disp_size = found.encoding.disp_offset, found.encoding.disp_size
    imm_offset, imm_size = found.encoding.imm_offset, found.encoding.imm_size
    return X86Insn(
        addr=addr,
        code=code,
        mnemonic=found.mnemonic,
        operands=found.op_str,
        prefixes=prefixes,
        rex=rex,
        vex=vex,
        opcode=_opcode(code, start, bool(vex)),
        modrm=code[found.encoding.modrm_offset] if has_modrm else None,
        sib=_sib(code, found.encoding.modrm_offset) if has_modrm and found.addr_size != 2 else None,
        disp=_signed(code, disp_offset, disp_size),
        disp_offset=disp_offset,
        disp_size=disp_size,
        imm=_signed(code, imm_offset, imm_size),
        imm_offset=imm_offset,
        imm_size=imm_size,
        addr_size=found.addr_size,
        groups=frozenset(found.group_name(group) for group in found.groups),
    )


def _split_prefixes(code: bytes) -> tuple[bytes, int, bytes, int]:
    """Legacy prefixes, REX, VEX, and where the opcode starts."""
    start = 0
    while code[start] in LEGACY_PREFIXES:
        start += 1
    prefixes = code[:start]
    if code[start] in VEX_LENGTHS:
        end = start + VEX_LENGTHS[code[start]]
        return prefixes, 0, code[start:end], end
    if code[start] & 0xF0 == 0x40:
        return prefixes, code[start], b"", start + 1
    return prefixes, 0, b"", start


def _opcode(code: bytes, start: int, has_vex: bool) -> bytes:
    # From the bytes: Capstone's own list leaves out the 38 and 3a of the three-byte maps.
    if has_vex or code[start] != 0x0F:
        return code[start : start + 1]
    return code[start : start + (3 if code[start + 1] in ESCAPES else 2)]


def _sib(code: bytes, modrm_offset: int) -> int | None:
    modrm = code[modrm_offset]
    has_sib = modrm >> 6 != 3 and modrm & 7 == 4
    # mov to and from control and debug registers ignores ModRM.mod, so the byte may not be there.
    return code[modrm_offset + 1] if has_sib and modrm_offset + 1 < len(code) else None


def _signed(code: bytes, offset: int, size: int) -> int:
    return int.from_bytes(code[offset : offset + size], "little", signed=True)
