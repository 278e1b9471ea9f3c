"""C-SKY (abiv2, little endian, CK810 class)."""

from __future__ import annotations

from arches.csky import bugs, kprobes
from arches.csky.breaks import may_change_live
from arches.csky.isa import ISA
from arches.csky.relocations import RELOCATIONS
from arches.csky.semantics import make_cpu
from arches.csky.variants import VARIANTS
from arches.csky.verdict import RULES, judge
from emu.arch import Arch
from emu.elf.elf_side import ElfSide
from emu.kernel.configuration import Flush
from emu.kernel.state import Port
from emu.verdict.probing import Probing

ARCH = Arch(
    isa=ISA,
    elf=ElfSide(
        machine="EM_CSKY",
        elf_class=32,
        relocations=RELOCATIONS,
        relative_extable=False,
    ),
    probing=Probing(
        judge=judge,
        oldest=(5, 7),
        newest=(6, 19),  # the list was read up to January 2026
        rules=RULES,
    ),
    port=Port(
        new_kcb=kprobes.CskyCtlblk,
        irqs_enabled=kprobes.irqs_enabled,
        slot_size=4,
        fill_slot=kprobes.fill_slot,
        step=kprobes.STEP,
        flush=Flush.LOCAL,
        may_change_live=may_change_live,
        variants=VARIANTS,
    ),
    cpus={"interp": make_cpu},
    bugs=bugs.BUGS,
)
