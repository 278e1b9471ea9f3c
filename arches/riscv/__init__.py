"""RISC-V (RV64IMAC, little endian)."""

from __future__ import annotations

from dataclasses import replace

from arches.riscv import bugs, isa, kprobes
from arches.riscv.breaks import kprobe_break, may_change_live
from arches.riscv.relocations import RELOCATIONS
from arches.riscv.simulate import actions
from arches.riscv.verdict import RULES, judge
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
    title="newest: no kprobe found goes on to kgdb, BUG and death",
    release=None,
    patching=Patching.STOP_MACHINE,
    rechecks_word=False,
    fatal_reentry=frozenset({KprobeStatus.HIT_SS, KprobeStatus.REENTER}),
    trap=kprobes.do_trap_break,
    actions=actions,
)
SEED = Variant(
    name="seed",
    title="Linux 6.1, as in the mail",
    release=(6, 1),
    patching=Patching.STOP_MACHINE,
    rechecks_word=False,
    fatal_reentry=MAINLINE.fatal_reentry,
    trap=kprobes.do_trap_break,
    actions=actions,
)
MENDED = replace(
    MAINLINE,
    name="fixed",
    title="what if: newest, with simulations that do what the instruction does, and lr and sc refused",
    repairs=bugs.ALL,
)

ARCH = Arch(
    isa=Isa(
        name="riscv",
        title="RISC-V (RV64IMAC)",
        registers=isa.REGISTERS,
        sizes=(2, 4),
        insn_size=isa.insn_size,
        disassemble=isa.disassemble,
        assemble=isa.assemble,
        word=isa.word,
        parse_word=isa.parse_word,
        memory_operands=isa.memory_operands,
        breakpoint=kprobe_break,
        aliases=("riscv64",),
    ),
    elf=ElfSide(
        machine="EM_RISCV",
        elf_class=64,
        relocations=RELOCATIONS,
    ),
    probing=Probing(
        judge=judge,
        rules=RULES,
        features={"rv32": "a 32-bit kernel"},
    ),
    port=Port(
        irqs_enabled=kprobes.irqs_enabled,
        slot_size=8,
        fill_slot=kprobes.fill_slot,
        step=kprobes.STEP,
        flush=Flush.BROADCAST,
        may_change_live=may_change_live,
        variants=with_and_without_recheck(MAINLINE, SEED, MENDED),
        frees_slots=False,
    ),
    cpus={"unicorn": isa.make_cpu},
    bugs=bugs.BUGS,
)
