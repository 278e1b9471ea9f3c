"""The versions of ARM64's kprobe handlers, newest first, and the what-ifs."""

from __future__ import annotations

from dataclasses import replace

from arches.arm64 import bugs, kprobes
from arches.arm64.simulate import actions
from emu.kernel.configuration import Patching
from emu.kernel.probe import KprobeStatus
from emu.kernel.state import Variant
from emu.kernel.variants import with_what_ifs

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

VARIANTS = with_what_ifs(MAINLINE, SEED, MENDED)
