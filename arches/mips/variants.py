"""The versions of MIPS32's kprobe handlers, newest first, and the what-ifs."""

from __future__ import annotations

from dataclasses import replace

from arches.mips import bugs
from arches.mips import kprobes_traps as traps
from arches.mips.simulate import actions
from emu.kernel.configuration import Patching
from emu.kernel.state import Variant
from emu.kernel.variants import with_what_ifs

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

VARIANTS = with_what_ifs(MAINLINE, SEED, FIXED)
