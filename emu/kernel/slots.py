"""Insn slots: guest memory that copies of probed instructions are stepped in. Free ones are reused, lowest first."""

from __future__ import annotations

import errno

from emu.kernel import text
from emu.kernel.configuration import Preempt
from emu.kernel.kallsyms import watch
from emu.kernel.probe import Kprobe
from emu.kernel.state import InsnSlots, Kernel


def fill(kernel: Kernel, p: Kprobe, following: bytes) -> int:
    """Give p a slot with its instruction in it; 0, -ENOMEM, or the errno of a copy that cannot be made."""
    slots, port = kernel.slots, kernel.port
    number = min(slots.free, default=slots.used)
    if number == slots.count:
        return -errno.ENOMEM
    slot = slots.base + number * slots.stride
    # A copy that jumps back by itself may be preempted in the slot, and its post_handler would never run.
    p.ainsn.boostable &= kernel.config.preempt is Preempt.NONE and p.post_handler is None
    data = port.fill_slot(p, slot, following, kernel.variant)
    if data is None:
        return -errno.EINVAL
    _take(slots, number)
    p.ainsn.slot = slot
    _write(kernel, slot, data)
    return 0


def _write(kernel: Kernel, slot: int, data: bytes) -> None:
    """The whole slot is written before the breakpoint that leads to it exists, so nobody sees it half-made."""
    text.store(kernel, slot, data, live=False)
    text.sync_all(kernel, slot, len(data))
    for addr in range(slot, slot + kernel.slots.stride):
        watch(kernel, addr)


def free(kernel: Kernel, p: Kprobe) -> None:
    slots = kernel.slots
    if p.ainsn.slot is not None and kernel.port.frees_slots:
        slots.free.append((p.ainsn.slot - slots.base) // slots.stride)
        p.ainsn.slot = None


def _take(slots: InsnSlots, number: int) -> None:
    if number == slots.used:
        slots.used += 1
    else:
        slots.free.remove(number)
