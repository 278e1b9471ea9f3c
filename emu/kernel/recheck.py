"""The comparison that the mailing list asked about: no kprobe was found; is the breakpoint still there?

If the word has changed, somebody removed the breakpoint after this CPU trapped, and executing the address
again is right. If it has not, the breakpoint is somebody else's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.explore.ops import load

if TYPE_CHECKING:
    from emu.kernel.percpu import Percpu


async def breakpoint_is_gone(cpu: Percpu, addr: int, *breakpoints: bytes) -> bool:
    """Whether the word at addr is no breakpoint and the trap so claimed; never, in a kernel without the check.

    `breakpoints` are the words that kprobes writes, one for each width.
    """
    text = cpu.kernel.text
    if not cpu.kernel.variant.rechecks_word:
        return False
    await load(cpu.kernel.text_name(addr))  # another CPU may restore the word first, or put a new breakpoint there
    if any(text.read(addr, len(word)) == word for word in breakpoints):
        return False
    return claim(cpu, "no kprobe, and the word is no breakpoint any more: return")


def claim(cpu: Percpu, why: str) -> bool:
    """The trap is swallowed although no probe was found."""
    cpu.kernel.note("claimed")
    cpu.kernel.log(cpu, why)
    return True
