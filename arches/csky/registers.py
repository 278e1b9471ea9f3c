"""C-SKY registers: general ones and their names, PSR bits, control registers."""

from __future__ import annotations

from collections.abc import Mapping

from emu.isa.registers import RegisterFile

GPR = tuple(f"r{number}" for number in range(32))

# The abiv2 calling convention's names, as GNU binutils 2.40 reads and prints them.
ABI_NAMES: Mapping[str, int] = {
    **{f"a{n}": n for n in range(4)},
    **{f"l{n}": 4 + n for n in range(8)},
    **{"t0": 12, "t1": 13, "sp": 14, "lr": 15, "l8": 16, "l9": 17},
    **{f"t{n}": 16 + n for n in range(2, 10)},
    **{"rdb": 28, "gb": 29, "tls": 31},
}
SP, LR, DATA_BASE = 14, 15, 28

# PSR bits (C-SKY CPU manual; Linux arch/csky/include/asm/ptrace.h and abiv2/inc/abi/entry.h)
PSR_C = 1 << 0
PSR_AF = 1 << 1
PSR_FE = 1 << 4
PSR_IE = 1 << 6
PSR_EE = 1 << 8
PSR_MM = 1 << 9  # unaligned accesses are allowed
PSR_TM_STEP = 1 << 14  # TM, bits 15:14, is 01: a trace exception after each instruction
PSR_TM = 3 << 14
PSR_S = 1 << 31
BOOT_PSR = PSR_S | PSR_MM | PSR_EE | PSR_IE  # Linux boots with S and MM; a running kernel has EE and IE as well

# Control registers of bank 0 by the names that Linux uses (arch/csky/abiv2/inc/abi/reg_ops.h, entry.h).
CONTROL_NAMES: Mapping[str, int] = {
    "psr": 0,
    "vbr": 1,
    "epsr": 2,
    "fpsr": 3,
    "epc": 4,
    "fpc": 5,
    **{f"ss{n}": 6 + n for n in range(5)},
    "gcr": 11,
    "gsr": 12,
    "cpuid": 13,
}
_BANKS = (0, 1, 15)  # the CPU, the user stack pointer, the MMU


def control_name(number: int, bank: int) -> str:
    """The special register that holds a control register: `psr`, or its number and bank."""
    return "psr" if (number, bank) == (0, 0) else f"cr<{number}, {bank}>"


# Special registers and their values when a guest starts; control registers are plain storage.
RESET: Mapping[str, int] = {
    **{control_name(number, bank): 0 for bank in _BANKS for number in range(32)},
    "psr": BOOT_PSR,
}

REGISTERS = RegisterFile(
    bits=32,
    gpr=GPR,
    aliases={name: GPR[number] for name, number in ABI_NAMES.items()},
    status="psr",
    arguments=GPR[:4],
    result=GPR[0],
    stack=GPR[SP],
    link=GPR[LR],
    special=("hi", "lo"),
    flags=("c",),
)
