"""The architectures. Each folder holds everything about one; adding one is adding a folder."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from emu.arch import Arch
from emu.errors import UsageError
from emu.spelling import one_of
from emu.trials import Trials


def names() -> tuple[str, ...]:
    """The architectures' own names: those of the folders here."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg))


@cache
def _load(folder: str) -> Arch:
    arch: Arch = importlib.import_module(f"arches.{folder}").ARCH
    return arch


def trials(arch: Arch) -> Trials:
    """What an architecture gives to be tried under probes; read on first use."""
    found: Trials = importlib.import_module(f"arches.{arch.name}.trials").TRIALS
    return found


def all_archs() -> tuple[Arch, ...]:
    """Every architecture that has a folder here, in the order of their names."""
    return tuple(_load(name) for name in names())


def load(name: str) -> Arch:
    """The architecture of that name or alias; UsageError lists the names there are."""
    if name in names():
        return _load(name)  # the others need not be imported
    for arch in all_archs():
        if name.lower() in (arch.name, *arch.isa.aliases):
            return arch
    raise UsageError(f"architecture {name!r}: {one_of(name, names())}")
