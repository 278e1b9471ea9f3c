"""C-SKY (abiv2, little endian, CK810 class)."""

from __future__ import annotations

from dataclasses import replace

from arches.csky import bugs, isa, kprobes
from arches.csky.accesses import memory_operands
from arches.csky.relocations import RELOCATIONS
from arches.csky.simulate import actions
from arches.csky.verdict import RULES, judge
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
    title="newest (v6.12): do_trap_illinsn's test is inverted since 2020",
    release=None,
    patching=Patching.STOP_MACHINE,
    rechecks_word=False,
    fatal_reentry=frozenset({KprobeStatus.HIT_SS, KprobeStatus.REENTER}),
    trap=kprobes.trap_c,
    actions=actions,
)
SEED = replace(MAINLINE, name="seed", title="Linux 6.1, as in the mail", release=(6, 1))
MENDED = replace(
    MAINLINE,
    name="fixed",
    title="what if: newest, with do_trap_illinsn's test, the slot, the C flag and the simulations mended",
    repairs=bugs.ALL,
)

ARCH = Arch(
    isa=Isa(
        name="csky",
        title="C-SKY (abiv2)",
        registers=isa.REGISTERS,
        sizes=(2, 4),
        insn_size=isa.insn_size,
        disassemble=isa.disassemble,
        assemble=isa.assemble,
        word=isa.word,
        parse_word=isa.parse_word,
        memory_operands=memory_operands,
        breakpoint=lambda insn: kprobes.USR_BKPT,
        aliases=("ck810", "cskyv2"),
    ),
    elf=ElfSide(
        machine="EM_CSKY",
        elf_class=32,
        relocations=RELOCATIONS,
        relative_extable=False,
    ),
    probing=Probing(
        judge=judge,
        rules=RULES,
    ),
    port=Port(
        new_kcb=kprobes.CskyCtlblk,
        irqs_enabled=kprobes.irqs_enabled,
        slot_size=4,
        fill_slot=kprobes.fill_slot,
        step=kprobes.STEP,
        flush=Flush.LOCAL,
        may_change_live=lambda addr, old, new: True,
        variants=with_and_without_recheck(MAINLINE, SEED, MENDED),
    ),
    cpus={"interp": isa.make_cpu},
    bugs=bugs.BUGS,
)
