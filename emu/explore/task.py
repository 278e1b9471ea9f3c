"""A task: a coroutine that is resumed one announcement at a time, and that interrupts can push aside."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol

from emu.errors import HandlerError
from emu.explore.canonical import Walk
from emu.explore.ops import Access, Op, Touch

KernelCode = Coroutine[Any, Any, Any]


Announced = tuple[Access, tuple[Touch, ...], str] | None


def announcement(announced: Announced) -> str:
    """What a step does, as it is printed."""
    return "an interrupt" if announced is None else repr(Op(announced[0], announced[1], label=announced[2]))


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

    def announced(self) -> Announced:
        """What the next step does: the announcement as a value, None for an interrupt."""
        op = self.op
        if op is None or (self.interrupts is not None and self.interrupts.pending()):
            return None
        return op.access, op.touches, op.label

    def announcement(self) -> str:
        """The same, as it is printed."""
        return announcement(self.announced())

    def walk(self, walk: Walk) -> None:
        """Tell where the code stands, what was interrupted first."""
        walk.out.append((self.name, len(self._frames)))
        for code in self._frames:
            walk.visit(code)

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
