"""LoongArch64's registers: numbered, by their names in the calling convention, and the CSRs that are modelled."""

from __future__ import annotations

from emu.isa.registers import RegisterFile

CSR = {
    0x0: "crmd",
    0x1: "prmd",
    0x2: "euen",
    0x4: "ecfg",
    0x5: "estat",
    0x6: "era",
    0x7: "badv",
    0x8: "badi",
    0xC: "eentry",
    0x20: "cpuid",
    **{0x30 + n: f"save{n}" for n in range(9)},
    0x40: "tid",
}
"""Names of the control and status registers that are kept; the others read 0 and ignore writes."""

_ABI = ("zero", "ra", "tp", "sp", *(f"a{n}" for n in range(8)), *(f"t{n}" for n in range(9)), "r21", "fp")
ABI_NAMES = (*_ABI, *(f"s{n}" for n in range(9)))
"""The names of r0..r31 in the calling convention; r21, which user space reserves, is Linux's u0."""


def abi_aliases() -> dict[str, str]:
    numbered = {f"r{n}": f"r{n}" for n in range(32)}
    named = {name: f"r{n}" for n, name in enumerate(ABI_NAMES)} | {"u0": "r21", "s9": "r22"}
    plain = numbered | named
    return {name: to for name, to in named.items() if name != to} | {f"${name}": to for name, to in plain.items()}


REGISTERS = RegisterFile(
    bits=64,
    gpr=tuple(f"r{n}" for n in range(32)),
    aliases=abi_aliases(),
    status="prmd",
    arguments=tuple(f"r{n}" for n in range(4, 12)),
    result="r4",
    stack="r3",
    link="r1",
    zero=0,
    special=tuple(name for name in CSR.values() if name != "prmd"),
    flags=tuple(f"fcc{n}" for n in range(8)),
)
