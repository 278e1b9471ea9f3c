"""x86-64: int3, copies stepped to a second int3, emulation of what changes RIP or IF."""

from __future__ import annotations

from arches.x86 import bugs, kprobes
from arches.x86 import kprobes_poke as poke
from arches.x86.breaks import may_change_live
from arches.x86.insns import decode_fields
from arches.x86.isa import ISA
from arches.x86.relocations import RELOCATIONS, STAND_INS
from arches.x86.unicorn import make_cpu
from arches.x86.variants import VARIANTS
from arches.x86.verdict import SLOT_SIZE, judge
from arches.x86.verdict_encodings import encodings
from emu.arch import Arch
from emu.elf.elf_side import ElfSide
from emu.kernel.configuration import Flush, Patching
from emu.kernel.state import Port, TextPoke
from emu.verdict.probing import Probing

ARCH = Arch(
    isa=ISA,
    elf=ElfSide(
        machine="EM_X86_64",
        elf_class=64,
        relocations=RELOCATIONS,
        stand_ins=STAND_INS,
    ),
    probing=Probing(
        judge=judge,
        oldest=(2, 6, 11),
        newest=(7, 2),  # a5f7a5bb3b7f of 7.3 (prefixed calls) is not in the rules
        encodings=encodings,
        features={"cfi": "a kernel built with CFI checks"},
    ),
    port=Port(
        new_kcb=kprobes.X86Ctlblk,
        irqs_enabled=kprobes.irqs_enabled,
        slot_size=SLOT_SIZE,
        fill_slot=kprobes.fill_slot,
        step=kprobes.STEP,
        flush=Flush.LOCAL,
        may_change_live=may_change_live,
        variants=VARIANTS,
        operand=decode_fields,
        insn_size=kprobes.insn_size,
        slot_for_simulated=True,
        patchings=(Patching.LIVE, Patching.STOP_MACHINE, Patching.TEXT_POKE),
        text_poke=TextPoke(poke.jump, poke.poke_emulation),
    ),
    cpus={"unicorn": make_cpu},
    bugs=bugs.BUGS,
)
