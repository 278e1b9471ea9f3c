"""A scenario as a value: its function, and the name that it goes by in settings and in answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from emu.lab.lab import Scenario


@dataclass(frozen=True)
class NamedScenario:
    """Two of one name are the same: a file that is loaded again, in another process say, gives another function."""

    name: str
    function: Scenario = field(compare=False, repr=False)

    @property
    def question(self) -> str:
        """What it asks: its docstring on one line."""
        return " ".join((self.function.__doc__ or "").split())

    @property
    def ships(self) -> bool:
        """Whether it is one of trapline's own, which have no outcomes of their own."""
        return "::" not in self.name

    @property
    def views(self) -> str:
        """The default of `Settings.views`; a scenario may be about stale ones."""
        views: str = getattr(self.function, "views", "coherent")
        return views
