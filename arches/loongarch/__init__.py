"""LoongArch64."""

from __future__ import annotations

from arches.loongarch import bugs, kprobes
from arches.loongarch.breaks import may_change_live
from arches.loongarch.isa import ISA
from arches.loongarch.relocations import RELOCATIONS
from arches.loongarch.semantics import make_cpu
from arches.loongarch.variants import VARIANTS
from arches.loongarch.verdict import RULES, judge
from emu.arch import Arch
from emu.elf.elf_side import ElfSide
from emu.kernel.configuration import Flush
from emu.kernel.state import Port
from emu.verdict.probing import Probing

ARCH = Arch(
    isa=ISA,
    elf=ElfSide(
        machine="EM_LOONGARCH",
        elf_class=64,
        relocations=RELOCATIONS,
    ),
    probing=Probing(
        judge=judge,
        oldest=(5, 19),  # of the vendor tree; mainline's is 6.3, and answers of before say so
        newest=(7, 3),
        rules=RULES,
    ),
    port=Port(
        irqs_enabled=kprobes.irqs_enabled,
        slot_size=8,
        fill_slot=kprobes.fill_slot,
        step=kprobes.STEP,
        flush=Flush.LOCAL,
        may_change_live=may_change_live,
        variants=VARIANTS,
    ),
    cpus={"interp": make_cpu},
    bugs=bugs.BUGS,
)
