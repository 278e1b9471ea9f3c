"""ARM64 (AArch64, little endian)."""

from __future__ import annotations

from arches.arm64 import bugs, kprobes
from arches.arm64.breaks import may_change_live
from arches.arm64.isa import ISA
from arches.arm64.relocations import RELOCATIONS
from arches.arm64.unicorn import make_cpu
from arches.arm64.variants import VARIANTS
from arches.arm64.verdict import RULES, judge
from emu.arch import Arch
from emu.elf.elf_side import ElfSide
from emu.kernel.configuration import Flush
from emu.kernel.state import Port
from emu.verdict.probing import Probing

ARCH = Arch(
    isa=ISA,
    elf=ElfSide(
        machine="EM_AARCH64",
        elf_class=64,
        relocations=RELOCATIONS,
    ),
    probing=Probing(
        judge=judge,
        oldest=(4, 8),
        newest=(7, 0),  # 2ccd8ff980b5 of 7.1 (BC.cond) is not in the rules
        rules=RULES,
    ),
    port=Port(
        irqs_enabled=kprobes.irqs_enabled,
        slot_size=8,
        fill_slot=kprobes.fill_slot,
        step=kprobes.STEP,
        flush=Flush.BROADCAST,
        may_change_live=may_change_live,
        variants=VARIANTS,
    ),
    cpus={"unicorn": make_cpu},
    bugs=bugs.BUGS,
)
