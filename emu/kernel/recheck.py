"""The comparison that the mailing list asked about: no kprobe was found; is the breakpoint still there?

If the word has changed, somebody removed the breakpoint after this CPU trapped, and executing the address
again is right. If it has not, the breakpoint is somebody else's.
"""

from __future__ import annotations

from emu.explore.ops import load
from emu.kernel import kallsyms, text
from emu.kernel.outcome import Outcome
from emu.kernel.state import Percpu
from emu.kernel.trace import log


async def breakpoint_is_gone(cpu: Percpu, addr: int, *breakpoints: bytes) -> bool:
    """Whether the word at addr is no breakpoint and the trap so claimed; never, in a kernel without the check.

    `breakpoints` are the words that kprobes writes, one for each width.
    """
    kernel = cpu.kernel
    if not kernel.variant.rechecks_word:
        return False
    await load(kallsyms.text_at(kernel, addr))  # another CPU may restore the word first, or put a new breakpoint there
    if any(text.read(kernel, addr, len(word)) == word for word in breakpoints):
        return False
    return claim(cpu, "no kprobe, and the word is no breakpoint any more: return")


def claim(cpu: Percpu, why: str) -> bool:
    """The trap is swallowed although no probe was found."""
    cpu.kernel.note(Outcome.CLAIMED)
    log(cpu, why)
    return True
