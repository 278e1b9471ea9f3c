"""The state of a world as a value: two worlds that give equal values go on in the same way.

What is walked are Python values: containers, dataclasses and other plain objects by their fields, functions by their
code and what they close over, and suspended coroutines by where they stand, their locals and their evaluation stack.
Mutable objects are numbered in the order in which they are met, so that the value also says which are the same one.

What is not understood, an iterator written in C for one, is an error (`NotUnderstood`): never left out.
"""

from __future__ import annotations

import builtins
import gc
import marshal
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from hashlib import blake2b
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MappingProxyType,
    MethodType,
    ModuleType,
    NoneType,
)
from typing import Any

from emu.errors import TraplineError

NO_STATE: Mapping[str, bool] = MappingProxyType({"state": False})
"""The metadata of a dataclass field that does not decide how a world goes on, such as a log."""


class NotUnderstood(TraplineError):
    """A world holds something whose state cannot be told."""


Visit = Callable[["Walk", Any], None]


class Kinds:
    """How each class of values is walked; `constants` are classes whose objects do not change, or are told elsewhere.

    `trusted(file)` says of code in which file that it keeps no state in its module.
    """

    def __init__(self, constants: Iterable[type] = (), trusted: Callable[[str], bool] = lambda file: False) -> None:
        self._visits: dict[type, Visit] = {**VISITS, **dict.fromkeys(constants, _constant)}
        self._constants = tuple(constants)
        self._trusted = trusted
        self._globals: dict[CodeType, tuple[str, ...]] = {}
        self._names: dict[type, str] = {}
        self._fixed: dict[int, bool] = {}  # by id of a value that some module holds
        self._numbers: dict[int, tuple[int, object]] = {}  # of constants, by id; kept, so that an id stays theirs

    def visit_of(self, kind: type) -> Visit:
        """For a class that is met for the first time."""
        visit = self._visits[kind] = self._classify(kind)
        return visit

    def known(self) -> dict[type, Visit]:
        return self._visits

    def global_names(self, code: CodeType) -> tuple[str, ...]:
        """The names that code, and the code within it, may look up in its module; none in a file that is trusted."""
        names = self._globals.get(code)
        if names is None:
            found = () if self._trusted(code.co_filename) else tuple(sorted(_names(code)))
            names = self._globals[code] = found
        return names

    def name(self, kind: type) -> str:
        """What stands for a class: one that a scenario makes is another object in each execution."""
        name = self._names.get(kind)
        if name is None:
            name = self._names[kind] = f"{kind.__module__}.{kind.__qualname__}"
        return name

    def number(self, value: object) -> int:
        """What stands for a constant."""
        known = self._numbers.get(id(value))
        if known is None:
            known = self._numbers[id(value)] = len(self._numbers), value
        return known[0]

    def fixed(self, value: object) -> bool:
        """Whether what a module holds under some name keeps no state: trusted code, modules of Python's own."""
        fixed = self._fixed.get(id(value))
        if fixed is None:
            fixed = self._fixed[id(value)] = self._is_fixed(value)
            self.number(value)
        return fixed

    def _is_fixed(self, value: object) -> bool:
        if isinstance(value, ModuleType):
            return value.__name__.partition(".")[0] in sys.stdlib_module_names or self._trusted(value.__file__ or "")
        if isinstance(value, FunctionType):
            return value.__closure__ is None and self._trusted(value.__code__.co_filename)
        if isinstance(value, type):
            file = getattr(sys.modules.get(value.__module__), "__file__", None)
            return file is None or self._trusted(file)
        return isinstance(value, BuiltinFunctionType)

    def _classify(self, kind: type) -> Visit:
        if issubclass(kind, (*self._constants, type, ModuleType, CodeType, Enum)):
            return _constant
        if "walk" in vars(kind):
            return _by_itself
        for base, visit in BASES.items():
            if issubclass(kind, base):
                return visit if kind is base or not _has_fields(kind) else _both(visit, kind)
        if issubclass(kind, (int, str, bytes)):
            return _both(_plain, kind) if _has_fields(kind) else _plain
        if is_dataclass(kind):
            names = tuple(field.name for field in fields(kind) if field.metadata.get("state", True))
            return _fields(kind, names)
        if issubclass(kind, BaseException):
            return _exception
        if kind.__flags__ & HEAP_TYPE and kind.__module__ != "builtins" and _written_in_python(kind):
            return _object(kind)
        if kind.__name__.endswith("iterator") or kind in (zip, map, enumerate, filter):
            return _reduced
        if kind.__name__ == "coroutine_wrapper":
            return _referents
        return _not_understood


class Walk:
    """One walk over a world: `out` is what there is to tell, as a flat list of numbers, text and tuples of them."""

    def __init__(self, kinds: Kinds) -> None:
        self.out: list[Any] = []
        self.kinds = kinds
        self._visits = kinds.known()
        self._numbers: dict[int, int] = {}
        self._alive: list[object] = []  # what was numbered may be made on the way, and its id must stay its own
        self._modules: set[tuple[int, str]] = set()

    def value(self) -> bytes:
        """What was told, as 16 bytes. (Marshal's format of version 0 depends on values only, and tells True from 1.)"""
        try:
            told = marshal.dumps(self.out, 0)
        except ValueError:
            raise NotUnderstood("a state of numbers and text only: expected each class to tell its own so") from None
        return blake2b(told, digest_size=16).digest()

    def visit(self, value: Any) -> None:
        visit = self._visits.get(value.__class__)
        if visit is None:
            visit = self.kinds.visit_of(value.__class__)
        visit(self, value)

    def first(self, value: object) -> bool:
        """Whether this object is met for the first time; else its number is what there is to say."""
        number = self._numbers.get(id(value))
        if number is not None:
            self.out.append(("#", number))
            return False
        self._numbers[id(value)] = len(self._numbers)
        self._alive.append(value)
        return True

    def globals_of(self, code: CodeType, names: dict[str, Any]) -> None:
        """What a function's code may find in its module."""
        for name in self.kinds.global_names(code):
            if name in names and (id(names), name) not in self._modules:
                self._modules.add((id(names), name))
                self.out.append(name)
                self._global(names[name])

    def _global(self, value: Any) -> None:
        if isinstance(value, (ModuleType, type, FunctionType, BuiltinFunctionType)) and self.kinds.fixed(value):
            self.out.append(self.kinds.number(value))
        elif isinstance(value, ModuleType):
            raise NotUnderstood(f"module {value.__name__}: expected code that keeps its state where it is seen")
        elif isinstance(value, type):
            self.class_of(value)
        else:
            self.visit(value)

    def class_of(self, kind: type) -> None:
        """A class of the user's may keep state in its attributes."""
        if not self.kinds.fixed(kind) and (id(kind), "") not in self._modules:
            self._modules.add((id(kind), ""))
            for name, value in vars(kind).items():
                if isinstance(value, FunctionType):
                    self.visit(value)
                elif not name.startswith("__") and not hasattr(value, "__get__"):
                    self.out.append(name)
                    self.visit(value)


def _atom(walk: Walk, value: Hashable) -> None:
    walk.out.append(value)


def _plain(walk: Walk, value: Any) -> None:
    """A subclass of a plain kind of values."""
    base = next(kind for kind in (int, str, bytes) if isinstance(value, kind))
    walk.out += (walk.kinds.name(type(value)), base.__repr__(value))


def _printed(walk: Walk, value: object) -> None:
    walk.out.append(repr(value))


def _constant(walk: Walk, value: object) -> None:
    walk.out.append(walk.kinds.number(value))


def _sequence(walk: Walk, values: Any) -> None:
    if values.__class__ is tuple or walk.first(values):
        _items(walk, values)


def _items(walk: Walk, values: Any) -> None:
    walk.out.append((walk.kinds.name(values.__class__), len(values)))
    visits, out = walk._visits, walk.out
    for value in values:
        visit = visits.get(value.__class__)
        if visit is _atom:
            out.append(value)
        else:
            walk.visit(value)


def _dict(walk: Walk, values: dict[Any, Any]) -> None:
    if walk.first(values):
        walk.out.append((walk.kinds.name(values.__class__), len(values)))
        for key, value in values.items():
            walk.visit(key)
            walk.visit(value)


def _set(walk: Walk, values: Any) -> None:
    """In an order of their own, which only atoms have."""
    if values.__class__ is not frozenset and not walk.first(values):
        return
    for value in values:
        if not _has_order(value):
            raise NotUnderstood(f"a set with {value!r} in it: expected numbers or text, which have an order")
    walk.out.append((walk.kinds.name(values.__class__), len(values)))
    for value in sorted(values, key=repr):
        walk.visit(value)


def _has_order(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_has_order, value))
    return isinstance(value, (int, str, bytes, float, NoneType, Enum))


def _function(walk: Walk, function: FunctionType) -> None:
    walk.out.append(walk.kinds.number(function.__code__))
    closure, defaults, named = function.__closure__, function.__defaults__, function.__kwdefaults__
    if walk.kinds.global_names(function.__code__):
        if not walk.first(function):
            return
        walk.globals_of(function.__code__, function.__globals__)
    elif (closure is None and defaults is None and named is None and not function.__dict__) or not walk.first(function):
        return
    for cell in closure or ():
        walk.visit(cell)
    walk.visit(defaults)
    walk.visit(named)
    if function.__dict__:
        walk.visit(function.__dict__)


def _method(walk: Walk, method: MethodType) -> None:
    walk.out.append("method")
    walk.visit(method.__func__)
    walk.visit(method.__self__)


def _builtin(walk: Walk, function: BuiltinFunctionType) -> None:
    walk.out.append(function.__name__)
    if function.__self__ is not None and not isinstance(function.__self__, ModuleType):
        walk.visit(function.__self__)


def _cell(walk: Walk, cell: CellType) -> None:
    if walk.first(cell):
        try:
            content = cell.cell_contents
        except ValueError:
            walk.out.append("empty")
            return
        walk.out.append("cell")
        walk.visit(content)


def _coroutine(walk: Walk, code: CoroutineType[Any, Any, Any]) -> None:
    if walk.first(code):
        _suspended(walk, code, code.cr_code, code.cr_frame)


def _generator(walk: Walk, code: GeneratorType[Any, Any, Any]) -> None:
    if walk.first(code):
        _suspended(walk, code, code.gi_code, code.gi_frame)


def _suspended(walk: Walk, what: object, code: CodeType, frame: FrameType | None) -> None:
    """Where it stands, its locals and its evaluation stack, as CPython's collector sees them.

    The collector leaves out locals that are not set, so their names are told too. How deep the stack is follows from
    the place. What comes last is the exception that is being handled, which may be None or nothing at all.
    """
    walk.out.append(walk.kinds.number(code))
    if frame is None:
        walk.out.append(None)
        return
    walk.out.append(frame.f_lasti)
    values = frame.f_locals
    walk.out.append(tuple(sorted(values)))
    if walk.kinds.global_names(code):
        walk.globals_of(code, frame.f_globals)
    visits, values_seen = walk._visits, gc.get_referents(what)
    if values_seen[-1] is None:
        values_seen.pop()
    for value in values_seen:
        kind = value.__class__
        if kind is CodeType or kind is FrameType or value is values:
            continue
        visit = visits.get(kind)
        if visit is _atom:
            walk.out.append(value)
        else:
            walk.visit(value)


def _by_itself(walk: Walk, value: Any) -> None:
    """A class of trapline's that tells its state itself."""
    if walk.first(value):
        walk.out.append(walk.kinds.name(type(value)))
        value.walk(walk)


def _partial(walk: Walk, value: partial[Any]) -> None:
    walk.out.append("partial")
    walk.visit(value.func)
    walk.visit(value.args)
    walk.visit(value.keywords)


def _reduced(walk: Walk, value: Any) -> None:
    """An iterator of Python's own says what is left."""
    if walk.first(value):
        walk.out.append(walk.kinds.name(type(value)))
        walk.visit(tuple(value.__reduce__()))


def _referents(walk: Walk, value: object) -> None:
    walk.out.append(walk.kinds.name(type(value)))
    for one in gc.get_referents(value):
        walk.visit(one)


def _exception(walk: Walk, error: BaseException) -> None:
    if walk.first(error):
        walk.out.append(walk.kinds.name(type(error)))
        walk.visit(error.args)


def _fields(kind: type, names: tuple[str, ...]) -> Visit:
    """A dataclass, by the fields that it declares."""

    def visit(walk: Walk, value: Any) -> None:
        if walk.first(value):
            out, visits = walk.out, walk._visits
            out.append(walk.kinds.name(kind))
            for name in names:
                field = getattr(value, name)
                how = visits.get(field.__class__)
                if how is _atom:
                    out.append(field)
                else:
                    walk.visit(field)

    return visit


def _object(kind: type) -> Visit:
    """A plain object, by whatever attributes it has."""
    attributes = _attributes(kind)

    def visit(walk: Walk, value: Any) -> None:
        if walk.first(value):
            walk.out.append(walk.kinds.name(kind))
            walk.class_of(kind)
            attributes(walk, value)

    return visit


def _attributes(kind: type) -> Visit:
    slots = _slots(kind)

    def visit(walk: Walk, value: Any) -> None:
        attributes = getattr(value, "__dict__", {})
        walk.out.append(tuple(attributes))
        for one in attributes.values():
            walk.visit(one)
        for name in slots:
            walk.out.append(name)
            if hasattr(value, name):
                walk.visit(getattr(value, name))

    return visit


def _both(visit: Visit, kind: type) -> Visit:
    """A container with attributes."""
    attributes = _attributes(kind)

    def both(walk: Walk, value: Any) -> None:
        visit(walk, value)
        attributes(walk, value)

    return both


def _not_understood(walk: Walk, value: object) -> None:
    kind = value.__class__
    raise NotUnderstood(f"{kind.__module__}.{kind.__qualname__}: expected a value whose state can be told")


def _slots(kind: type) -> tuple[str, ...]:
    names = (name for base in kind.__mro__ for name in base.__dict__.get("__slots__", ()))
    return tuple(name for name in names if name not in ("__weakref__", "__dict__"))


def _has_fields(kind: type) -> bool:
    return "__dict__" in dir(kind) or bool(_slots(kind))


def _written_in_python(kind: type) -> bool:
    """Whether the class and those that it comes from have nothing but attributes."""
    ours = all(base is object or base.__flags__ & HEAP_TYPE for base in kind.__mro__)
    return ours and kind.__basicsize__ <= object.__basicsize__ + 8 * (2 + len(_slots(kind)))


def _names(code: CodeType) -> set[str]:
    """Names that code looks up outside of its function, but for Python's own."""
    within = (const for const in code.co_consts if isinstance(const, CodeType))
    # pytest puts `@py...` where a test says assert.
    names = {name for name in code.co_names if not hasattr(builtins, name) and not name.startswith("@")}
    return names.union(*map(_names, within))


HEAP_TYPE = 1 << 9
BASES: dict[type, Visit] = {
    tuple: _sequence,
    list: _sequence,
    deque: _sequence,
    dict: _dict,
    set: _set,
    frozenset: _set,
}
VISITS: dict[type, Visit] = {
    **dict.fromkeys((int, str, bytes, NoneType, bool, float, complex), _atom),
    range: _printed,
    CodeType: _constant,
    **BASES,
    FunctionType: _function,
    MethodType: _method,
    BuiltinFunctionType: _builtin,
    CellType: _cell,
    CoroutineType: _coroutine,
    GeneratorType: _generator,
    partial: _partial,
    Kinds: _constant,
    Walk: _constant,
}
