"""What a scenario's own code does to the kernel's text, probe table and shared data must have been announced.

Doing (`text.store`, `kernel.set_kprobe`) and saying (`await store(...)`) are two things. Where the second is left out,
the search does not know that others can tell, and its verdict is about a weaker program. Trapline's own kernel code is
held to that by tests; here it is the code of others: a step of theirs that accesses such an object directly, and was
not announced with it, is an error that says where.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType

from emu.blame import is_ours
from emu.errors import HandlerError
from emu.explore.canonical import Walk
from emu.explore.ops import Access, Op, SharedObject
from emu.explore.task import Task
from emu.kernel import kallsyms
from emu.kernel.state import Kernel

STEP: CodeType = Task._resume.__code__
ASKER = 3  # frames up from `_asker`: the watcher, the memory or table, whoever accesses it


class Announced:
    """The watcher of one kernel's shared objects."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        memory = kernel.machine.memory
        memory.watcher = self.memory
        kernel.kprobe_table.watcher = self.table

    def walk(self, walk: Walk) -> None:
        """It looks on: nothing of it is part of a world's state."""

    def memory(self, addr: int, size: int, writes: bool) -> None:
        """Called before the host reads or writes guest memory."""
        frame = _asker()
        if frame is None or self._kernel.booting:
            return
        kernel = self._kernel
        if kernel.machine.memory.region(addr, size).executable:
            self._check(frame, kallsyms.text_at(kernel, addr), size, writes)
        elif kernel.machine.is_shared(addr):
            self._check(frame, SharedObject("shared", addr, f"shared[{addr:#x}]"), size, writes)

    def table(self, addr: int, writes: bool) -> None:
        """Called before an entry of the probe table is read or written."""
        frame = _asker()
        if frame is not None and not self._kernel.booting:
            self._check(frame, kallsyms.table_at(self._kernel, addr), 1, writes)

    def _check(self, frame: FrameType, target: SharedObject, size: int, writes: bool) -> None:
        task = _running(frame)
        if task is None:  # not a step: somebody looks on
            return
        op = task.op
        if op is not None and _covers(op, target, size, writes):
            return
        did = "wrote" if writes else "read"
        said = f"a step announced as {op!r}" if op is not None else "a step that announced nothing"
        wanted = "store" if writes else "load"
        raise HandlerError(
            f"{frame.f_code.co_filename}:{frame.f_lineno}: {frame.f_code.co_name} {did} {target} in {said}; expected"
            f" `await {wanted}(...)` of it first"
        )


def _asker() -> FrameType | None:
    """The frame that made the access, if it is code of others; trapline's helpers for such accesses are passed over."""
    frame: FrameType | None = sys._getframe(ASKER)
    while frame is not None and frame.f_code.co_filename in HELPERS:
        frame = frame.f_back
    return frame if frame is not None and not is_ours(frame.f_code.co_filename) else None


def _running(frame: FrameType | None) -> Task | None:
    """The task whose step this is; its `op` is what it has announced, None before the first announcement."""
    while frame is not None and frame.f_code is not STEP:
        frame = frame.f_back
    task = frame.f_locals["self"] if frame is not None else None
    return task if isinstance(task, Task) else None


def _covers(op: Op, target: SharedObject, size: int, writes: bool) -> bool:
    """Whether the announcement names the object: as data or by its printed name, and a write as one."""
    for touch in op.touches:
        same = touch.object.meets(target) or str(touch.object) == str(target) or _overlaps(touch.object, target, size)
        if same and (touch.access in (Access.STORE, Access.UPDATE) or not writes):
            return True
    return False


def _overlaps(announced: SharedObject, target: SharedObject, size: int) -> bool:
    """Whether an instruction that is announced reaches into the bytes that are accessed."""
    if announced.kind != target.kind or not isinstance(announced.where, int) or not isinstance(target.where, int):
        return False
    return announced.where - size < target.where < announced.where + LONGEST_INSN


LONGEST_INSN = 16  # bytes
HELPERS = frozenset(
    sys.modules[name].__file__ or ""
    for name in ("emu.kernel.text", "emu.kernel.state", "emu.kernel.probe", "emu.machine.memory")
)
