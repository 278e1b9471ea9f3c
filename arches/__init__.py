"""The architectures. Each folder holds everything about one; adding one is adding a folder."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from emu.errors import UsageError
from emu.isa.arch import Arch
from emu.kernel.port import Port


AnyArch = Arch[Port]


@cache
def all_archs() -> tuple[Arch[Port], ...]:
    """Every architecture that has a folder here, in the order of their names."""
    folders = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)
    modules = (importlib.import_module(f"arches.{folder}") for folder in folders)
    return tuple(module.ARCH for module in modules if hasattr(module, "ARCH"))


def load(name: str) -> Arch[Port]:
    """The architecture of that name or alias; UsageError lists the names there are."""
    for arch in all_archs():
        if name.lower() in (arch.name, *arch.aliases):
            return arch
    raise UsageError(f"architecture {name!r}: expected one of {', '.join(arch.name for arch in all_archs())}")
