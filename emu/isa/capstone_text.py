"""Instructions as Capstone sees them: text, lengths, where their fields are, and memory operands.

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

SKIPPED = ".byte"  # what Capstone calls bytes that are no instruction


@dataclass(frozen=True)
class Decoder:
    """Which Capstone decoder: `CS_ARCH_<arch>` with every `CS_MODE_<mode>` or-ed."""

    arch: str
    modes: tuple[str, ...]


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
def insn_length(decoder: Decoder, insn: bytes) -> int | None:
    """Bytes in the instruction that starts `insn`; None if it is none, or is cut short."""
    found = _decode(decoder, insn, 0)
    return None if found is None else int(found.size)


@dataclass(frozen=True)
class Operand:
    """One operand as Capstone tells it; names of registers are Capstone's, None where there is no register.

    A register has `register`; an immediate `value`; a memory operand `memory` set, `register` as its base, `index`,
    `scale` (a power of two; of a shift too), `value` as its displacement and `extend` (ARM64: one
    of Capstone's `ARM64_EXT_` constants, 0 for none).
    `size` in bytes, `reads` and `writes` are to be trusted on x86 only: elsewhere Capstone 5 has none or wrong ones.
    """

    register: str | None
    value: int = 0
    memory: bool = False
    index: str | None = None
    scale: int = 1
    extend: int = 0
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
        extend=getattr(operand, "ext", 0),
        size=getattr(operand, "size", 0),
        reads=bool(access & capstone.CS_AC_READ),
        writes=bool(access & capstone.CS_AC_WRITE),
    )


def constants(module: str, prefix: str) -> dict[int, str]:
    """Capstone's constants whose names begin so, by their values: `ARM64_EXT_SXTW` is `sxtw` behind `ARM64_EXT_`."""
    names = vars(getattr(capstone, module)).items()
    return {value: name.removeprefix(prefix).lower() for name, value in names if name.startswith(prefix)}


@dataclass(frozen=True)
class Encoding:
    """Where the fields of an instruction of variable length are, in bytes from its first; 0 for those it has not."""

    code: bytes
    mnemonic: str
    operands: str
    addr_size: int
    modrm_offset: int
    disp_offset: int
    disp_size: int
    imm_offset: int
    imm_size: int
    groups: frozenset[str]


def encoding(decoder: Decoder, insn: bytes, addr: int) -> Encoding | None:
    """The fields of the instruction that starts `insn`; None if Capstone knows none there or it is cut short."""
    found = _decode(decoder, insn, addr)
    if found is None:
        return None
    where = found.encoding
    return Encoding(
        code=bytes(found.bytes),
        mnemonic=found.mnemonic,
        operands=found.op_str,
        addr_size=found.addr_size,
        modrm_offset=where.modrm_offset,
        disp_offset=where.disp_offset,
        disp_size=where.disp_size,
        imm_offset=where.imm_offset,
        imm_size=where.imm_size,
        groups=frozenset(found.group_name(group) for group in found.groups),
    )
