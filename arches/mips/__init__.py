"""MIPS (MIPS32, little endian)."""

from __future__ import annotations

from arches.mips import bugs, kprobes
from arches.mips.breaks import may_change_live
from arches.mips.isa import ISA
from arches.mips.relocations import RELOCATIONS, STAND_INS
from arches.mips.unicorn import make_cpu
from arches.mips.variants import VARIANTS
from arches.mips.verdict import RULES, judge
from emu.arch import Arch
from emu.elf.elf_side import ElfSide
from emu.kernel.configuration import Flush
from emu.kernel.state import Port
from emu.verdict.probing import Probing

ARCH = Arch(
    isa=ISA,
    elf=ElfSide(
        machine="EM_MIPS",
        elf_class=32,
        relocations=RELOCATIONS,
        stand_ins=STAND_INS,
        relative_extable=False,
    ),
    probing=Probing(
        judge=judge,
        oldest=(2, 6, 36),  # c1bf207d6ee1
        newest=(7, 2),  # the list was read up to July 2026
        rules=RULES,
        features={"r6": "a Release 6 CPU", "octeon": "a kernel built for Cavium Octeon"},
    ),
    port=Port(
        new_kcb=kprobes.MipsCtlblk,
        irqs_enabled=kprobes.irqs_enabled,
        slot_size=8,
        fill_slot=kprobes.fill_slot,
        step=None,
        flush=Flush.IPI,
        may_change_live=may_change_live,
        variants=VARIANTS,
        slot_for_simulated=True,
    ),
    cpus={"unicorn": make_cpu},
    bugs=bugs.BUGS,
)
