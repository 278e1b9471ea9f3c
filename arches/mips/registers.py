"""MIPS32's registers by their names."""

from __future__ import annotations

from emu.isa.registers import RegisterFile

ABI_NAMES = (
    *("zero", "at", "v0", "v1", "a0", "a1", "a2", "a3"),
    *(f"t{n}" for n in range(8)),
    *(f"s{n}" for n in range(8)),
    *("t8", "t9", "k0", "k1", "gp", "sp", "fp", "ra"),
)
"""The o32 names of r0..r31."""

FP = tuple(f"f{n}" for n in range(32))  # 64 bits with Status.FR; without it f1 is the upper half of f0, and so on


def _aliases() -> dict[str, str]:
    named = {name: f"r{n}" for n, name in enumerate(ABI_NAMES)} | {"s8": "r30"}
    dollar = {f"${name}": to for name, to in named.items()} | {f"${n}": f"r{n}" for n in range(32)}
    return named | dollar


REGISTERS = RegisterFile(
    bits=32,
    gpr=tuple(f"r{n}" for n in range(32)),
    aliases=_aliases(),
    status="cp0_status",
    arguments=("r4", "r5", "r6", "r7"),
    result="r2",
    stack="r29",
    link="r31",
    zero=0,
    special=("hi", "lo", "fcsr"),
    fp=FP,
    fp_bits=64,
    callee="r25",
    pointers={"r28": "_gp"},
)
