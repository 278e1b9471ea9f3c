"""The table of LoongArch64 instructions, read from insns.decode; text is LLVM's."""

from __future__ import annotations

from importlib.resources import files

from arches.loongarch.registers import ABI_NAMES, abi_aliases
from emu.isa.table import OperandKind, PcRelative, RegisterName, Table

_KINDS: dict[str, OperandKind] = {
    "r[djk]": RegisterName(
        tuple(f"${name}" for name in ABI_NAMES),
        {name: int(to[1:]) for name, to in abi_aliases().items()} | {f"r{n}": n for n in range(32)},
    ),
    "cj": RegisterName(tuple(f"$fcc{n}" for n in range(8)), {f"fcc{n}": n for n in range(8)}),
    "off": PcRelative(absolute=False),
}

TABLE = Table.parse(
    (files("arches.loongarch") / "insns.decode").read_text(encoding="utf-8"),
    "arches/loongarch/insns.decode",
    kinds=_KINDS,
)
