"""x86-64's registers, and the 64-bit name of any general one."""

from __future__ import annotations

from emu.isa.registers import RegisterFile

LEGACY = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")
EXTENDED = tuple(f"r{n}" for n in range(8, 16))
GPR = (*LEGACY, *EXTENDED)
FULL_NAMES = (
    {name: name for name in GPR} | {f"e{name[1:]}": name for name in LEGACY} | {f"{name}d": name for name in EXTENDED}
)


def full_name(name: str | None) -> str | None:
    """`rax` for `eax`; None for no register, and for riz and eiz, which stand for none."""
    return FULL_NAMES.get(name or "")


FP = tuple(f"xmm{n}" for n in range(16))
X87 = {f"fp{n}": 80 for n in range(8)} | {"fpcw": 16, "fpsw": 16, "fptag": 16, "mxcsr": 32}
"""The x87's registers by their places, not by their distance from the top of its stack, with the MMX ones in their
significands; and the modes and exceptions of both kinds of floating point."""
FLAGS = {"cf": 0, "pf": 2, "af": 4, "zf": 6, "sf": 7, "df": 10, "of": 11}
REGISTERS = RegisterFile(
    bits=64,
    gpr=GPR,
    aliases={"rip": "pc", "rflags": "eflags"},
    status="eflags",
    arguments=("rdi", "rsi", "rdx", "rcx", "r8", "r9"),
    result="rax",
    stack="rsp",
    link=None,
    flags=tuple(FLAGS),
    fp=(*FP, *X87),
    widths=X87,
)
