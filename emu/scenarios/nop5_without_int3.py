from __future__ import annotations

from collections.abc import Mapping

from emu.explore.ops import store
from emu.explore.task import KernelCode
from emu.kernel import kallsyms, text
from emu.kernel.smp import on_each_cpu
from emu.lab.lab import Lab

NOP, JUMP = 3, 65  # what text_patch_nop5 gives for 0, before and after


def nop5_without_int3(lab: Lab) -> Mapping[str, KernelCode]:
    """The same nop is overwritten by the jump without a breakpoint in front, byte by byte as another CPU may see it:
    what does a CPU execute that comes by in between?"""
    kernel, site = lab.kernel, lab.symbol("nop5_site")
    jump = lab.jump(site, lab.symbol("nop5_target"))

    async def patch() -> None:
        async with kernel.text_mutex:
            for offset in range(len(jump)):
                await store(kallsyms.text_at(kernel, site))
                text.store(kernel, site + offset, jump[offset : offset + 1], live=True)
            await on_each_cpu(kernel, "sync_core", site, len(jump))
            for offset in range(len(jump)):
                text.synchronised(kernel, site + offset)

    return {"cpu0": lab.run_guest(lab.cpus[0], "text_patch_nop5", 1, (NOP, JUMP)), "cpu1": patch()}
