"""RISC-V (RV64IMAC, little endian)."""

from __future__ import annotations

from arches.riscv import bugs, kprobes
from arches.riscv.breaks import may_change_live
from arches.riscv.isa import ISA
from arches.riscv.relocations import RELOCATIONS
from arches.riscv.unicorn import make_cpu
from arches.riscv.variants import VARIANTS
from arches.riscv.verdict import RULES, judge
from emu.arch import Arch
from emu.elf.elf_side import ElfSide
from emu.kernel.configuration import Flush
from emu.kernel.state import Port
from emu.verdict.probing import Probing

ARCH = Arch(
    isa=ISA,
    elf=ElfSide(
        machine="EM_RISCV",
        elf_class=64,
        relocations=RELOCATIONS,
    ),
    probing=Probing(
        judge=judge,
        oldest=(5, 12),  # c22b0bcb1dd0
        newest=(7, 2),  # 540ad5ad05a5 of 7.3 (c.jal on RV32) is not in the rules
        rules=RULES,
        features={"rv32": "a 32-bit kernel"},
    ),
    port=Port(
        irqs_enabled=kprobes.irqs_enabled,
        slot_size=8,
        fill_slot=kprobes.fill_slot,
        step=kprobes.STEP,
        flush=Flush.BROADCAST,
        may_change_live=may_change_live,
        variants=VARIANTS,
        frees_slots=False,
    ),
    cpus={"unicorn": make_cpu},
    bugs=bugs.BUGS,
)
