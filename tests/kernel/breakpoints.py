"""The breakpoint that Linux puts over `probe_me`, as its headers give it."""

from tests.arch_rows import Rows

BREAKPOINTS = Rows(  # bytes in memory order
    "tests/kernel/breakpoints.py: BREAKPOINTS",
    {
        "arm64": "800020d4",  # asm/brk-imm.h: BRK #4
        "csky": "6414",  # asm/ptrace.h: USR_BKPT
        "loongarch": "0a002a00",  # asm/break.h: break 10
        "mips": "cd800000",  # asm/break.h: break 515, as the kernel encodes it
        "riscv": "73001000",  # ebreak, in front of an instruction of 32 bits
        "x86": "cc",  # INT3
    },
)
