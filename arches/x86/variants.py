"""The versions of x86-64's kprobe handlers, newest first, and the what-ifs."""

from __future__ import annotations

from dataclasses import replace

from arches.x86 import bugs, kprobes
from arches.x86 import kprobes_traps as traps
from arches.x86.simulate import actions
from emu.kernel.configuration import Patching
from emu.kernel.probe import KprobeStatus
from emu.kernel.state import Variant
from emu.kernel.variants import with_what_ifs

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

VARIANTS = with_what_ifs(MAINLINE, V6_2, SEED, V5_12, MENDED)
