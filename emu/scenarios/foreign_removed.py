from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emu.explore.task import KernelCode
from emu.kernel import kallsyms, text
from emu.kernel.guest import run_guest
from emu.kernel.state import Percpu
from emu.lab.lab import Lab


def foreign_removed(lab: Lab) -> Mapping[str, KernelCode]:
    """A debugger's breakpoint is hit on CPU 0 while CPU 1 takes it out: does the debugger get its trap, or does the
    comparison swallow it because the word has changed by then?"""
    kernel, addr = lab.kernel, lab.symbol("probe_me")
    size = len(kernel.isa.breakpoint(kallsyms.site(kernel, addr).insn))
    original = text.read(kernel, addr, size)

    def debugger(event: str, cpu: Percpu, regs: Any) -> bool:
        """Stops there, sees to its business, and lets the CPU execute what is at the address by then."""
        regs.pc = addr
        return True

    async def plant(data: bytes) -> int:
        await kernel.patch_text(kernel, addr, data)
        return 0

    lab.register_die_notifier("debugger", debugger)
    lab.boot(plant(kernel.isa.breakpoint(kallsyms.site(kernel, addr).insn)))
    return {"cpu0": run_guest(lab.cpus[0], "probe_me"), "cpu1": plant(original)}
