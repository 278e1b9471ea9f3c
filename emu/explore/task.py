"""A task: a coroutine that is resumed one announcement at a time, and that interrupts can push aside."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from emu.errors import HandlerError
from emu.explore.ops import Op

KernelCode = Coroutine[Any, Any, Any]


class Interrupts(Protocol):
    """Where a task's interrupts come from."""

    def pending(self) -> bool:
        """Whether an interrupt would be taken now."""
        ...

    def take(self) -> KernelCode:
        """The handler of the interrupt that is taken now; only called if `pending`."""
        ...


class Task:
    """One thread of control, such as a CPU. `op` is what it does next; None when it has nothing of its own left to do.

    A pending interrupt is taken before the announced step, as a step of its own; delaying it further
    would be the same as raising it later, which the scheduler tries anyway.
    """

    __slots__ = ("_code", "_frames", "_ops", "interrupts", "name", "op")

    def __init__(self, name: str, code: KernelCode | None, interrupts: Interrupts | None = None) -> None:
        self.name = name
        self.interrupts = interrupts
        self.op: Op | None = None
        self._frames: list[KernelCode] = []
        self._ops: list[Op | None] = []
        self._code = code

    def start(self) -> None:
        """Run to the first announcement."""
        code, self._code = self._code, None
        if code is not None:
            self._begin(code)

    def enabled(self) -> bool:
        op = self.op
        try:
            if op is not None and (op.ready is None or op.ready()):
                return True
        except Exception as error:
            raise HandlerError(f"{self.name} at {op!r}: {error!r}; expected to be told whether it can go on") from error
        return self.interrupts is not None and self.interrupts.pending()

    def step(self) -> None:
        """Take the pending interrupt, or do what was announced, up to the next announcement."""
        if self.interrupts is not None and self.interrupts.pending():  # not `interrupted()`: this is hot
            self._begin(self.interrupts.take())
        else:
            self._resume()

    def interrupted(self) -> bool:
        """Whether `step` would take an interrupt instead of doing what was announced."""
        return self.interrupts is not None and self.interrupts.pending()

    def announcement(self) -> str:
        """What the next step does, as it is printed."""
        return "an interrupt" if self.interrupted() else repr(self.op)

    def commutes(self) -> bool:
        """Whether the next step may be taken at once, because its order against other tasks' steps does not matter.

        Taking an interrupt does not: it was raised before, and what the handler does up to its first
        announcement is this CPU's own affair.
        """
        op = self.op
        if self.interrupts is not None and self.interrupts.pending():
            return True
        return op is not None and op.commutes and (op.ready is None or op.ready())

    def close(self) -> None:
        """Abandon what is left; the coroutines must not outlive the execution."""
        if self._code is not None:
            self._code.close()
        while self._frames:
            self._frames.pop().close()
        self.op = None

    def _begin(self, code: KernelCode) -> None:
        self._frames.append(code)
        self._ops.append(self.op)
        self._resume()

    def _resume(self) -> None:
        try:
            op = self._frames[-1].send(None)
        except StopIteration:
            del self._frames[-1]
            self.op = self._ops.pop()
            return
        if op.__class__ is not Op:
            raise HandlerError(f"{self.name} awaited something that gave {op!r}; expected trapline's own awaitables")
        self.op = op
