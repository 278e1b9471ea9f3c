"""The C-SKY instruction set: registers, table, text, and words as the command line writes them.

A word is what the kernel's decoder sees: the 32 bits at the address, little endian. The first halfword in memory is
the low one, so `ldex.w r0, (r1, 0)` (halfwords d801 7000) is written 0x7000d801 and a 16-bit instruction has four
digits. binutils and insns.decode write halfwords in memory order, 0xd8017000.
"""

from __future__ import annotations

import re
from importlib import resources

from arches.csky.operands import ABI_NAMES, GPR, OPERANDS
from emu.errors import DecodeError
from emu.isa.arch import RegisterFile
from emu.isa.table import Table

# PSR bits (C-SKY CPU manual; Linux arch/csky/include/asm/ptrace.h and abiv2/inc/abi/entry.h)
PSR_C = 1 << 0
PSR_IE = 1 << 6
PSR_EE = 1 << 8
PSR_MM = 1 << 9  # unaligned accesses are allowed
PSR_TM = 3 << 14
PSR_TM_STEP = 1 << 14
PSR_S = 1 << 31
BOOT_PSR = PSR_S | PSR_MM | PSR_EE | PSR_IE  # Linux boots with S and MM; a running kernel has EE and IE as well

REGISTERS = RegisterFile(
    bits=32,
    gpr=GPR,
    aliases={name: GPR[number] for name, number in ABI_NAMES.items()},
    status="psr",
    arguments=("r0", "r1", "r2", "r3"),
    result="r0",
    stack="r14",
    link="r15",
    special=("hi", "lo"),
    flags=("c",),
)


def halfword_size(halfword: int) -> int:
    """Bytes of the instruction that starts with this halfword: its two top bits are set in 32-bit ones."""
    return 4 if halfword & 0xC000 == 0xC000 else 2


TABLE = Table.parse(
    resources.files("arches.csky").joinpath("insns.decode").read_text(),
    "arches/csky/insns.decode",
    kinds=OPERANDS,
    halfwords_high_first=True,
    size_of=halfword_size,
)


def insn_size(insn: bytes) -> int:
    """Bytes of the instruction that starts `insn`; DecodeError for fewer than two."""
    if len(insn) < 2:
        raise DecodeError(f"bytes {insn.hex() or 'none'}: expected at least two of them")
    return halfword_size(int.from_bytes(insn[:2], "little"))


def disassemble(insn: bytes, addr: int) -> str:
    """One instruction's text; DecodeError if it is none."""
    word, size = TABLE.from_bytes(insn)
    return TABLE.disassemble(word, size, addr)


def word(insn: bytes) -> str:
    """The instruction that starts `insn` in the kernel's view; DecodeError if it is cut off."""
    _, size = TABLE.from_bytes(insn)
    return f"{int.from_bytes(insn[:size], 'little'):#0{2 + 2 * size}x}"


def parse_word(text: str) -> bytes:
    """The bytes of one instruction written as `word` does; DecodeError."""
    match = re.fullmatch(r"(?:0[xX])?([0-9a-fA-F]{1,8})", text.strip())
    if match is None:
        raise DecodeError(f"word {text!r}: expected hexadecimal digits such as 0x6c03 or 0x7000d801")
    value = int(match[1], 16)
    size = halfword_size(value & 0xFFFF)
    if size == 2 and value > 0xFFFF:
        raise DecodeError(f"word {text!r}: halfword {value & 0xFFFF:#06x} is 16-bit, expected 4 digits")
    if size == 4 and len(match[1]) <= 4:
        raise DecodeError(f"word {text!r}: starts a 32-bit instruction, expected 8 digits, the first halfword last")
    return value.to_bytes(size, "little")
