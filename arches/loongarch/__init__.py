"""LoongArch64."""

from __future__ import annotations

from dataclasses import replace

from arches.loongarch import bugs, isa, kprobes
from arches.loongarch.accesses import memory_operands
from arches.loongarch.breaks import KPROBE_BREAK
from arches.loongarch.relocations import RELOCATIONS
from arches.loongarch.simulate import actions
from arches.loongarch.verdict import RULES, judge
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
    title="newest: stop_machine since e3ef9a28f558, HIT_SS is fatal since 1c856e158fd3 (2026)",
    release=None,
    patching=Patching.STOP_MACHINE,
    rechecks_word=True,
    fatal_reentry=frozenset({KprobeStatus.HIT_SS, KprobeStatus.REENTER}),
    trap=kprobes.do_bp,
    actions=actions,
    since=(7, 1),
)
V6_3 = replace(
    MAINLINE,
    name="v6.3",
    title="as merged (6d4cc40fb5f5): a plain store and a local IBAR, a third probe only warns",
    release=(6, 3),
    since=(6, 3),
    patching=Patching.LIVE,
    fatal_reentry=frozenset(),
    stuck_reentry=frozenset({KprobeStatus.REENTER}),
)
SEED = replace(
    MAINLINE,
    name="seed",
    title="the Loongson tree of 2022, as in the mail: do_bp turns interrupts on whatever they were",
    release=(6, 1),
    since=None,
    patching=Patching.LIVE,
    options=frozenset({kprobes.UNCONDITIONAL_STI, kprobes.BY_NOTIFIER}),
)
MENDED = replace(
    MAINLINE,
    name="fixed",
    title="what if: newest, with pcaddu18i computed in 64 bits, and ertn refused",
    repairs=bugs.ALL,
)

ARCH = Arch(
    isa=Isa(
        name="loongarch",
        title="LoongArch64",
        registers=isa.REGISTERS,
        sizes=(4,),
        insn_size=isa.insn_size,
        disassemble=isa.disassemble,
        assemble=isa.assemble,
        word=isa.word,
        parse_word=isa.parse_word,
        memory_operands=memory_operands,
        breakpoint=lambda insn: KPROBE_BREAK,
        aliases=("loongarch64", "la64"),
    ),
    elf=ElfSide(
        machine="EM_LOONGARCH",
        elf_class=64,
        relocations=RELOCATIONS,
    ),
    probing=Probing(
        judge=judge,
        rules=RULES,
    ),
    port=Port(
        irqs_enabled=kprobes.irqs_enabled,
        slot_size=8,
        fill_slot=kprobes.fill_slot,
        step=kprobes.STEP,
        flush=Flush.LOCAL,
        may_change_live=lambda addr, old, new: addr % 4 == 0,
        variants=with_and_without_recheck(MAINLINE, V6_3, SEED, MENDED),
    ),
    cpus={"interp": isa.make_cpu},
    bugs=bugs.BUGS,
)
