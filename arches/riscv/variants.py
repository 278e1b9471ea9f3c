"""The versions of RISC-V's kprobe handlers, newest first, and the what-ifs."""

from __future__ import annotations

from dataclasses import replace

from arches.riscv import bugs, kprobes
from arches.riscv.simulate import actions
from emu.kernel.configuration import Patching
from emu.kernel.probe import KprobeStatus
from emu.kernel.state import Variant
from emu.kernel.variants import with_what_ifs

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

VARIANTS = with_what_ifs(MAINLINE, SEED, MENDED)
