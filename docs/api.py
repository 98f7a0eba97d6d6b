"""The reference pages of public functions and classes, made from their docstrings."""

from __future__ import annotations

import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from prose import cell, first_sentence, markdown, plain

PAGES = {
    "tinygraph": "tg",
    "tinygraph.nn": "tg.nn",
    "tinygraph.nn.functional": "tg.nn.functional",
    "tinygraph.optim": "tg.optim",
    "tinygraph.init": "tg.init",
    "tinygraph.data": "tg.data",
    "tinygraph.io": "tg.io",
    "tinygraph.viz": "tg.viz",
    "tinygraph.testing": "tg.testing",
}
"""The modules that have a page, and how a user calls them."""

WIDTH = 88


class Page:
    """The page of a module's public names, grouped by the file that each stands in.

    undocumented: those that have no docstring. An attribute or a short method is documented,
    too, where the docstring of its class says `name: what it is`.
    """

    def __init__(self, module_name: str, prefix: str) -> None:
        self.module = importlib.import_module(module_name)
        self.prefix = prefix
        self.undocumented: list[str] = []

    def text(self) -> str:
        """The page as Markdown."""
        groups, values = _public(self.module)
        title = self._doc(self.prefix, self.module)
        parts = [f"# `{self.prefix}`\n\n{markdown(title)}\n"]
        for home, names in groups.items():
            heading = first_sentence(self._doc(home, importlib.import_module(home))).rstrip(".")
            parts.append(f"## {plain(heading)}\n\n{self._index(names)}")
            parts += [self._entry(name, getattr(self.module, name)) for name in names]
        if values:
            parts.append("## Values\n\n| name | value |\n|---|---|")
            parts += [self._value(name) for name in values]
        return "\n".join(parts) + "\n"

    def _doc(self, name: str, thing: Any) -> str:
        found = inspect.getdoc(thing)
        if not found:
            self.undocumented.append(name)
        return found or name

    def _index(self, names: list[str]) -> str:
        if len(names) < 3:
            return ""
        rows = ["| name | what it is |", "|---|---|"]
        for name in names:
            doc = inspect.getdoc(getattr(self.module, name)) or name
            rows.append(f"| [`{name}`](#{name}) | {cell(first_sentence(doc))} |")
        return "\n".join(rows) + "\n"

    def _value(self, name: str) -> str:
        return f"| `{self.prefix}.{name}` | `{getattr(self.module, name)!r}` |"

    def _entry(self, name: str, thing: Any) -> str:
        full = f"{self.prefix}.{name}"
        parts = [f"### {plain(full)} {{ #{name} }}", _code(_call(full, thing))]
        parts.append(markdown(self._doc(full, thing), _arguments(thing)))
        if inspect.isclass(thing):
            parts += self._members(full, thing)
        return "\n\n".join(parts) + "\n"

    def _members(self, full: str, cls: type) -> Iterator[str]:
        """The public methods and properties that a class itself defines."""
        told = inspect.getdoc(cls) or ""
        for name, member in vars(cls).items():
            if name.startswith("_") or not _is_member(member):
                continue
            if _is_inherited(cls, name) or re.search(rf"\b{name}: ", told):
                continue  # described where it is first defined, or with the class
            doc = self._doc(f"{full}.{name}", member)
            function = _function(member)
            yield f"#### {plain(name)} {{ #{cls.__name__}.{name} }}"
            if not isinstance(member, property):
                yield _code(_call(name, function))
            yield markdown(doc, _arguments(function))


def _public(module: ModuleType) -> tuple[dict[str, list[str]], list[str]]:
    """The public functions and classes by the file they stand in; and the other values."""
    groups: dict[str, list[str]] = defaultdict(list)
    values = []
    for name in getattr(module, "__all__", None) or _listed(module):
        thing = getattr(module, name)
        if inspect.ismodule(thing):
            continue
        if inspect.isclass(thing) or inspect.isroutine(thing):
            groups[thing.__module__].append(name)
        else:
            values.append(name)
    return groups, values


def _listed(module: ModuleType) -> list[str]:
    """What a module without `__all__` defines itself."""
    return [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__
    ]


def _is_member(thing: Any) -> bool:
    return inspect.isfunction(thing) or isinstance(thing, (property, classmethod, staticmethod))


def _is_inherited(cls: type, name: str) -> bool:
    """Whether a base class has the member, with a docstring that holds here too."""
    own = _function(vars(cls)[name]).__doc__
    return not own and any(getattr(getattr(base, name, None), "__doc__", None)
                           for base in cls.__mro__[1:])  # fmt: skip


def _function(member: Any) -> Any:
    if isinstance(member, property):
        return member.fget
    return getattr(member, "__func__", member)


def _parameters(thing: Any) -> list[inspect.Parameter]:
    try:
        found = list(inspect.signature(thing).parameters.values())
    except (TypeError, ValueError):
        return []
    return [p.replace(annotation=p.empty) for p in found if p.name not in ("self", "cls")]


def _arguments(thing: Any) -> list[str]:
    return [parameter.name for parameter in _parameters(thing)]


def _call(name: str, thing: Any) -> str:
    """How it is called, on several lines where one is too short."""
    signature = str(inspect.Signature(_parameters(thing)))
    line = f"{name}{signature}"
    if len(line) <= WIDTH:
        return line
    inner = "".join(f"    {part},\n" for part in _parts(thing))
    return f"{name}(\n{inner})"


def _parts(thing: Any) -> list[str]:
    parts = []
    star = False
    for parameter in _parameters(thing):
        star = star or parameter.kind is parameter.VAR_POSITIONAL
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        parts.append(str(parameter))
    return parts


def _code(text: str) -> str:
    return f"```python\n{text}\n```"
