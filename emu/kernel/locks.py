"""Sleeping locks. A release needs no preemption point: until somebody is let in, nothing can tell."""

from __future__ import annotations

from types import TracebackType

from emu.explore.ops import SharedObject, wait


class Mutex:
    """`async with mutex:`; the wait for it is the preemption point."""

    def __init__(self, name: str) -> None:
        self.object = SharedObject("mutex", name, name)
        self.held = False

    def _free(self) -> bool:
        return not self.held

    async def __aenter__(self) -> None:
        await wait(self.object, self._free)
        self.held = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.held = False
