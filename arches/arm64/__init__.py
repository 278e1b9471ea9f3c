"""ARM64 (AArch64, little endian)."""

from __future__ import annotations

from dataclasses import replace

from arches.arm64 import bugs, isa, kprobes
from arches.arm64.breaks import KPROBE_BREAK, may_change_live
from arches.arm64.relocations import RELOCATIONS
from arches.arm64.simulate import actions
from arches.arm64.verdict import RULES, judge
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
    title="newest: an unknown kprobe BRK is an error since 3b84efc066f8 (v6.2)",
    release=None,
    patching=Patching.STOP_MACHINE,
    rechecks_word=False,
    fatal_reentry=frozenset({KprobeStatus.HIT_SS, KprobeStatus.REENTER}),
    trap=kprobes.el1_brk64,
    actions=actions,
    since=(6, 2),
)
SEED = Variant(
    name="seed",
    title="Linux 6.1, as in the mail: returns when no kprobe is found",
    release=(6, 1),
    patching=Patching.STOP_MACHINE,
    rechecks_word=False,
    fatal_reentry=MAINLINE.fatal_reentry,
    trap=kprobes.el1_brk64,
    actions=actions,
    options=frozenset({kprobes.NOT_FOUND_IS_HANDLED}),
)
MENDED = replace(
    MAINLINE,
    name="fixed",
    title="what if: newest, refusing whatever depends on its address and is not simulated",
    repairs=bugs.ALL,
)

ARCH = Arch(
    isa=Isa(
        name="arm64",
        title="ARM64 (AArch64)",
        registers=isa.REGISTERS,
        sizes=(4,),
        insn_size=isa.insn_size,
        disassemble=isa.disassemble,
        assemble=isa.assemble,
        word=isa.word,
        parse_word=isa.parse_word,
        memory_operands=isa.memory_operands,
        breakpoint=lambda insn: KPROBE_BREAK,
        aliases=("aarch64",),
    ),
    elf=ElfSide(
        machine="EM_AARCH64",
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
        flush=Flush.BROADCAST,
        may_change_live=may_change_live,
        variants=with_and_without_recheck(MAINLINE, SEED, MENDED),
    ),
    cpus={"unicorn": isa.make_cpu},
    bugs=bugs.BUGS,
)
