"""RISC-V's registers by their names."""

from __future__ import annotations

from arches.riscv.insns_operands import FPR_NAMES, GPR_NAMES
from emu.isa.registers import RegisterFile

FP = tuple(f"f{n}" for n in range(32))
REGISTERS = RegisterFile(
    bits=64,
    gpr=tuple(f"x{n}" for n in range(32)),
    aliases={name: f"x{n}" for n, name in enumerate(GPR_NAMES)} | {"fp": "x8"} | dict(zip(FPR_NAMES, FP, strict=True)),
    status="sstatus",
    arguments=tuple(f"x{n}" for n in range(10, 18)),
    result="x10",
    stack="x2",
    link="x1",
    zero=0,
    fp=(*FP, "fcsr"),
    fp_bits=64,
    widths={"fcsr": 32},
    pointers={"x3": "__global_pointer$"},
)
