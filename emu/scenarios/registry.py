"""Finding scenarios: those that ship, a file each, and `path/to/file.py::function`."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import emu.scenarios
from emu.blame import blamed
from emu.errors import HandlerError, UsageError
from emu.lab.decide import Question
from emu.lab.endless import endless_loops_end
from emu.lab.lab import Scenario
from emu.lab.scenario import NamedScenario
from emu.spelling import one_of

NOT_SCENARIOS = ("registry",)
RACE = "unregister_vs_hit"
FOREIGN = ("foreign_break", "foreign_break_gas", "foreign_removed")


class Found(NamedScenario):
    """A scenario that can be sent to another process, by its name: the functions of a file cannot."""

    def __reduce__(self) -> tuple[Callable[[str], NamedScenario], tuple[str]]:
        return find_scenario, (self.name,)


def shipped() -> tuple[str, ...]:
    """Names of the shipped scenarios; each is a module with a function of its own name."""
    names = (module.name for module in pkgutil.iter_modules(emu.scenarios.__path__))
    return tuple(sorted(name for name in names if name not in NOT_SCENARIOS))


def find_scenario(name: str) -> NamedScenario:
    """A shipped scenario by name, or FILE.py::FUNCTION; UsageError if there is none."""
    if "::" in name:
        path, _, function = name.partition("::")
        return Found(name, _function(_load(Path(path)), function, name))
    if name not in shipped():
        if name.endswith(".py"):
            raise UsageError(f"scenario {name!r}: expected ::FUNCTION behind it; {_functions(_load(Path(name)))}")
        raise UsageError(f"scenario {name!r}: expected FILE.py::FUNCTION or {_shipped(name)}")
    return Found(name, _function(importlib.import_module(f"emu.scenarios.{name}"), name, name))


def recheck_question() -> Question:
    """What decides about the comparison in the breakpoint handler."""
    return Question(find_scenario(RACE), tuple(find_scenario(name) for name in FOREIGN))


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UsageError(f"scenario file {str(path)!r}: expected a Python file")
    module = importlib.util.module_from_spec(spec)
    with endless_loops_end(path.name), blamed(str(path), "a file that can be imported"):
        try:
            spec.loader.exec_module(module)
        except SyntaxError as error:
            line = f":{error.lineno}" if error.lineno else ""
            raise HandlerError(f"{path}{line}: {error.msg}; expected a Python file") from error
    return module


def _function(module: ModuleType, function: str, name: str) -> Scenario:
    found = getattr(module, function, None)
    if not callable(found):
        raise UsageError(f"scenario {name!r}: no function {function!r} there; {_functions(module, function)}")
    scenario: Scenario = found
    return scenario


def _shipped(name: str) -> str:
    return one_of(name, shipped()).removeprefix("expected ")


def _functions(module: ModuleType, name: str = "") -> str:
    """The functions that a file defines itself, for a message about another name."""
    values = vars(module).items()
    own = [key for key, value in values if callable(value) and getattr(value, "__module__", "") == module.__name__]
    return one_of(name, own, "functions") if own else "expected a file that defines one"
