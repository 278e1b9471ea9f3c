"""Insn slots: guest memory that copies of probed instructions are stepped in (struct kprobe_insn_cache)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emu.kernel.kernel import Kernel
    from emu.kernel.kprobes import Kprobe


class InsnSlots:
    """Slots of the architecture's size in one executable region; free ones are reused, lowest first."""

    def __init__(self, kernel: Kernel, base: int, size: int) -> None:
        self._kernel = kernel
        self._base = base
        self._stride = kernel.arch.port.slot_size
        self._count = size // self._stride
        self._used = 0  # slots that were ever taken are below this
        self._free: list[int] = []  # of those

    def fill(self, p: Kprobe, following: bytes) -> int:
        """Give p a slot with its instruction in it; 0, -ENOMEM, or the errno of a copy that cannot be made."""
        number = min(self._free, default=self._used)
        if number == self._count:
            return -errno.ENOMEM
        slot = self._base + number * self._stride
        # A copy that jumps back by itself may be preempted in the slot, and its post_handler would never run.
        p.ainsn.boostable &= self._kernel.config.preempt == "none" and p.post_handler is None
        data = self._kernel.arch.port.fill_slot(p, slot, following, self._kernel.variant.options)
        if data is None:
            return -errno.EINVAL
        self._take(number)
        p.ainsn.slot = slot
        # The whole slot is written before the breakpoint that leads to it exists, so nobody sees it half-made.
        self._kernel.text.store(slot, data, live=False)
        self._kernel.text.sync_all(slot, len(data))
        for addr in range(slot, slot + self._stride):
            self._kernel.watch(addr)
        return 0

    def free(self, p: Kprobe) -> None:
        if p.ainsn.slot is not None and self._kernel.arch.port.frees_slots:
            self._free.append((p.ainsn.slot - self._base) // self._stride)
            p.ainsn.slot = None

    def _take(self, number: int) -> None:
        if number == self._used:
            self._used += 1
        else:
            self._free.remove(number)
