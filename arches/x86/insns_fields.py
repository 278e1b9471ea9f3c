"""The fields of an x86-64 instruction, where Capstone finds them and in the bytes themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from emu.isa.capstone_text import Decoder, encoding

X86_64 = Decoder("X86", ("64",))
LEGACY_PREFIXES = frozenset(b"\xf0\xf2\xf3\x2e\x36\x3e\x26\x64\x65\x66\x67")  # Intel SDM vol. 2A, 2.1.1
VEX_LENGTHS = {0xC5: 2, 0xC4: 3, 0x62: 4}  # two-byte VEX, three-byte VEX, EVEX; this is 64-bit mode
ESCAPES = (0x38, 0x3A)  # second opcode byte of the three-byte maps


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
    found = encoding(X86_64, insn, addr)
    if found is None:
        return None
    code = found.code
    prefixes, rex, vex, start = _split_prefixes(code)
    has_modrm = found.modrm_offset != 0
    return X86Insn(
        addr=addr,
        code=code,
        mnemonic=found.mnemonic,
        operands=found.operands,
        prefixes=prefixes,
        rex=rex,
        vex=vex,
        opcode=_opcode(code, start, bool(vex)),
        modrm=code[found.modrm_offset] if has_modrm else None,
        sib=_sib(code, found.modrm_offset) if has_modrm and found.addr_size != 2 else None,
        disp=_signed(code, found.disp_offset, found.disp_size),
        disp_offset=found.disp_offset,
        disp_size=found.disp_size,
        imm=_signed(code, found.imm_offset, found.imm_size),
        imm_offset=found.imm_offset,
        imm_size=found.imm_size,
        addr_size=found.addr_size,
        groups=found.groups,
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
