"""The versions of LoongArch's kprobe handlers, newest first, and the what-ifs."""

from __future__ import annotations

from dataclasses import replace

from arches.loongarch import bugs, kprobes
from arches.loongarch.simulate import actions
from emu.kernel.configuration import Patching
from emu.kernel.probe import KprobeStatus
from emu.kernel.state import Variant
from emu.kernel.variants import with_what_ifs

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

VARIANTS = with_what_ifs(MAINLINE, V6_3, SEED, MENDED)
