"""`ElfSide`: how an architecture's programs and modules look as ELF files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emu.elf.linking import Fix


@dataclass(frozen=True)
class ElfSide:
    """`machine` is the e_machine name in the ABI's spelling, `elf_class` 32 or 64.

    `relocations` apply the types that modules have. `stand_ins` are code for functions whose calls a kernel patches
    away when it loads a module. `relative_extable`: Linux selects ARCH_HAS_RELATIVE_EXTABLE (see `emu.elf.extable`).
    """

    machine: str
    elf_class: int
    relocations: Mapping[int, Fix] = field(default_factory=dict)
    stand_ins: Mapping[str, bytes] = field(default_factory=dict)
    relative_extable: bool = True
