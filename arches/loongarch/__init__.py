"""LoongArch64."""

from __future__ import annotations

from dataclasses import replace

from arches.loongarch import bugs, isa, kprobes
from arches.loongarch.accesses import memory_operands
from arches.loongarch.breaks import KPROBE_BREAK
from arches.loongarch.relocations import RELOCATIONS
from arches.loongarch.simulate import actions
from arches.loongarch.verdict import RULES, decide
from emu.isa.arch import Arch
from emu.kernel.probe import KprobeStatus
from emu.kernel.state import Port, Variant
from emu.kernel.variants import with_and_without_recheck

MAINLINE = Variant(
    name="mainline",
    title="newest: stop_machine since e3ef9a28f558, HIT_SS is fatal since 1c856e158fd3 (2026)",
    release=None,
    patching="stop_machine",
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
    patching="live",
    fatal_reentry=frozenset(),
    stuck_reentry=frozenset({KprobeStatus.REENTER}),
)
SEED = replace(
    MAINLINE,
    name="seed",
    title="the Loongson tree of 2022, as in the mail: do_bp turns interrupts on whatever they were",
    release=(6, 1),
    since=None,
    patching="live",
    options=frozenset({kprobes.UNCONDITIONAL_STI, kprobes.BY_NOTIFIER}),
)
MENDED = replace(
    MAINLINE,
    name="fixed",
    title="what if: newest, with pcaddu18i computed in 64 bits, and ertn refused",
    repairs=bugs.ALL,
)

ARCH = Arch(
    name="loongarch",
    title="LoongArch64",
    elf_machine="EM_LOONGARCH",
    elf_class=64,
    registers=isa.REGISTERS,
    insn_sizes=(4,),
    insn_size=isa.insn_size,
    disassemble=isa.disassemble,
    assemble=isa.assemble,
    decide=decide,
    word=isa.word,
    parse_word=isa.parse_word,
    kprobe_break=lambda insn: KPROBE_BREAK,
    memory_operands=memory_operands,
    relocations=RELOCATIONS,
    port=Port(
        make_cpu=isa.make_cpu,
        irqs_enabled=kprobes.irqs_enabled,
        slot_size=8,
        fill_slot=kprobes.fill_slot,
        step=kprobes.STEP,
        flush="local",
        may_change_live=lambda addr, old, new: addr % 4 == 0,
        variants=with_and_without_recheck(MAINLINE, V6_3, SEED, MENDED),
    ),
    rules=RULES,
    aliases=("loongarch64", "la64"),
    bugs=bugs.BUGS,
)
