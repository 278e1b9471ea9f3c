"""MIPS (MIPS32, little endian)."""

from __future__ import annotations

from dataclasses import replace

from arches.mips import bugs, isa, kprobes
from arches.mips import kprobes_traps as traps
from arches.mips.breaks import KPROBE_BREAK
from arches.mips.relocations import RELOCATIONS, STAND_INS
from arches.mips.simulate import actions
from arches.mips.verdict import RULES, has_delay_slot, judge
from emu.arch import Arch
from emu.elf.elf_side import ElfSide
from emu.isa.isa import Isa
from emu.kernel.configuration import Flush, Patching
from emu.kernel.state import Port, Variant
from emu.kernel.variants import with_and_without_recheck
from emu.verdict.probing import Probing

MAINLINE = Variant(
    name="mainline",
    title="newest: the comparison is still there in every version seen",
    release=None,
    patching=Patching.LIVE,
    rechecks_word=True,
    fatal_reentry=frozenset(),
    trap=traps.do_bp,
    actions=actions,
)
SEED = replace(MAINLINE, name="seed", title="Linux 6.1, as in the mail", release=(6, 1))
FIXED = replace(
    MAINLINE,
    name="fixed",
    title="what if: newest, with the step of branches mended, and jalx refused",
    repairs=bugs.ALL,
)

ARCH = Arch(
    isa=Isa(
        name="mips",
        title="MIPS32 (little endian)",
        registers=isa.REGISTERS,
        sizes=(4,),
        insn_size=isa.insn_size,
        disassemble=isa.disassemble,
        assemble=isa.assemble,
        word=isa.word,
        parse_word=isa.parse_word,
        memory_operands=isa.memory_operands,
        breakpoint=lambda insn: KPROBE_BREAK,
        has_delay_slot=lambda insn: has_delay_slot(int.from_bytes(insn, "little")),
        aliases=("mips32", "mips32el", "mipsel"),
    ),
    elf=ElfSide(
        machine="EM_MIPS",
        elf_class=32,
        relocations=RELOCATIONS,
        stand_ins=STAND_INS,
        relative_extable=False,
    ),
    probing=Probing(
        judge=judge,
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
        may_change_live=lambda addr, old, new: addr % 4 == 0,
        variants=with_and_without_recheck(MAINLINE, SEED, FIXED),
        slot_for_simulated=True,
    ),
    cpus={"unicorn": isa.make_cpu},
    bugs=bugs.BUGS,
)
