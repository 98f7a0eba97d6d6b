"""Where the compiler finds functions and constants: parsed source files."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import ModuleType

from tinygraph_numba.language import arithmetic
from tinygraph_numba.language.scalars import Constant, LanguageError

ROOT = "tinygraph_numba"
MATHS = f"{ROOT}.maths"
NUMBERS = {"inf": Constant(float("inf")), "nan": Constant(float("nan"))}


class Library:
    """The functions and constants at the top level of one source text."""

    def __init__(self, source: str, name: str) -> None:
        self.name = name
        self.functions: dict[str, ast.FunctionDef] = {}
        self._imported: dict[str, str] = {}
        self._assigned: dict[str, ast.expr] = {}
        self._constants: dict[str, Constant | None] = {}
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            raise LanguageError(error.lineno or 0, f"this is not Python: {error.msg}") from error
        for node in tree.body:
            self._add(node)

    def _add(self, node: ast.stmt) -> None:
        """Take note of a statement at the top level."""
        match node:
            case ast.FunctionDef(name=name):
                self.functions[name] = node
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._assigned[name] = value
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for target, value in zip(names, values):
                    if isinstance(target, ast.Name):
                        self._assigned[target.id] = value
            case ast.ImportFrom(module=str() as module, names=aliases):
                for alias in aliases:
                    if alias.asname is None:
                        self._imported[alias.name] = module

    def imported(self, name: str) -> Library | None:
        """The library that `name` is imported from."""
        module = self._imported.get(name, "")
        if not module.startswith(ROOT) or not module:
            return None
        return parsed(importlib.import_module(module))

    def constant(self, name: str) -> Constant | None:
        """The number that `name` stands for at the top level; None if there is none."""
        if name not in self._constants:
            self._constants[name] = None  # a constant made from itself has no value
            if name in self._assigned:
                self._constants[name] = self._number(self._assigned[name])
            elif library := self.imported(name):
                self._constants[name] = library.constant(name)
        return self._constants[name] or NUMBERS.get(name)

    def _number(self, node: ast.expr) -> Constant | None:
        """The value of an expression of numbers."""
        match node:
            case ast.Constant(value=bool()):
                return None
            case ast.Constant(value=int() | float() as number):
                return Constant(number)
            case ast.Name(id=name):
                return self.constant(name)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                value = self._number(inner)
                return value and Constant(-value.number)
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self._number(left), self._number(right)
                return a and b and Constant(arithmetic.fold(op, a.number, b.number, node.lineno))
        return None


Found = tuple[ast.FunctionDef, Library]


class Scope:
    """What a source may call: its own functions, those of `modules`, and those of maths."""

    def __init__(self, home: Library, modules: Sequence[ModuleType] = ()) -> None:
        self.home = home
        self.modules = modules

    def function(self, name: str, suffix: str, home: Library) -> Found | None:
        """The function `name`, or else `name_suffix`, that is meant in a function of `home`."""
        for library in self._libraries(name, home):
            for full in (name, f"{name}_{suffix}"):
                if full in library.functions:
                    return library.functions[full], library
        return None

    def _libraries(self, name: str, home: Library) -> Iterator[Library]:
        """Where to look, one after another: what comes late is seldom parsed at all."""
        yield home
        if library := home.imported(name):
            yield library
        yield self.home
        for module in self.modules:
            yield parsed(module)
        for module in maths():
            yield parsed(module)


@lru_cache(maxsize=1)
def maths() -> tuple[ModuleType, ...]:
    """The modules whose functions are available to every source."""
    names: tuple[str, ...] = importlib.import_module(MATHS).MODULES
    return tuple(importlib.import_module(name) for name in names)


@lru_cache(maxsize=64)
def parsed(module: ModuleType) -> Library:
    """The library of a module's source."""
    return Library(inspect.getsource(module), module.__name__)
