from __future__ import annotations

from collections.abc import Mapping

from emu.explore.task import KernelCode
from emu.kernel.text_poke import text_poke_bp
from emu.lab.lab import Lab

NOP, JUMP = (3, 4), (65, 66)  # what text_patch_nop5 gives for 0 and 1, before and after
RESULTS = [31 * first + second for first, second in ((NOP[0], NOP[1]), (NOP[0], JUMP[1]), (JUMP[0], JUMP[1]))]


def nop5_to_jump(lab: Lab) -> Mapping[str, KernelCode]:
    """CPU 1 turns a nop of five bytes into a jump by text_poke_bp while CPU 0 comes by twice: does it ever meet
    anything but the nop or the jump, or the nop after the jump?"""
    kernel, site = lab.kernel, lab.symbol("nop5_site")
    jump = lab.jump(site, lab.symbol("nop5_target"))

    async def patch() -> None:
        async with kernel.text_mutex:
            await text_poke_bp(kernel, site, jump)

    return {"cpu0": lab.run_guest(lab.cpus[0], "text_patch_nop5", 2, RESULTS), "cpu1": patch()}
