"""Names of x86-64's general registers: the 64-bit name of any of them."""

from __future__ import annotations

LEGACY = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")
EXTENDED = tuple(f"r{n}" for n in range(8, 16))
GPR = (*LEGACY, *EXTENDED)
FULL_NAMES = (
    {name: name for name in GPR} | {f"e{name[1:]}": name for name in LEGACY} | {f"{name}d": name for name in EXTENDED}
)


def full_name(name: str | None) -> str | None:
    """`rax` for `eax`; None for no register, and for riz and eiz, which stand for none."""
    return FULL_NAMES.get(name or "")
