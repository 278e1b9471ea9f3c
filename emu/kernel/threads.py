"""Several kernel threads on one CPU: when one sleeps, another goes on. They do not preempt one another."""

from __future__ import annotations

from emu.explore.ops import Access, Op
from emu.explore.task import KernelCode


async def threads(*codes: KernelCode) -> None:
    """Run all to their ends; the first goes first, and a switch happens only where the running one must wait.

    >>> from trapline import run, threads, wait
    >>> def takes_turns(lab):
    ...     said = []
    ...     async def first():
    ...         await wait("second", lambda: said)
    ...         said.append("first")
    ...         print(said)
    ...     async def second():
    ...         said.append("second")
    ...     return {"cpu0": threads(first(), second())}
    >>> done = run(takes_turns, "mips", cpus=1)
    ['second', 'first']
    """
    pending: dict[KernelCode, Op] = {}
    try:
        for code in codes:
            _advance(code, pending)
        while pending:
            await _next(pending)
            _advance(next(code for code, op in pending.items() if _ready(op)), pending)
    finally:
        for code in codes:
            code.close()


def _next(pending: dict[KernelCode, Op]) -> Op:
    """The announcement of whoever runs next; of all of them, where nobody can yet."""
    for op in pending.values():
        if _ready(op):
            return op
    touches = tuple(touch for op in pending.values() for touch in op.touches)
    label = " or ".join(op.what for op in pending.values())
    return Op(Access.WAIT, touches, lambda: any(_ready(op) for op in pending.values()), label=label)


def _ready(op: Op) -> bool:
    return op.ready is None or op.ready()


def _advance(code: KernelCode, pending: dict[KernelCode, Op]) -> None:
    try:
        pending[code] = code.send(None)
    except StopIteration:
        pending.pop(code, None)
