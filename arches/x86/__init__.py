"""x86-64: int3, copies stepped to a second int3, emulation of what changes RIP or IF."""

from __future__ import annotations

from dataclasses import replace

from arches.x86 import bugs, isa, kprobes
from arches.x86 import kprobes_poke as poke
from arches.x86 import kprobes_traps as traps
from arches.x86.breaks import INT3, may_change_live
from arches.x86.insns import decode_fields
from arches.x86.relocations import RELOCATIONS, STAND_INS
from arches.x86.simulate import actions
from arches.x86.verdict import SLOT_SIZE, judge
from arches.x86.verdict_encodings import encodings
from emu.arch import Arch
from emu.elf.elf_side import ElfSide
from emu.isa.isa import Isa
from emu.kernel.configuration import Flush, Patching
from emu.kernel.probe import KprobeStatus
from emu.kernel.state import Port, Variant
from emu.kernel.variants import with_and_without_recheck
from emu.verdict.probing import Probing

MAINLINE = Variant(
    name="mainline",
    title="newest: without the removed-int3 check since 8e791f7eba4c (v6.3)",
    release=None,
    patching=Patching.TEXT_POKE,
    rechecks_word=False,
    fatal_reentry=frozenset({KprobeStatus.REENTER}),
    trap=traps.exception,
    actions=actions,
    since=(6, 3),
)
V6_2 = replace(
    MAINLINE,
    name="v6.2",
    title="Linux 6.2: the last one with the check",
    release=(6, 2),
    since=(5, 13),
    rechecks_word=True,
)
SEED = replace(V6_2, name="seed", title="Linux 6.1, as on the day of the mail: the same handler", release=(6, 1))
V5_12 = replace(
    V6_2,
    name="v5.12",
    title="Linux 5.12: copies are stepped by the trap flag, nothing is emulated",
    release=(5, 12),
    since=None,
    options=frozenset({kprobes.TRAP_FLAG}),
)
MENDED = replace(
    MAINLINE,
    name="fixed",
    title="what if: newest, emulating what the processor does, and far returns refused",
    repairs=bugs.ALL,
)

ARCH = Arch(
    isa=Isa(
        name="x86",
        title="x86-64",
        registers=isa.REGISTERS,
        sizes=tuple(range(1, isa.MAX_SIZE + 1)),
        insn_size=isa.insn_size,
        disassemble=isa.disassemble,
        assemble=isa.assemble,
        word=isa.word,
        parse_word=isa.parse_word,
        memory_operands=isa.memory_operands,
        breakpoint=lambda insn: INT3,
        words_are_bytes=True,
        aliases=("x86-64", "x86_64", "amd64"),
    ),
    elf=ElfSide(
        machine="EM_X86_64",
        elf_class=64,
        relocations=RELOCATIONS,
        stand_ins=STAND_INS,
    ),
    probing=Probing(
        judge=judge,
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
        variants=with_and_without_recheck(MAINLINE, V6_2, SEED, V5_12, MENDED),
        operand=decode_fields,
        insn_size=kprobes.insn_size,
        slot_for_simulated=True,
        patchings=(Patching.LIVE, Patching.STOP_MACHINE, Patching.TEXT_POKE),
        jump=poke.jump,
        poke_emulation=poke.poke_emulation,
    ),
    cpus={"unicorn": isa.make_cpu},
    bugs=bugs.BUGS,
)
