"""Conditions under which a trace of `tg.jit` holds. They are looked at before each call."""

from __future__ import annotations

import dis
import inspect
import operator
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any, Protocol

import numpy as np

from tinygraph.graph.origin import is_internal

Guard = Callable[[], bool]
Read = Callable[[], Any]
NUMBERS = (bool, int, float, str, type(None), np.generic)
_FIXED = (ModuleType, BuiltinFunctionType, type)  # what nobody puts another value in the place of


class Cell(Protocol):
    """What holds a changing value: a Tensor, or the gradient of one."""

    node: Any


def same_gradient(tensor: Any, exact: bool) -> Guard:
    """`tensor` has a gradient, or has none, as it does now; with `exact` the very same one."""
    owner, before = weakref.ref(tensor), tensor._grad
    absent, kept = before is None, before if exact else None

    def holds() -> bool:
        present = owner()
        if present is None or (present._grad is None) != absent:
            return False
        return kept is None or present._grad is kept

    return holds


def same_mode(module: Any) -> Guard:
    """`module` is there, in the training mode that it has now, with the same parts in it."""
    owner, training, parts = weakref.ref(module), module.training, _parts(module)

    def holds() -> bool:
        present = owner()
        if present is None or present.training != training:
            return False
        found = _parts(present)
        return len(found) == len(parts) and all(map(operator.is_, found, parts))

    return holds


def settings(module: Any) -> dict[str, Any]:
    """The numbers and strings among the attributes of `module`, such as the p of dropout."""
    return {name: value for name, value in vars(module).items() if isinstance(value, NUMBERS)}


def same_settings(module: Any, before: Mapping[str, Any]) -> Guard:
    """The settings of `module` are those of now, but for what has changed since `before`: a trace
    that counts its own calls would never hold."""
    owner, now = weakref.ref(module), settings(module)
    names = [name for name in before if name in now and repr(now[name]) == repr(before[name])]
    values = [now[name] for name in names]

    def holds() -> bool:
        present = owner()
        return present is not None and [*map(vars(present).get, names)] == values

    return holds


def _parts(module: Any) -> list[Any]:
    """The modules, parameters, buffers and hooks that stand directly in `module`."""
    tables = module._modules, module._parameters, module._buffers, module._hooks
    return [part for table in tables for part in table.values()]


def same_forms(cells: Sequence[Cell]) -> Guard:
    """The dtypes of all `cells` are those of now, and gradients run to the same ones."""
    forms = [(cell.node.dtype, cell.node.grad) for cell in cells]

    def holds() -> bool:
        return [(cell.node.dtype, cell.node.grad) for cell in cells] == forms

    return holds


def same_captures(function: Callable[..., Any]) -> list[Guard]:
    """What `function` reads from closures and globals is what it is now: numbers by their value,
    all else by identity. So it is for the Python functions that it names, and those in it."""
    guards: list[Guard] = []
    todo: list[Any] = [function]
    seen: set[int] = set()
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        wrapped = getattr(value, "__wrapped__", None)
        if callable(wrapped):
            todo.append(wrapped)
        found = value.__func__ if inspect.ismethod(value) else value
        if isinstance(found, FunctionType) and not is_internal(found.__code__.co_filename):
            for read, captured in _captures(found):
                guards.append(_same(read, captured))
                todo.append(captured)
    return guards


def _captures(function: FunctionType) -> Iterator[tuple[Read, Any]]:
    """How each outer variable of `function` is read, and what it holds."""
    for cell in function.__closure__ or ():
        read = _cell_reader(cell)
        yield read, read()
    scope = function.__globals__
    for name in sorted(_global_names(function.__code__)):
        if name in scope and not isinstance(scope[name], _FIXED):
            yield _global_reader(scope, name), scope[name]


def _global_names(code: CodeType) -> set[str]:
    """The globals that `code` reads. An attribute of the same name, `optimizer.step` where there
    is a loop over `step`, is none."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):  # of a function within the function
            names |= _global_names(constant)
    return names


def number_attributes(
    function: Callable[..., Any], arguments: Mapping[str, Any]
) -> list[tuple[Read, Any]]:
    """How each number is read that `function` takes off an object, as in `self.rate` or
    `settings.rate`, and what it is now. arguments: what the parameters of the function hold."""
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    closure = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    scopes: dict[str, Callable[[str], Any]] = {
        "LOAD_FAST": arguments.get,
        "LOAD_GLOBAL": function.__globals__.get,
        "LOAD_DEREF": lambda name: _cell_reader(closure[name])() if name in closure else None,
    }
    found = []
    for name, attribute in pairwise(dis.get_instructions(code)):
        scope = "LOAD_FAST" if name.opname.startswith("LOAD_FAST") else name.opname
        if scope in scopes and attribute.opname == "LOAD_ATTR":
            pair = isinstance(name.argval, tuple)  # newer Pythons load two at once
            owner = scopes[scope](name.argval[-1] if pair else name.argval)
            value = getattr(owner, "__dict__", {}).get(attribute.argval)
            if isinstance(value, NUMBERS) and value is not None:
                found.append((_attribute_reader(owner, attribute.argval), value))
    return found


def unchanged(numbers: Sequence[tuple[Read, Any]]) -> list[Guard]:
    """Conditions on those of `numbers` that the trace itself has not changed."""
    return [_same(read, value) for read, value in numbers if repr(read()) == repr(value)]


def _attribute_reader(owner: Any, name: str) -> Read:
    try:
        present: Read = weakref.ref(owner)
    except TypeError:
        return lambda: vars(owner).get(name)
    return lambda: getattr(present(), "__dict__", {}).get(name)


def _cell_reader(cell: CellType) -> Read:
    def read() -> Any:
        try:
            return cell.cell_contents
        except ValueError:  # not set yet
            return None

    return read


def _global_reader(scope: dict[str, Any], name: str) -> Read:
    return lambda: scope.get(name)


def _same(read: Read, value: Any) -> Guard:
    """`read()` still gives `value`."""
    if isinstance(value, NUMBERS):
        kind, text = type(value), repr(value)
        return lambda: type(found := read()) is kind and repr(found) == text
    try:
        owner: Callable[[], Any] = weakref.ref(value)
    except TypeError:  # lists, dictionaries and tuples are held
        return lambda: read() is value
    return lambda: (found := read()) is not None and found is owner()
