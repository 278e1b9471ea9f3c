"""The versions of C-SKY's kprobe handlers, newest first, and the what-ifs."""

from __future__ import annotations

from dataclasses import replace

from arches.csky import bugs, kprobes
from arches.csky.simulate import actions
from emu.kernel.configuration import Patching
from emu.kernel.probe import KprobeStatus
from emu.kernel.state import Variant
from emu.kernel.variants import with_what_ifs

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

VARIANTS = with_what_ifs(MAINLINE, SEED, MENDED)
