"""ARM64's registers by their names."""

from __future__ import annotations

from emu.isa.registers import RegisterFile

FP = tuple(f"v{n}" for n in range(32))
FP_STATUS = {"fpcr": 32, "fpsr": 32}
REGISTERS = RegisterFile(
    bits=64,
    gpr=tuple(f"x{n}" for n in range(31)),
    aliases={"fp": "x29", "lr": "x30"},
    status="daif",
    arguments=tuple(f"x{n}" for n in range(8)),
    result="x0",
    stack="sp",
    link="x30",
    special=("sp",),
    flags=("n", "z", "c", "v"),
    fp=(*FP, *FP_STATUS),
    widths=FP_STATUS,
)
