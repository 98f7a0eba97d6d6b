"""Modules made of modules."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import groupby
from typing import Any, overload

from tinygraph.nn.module import Module

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


class _Numbered(Module):
    """Modules by number, which count as names too."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        for module in self._modules.values():
            if module is not None:
                yield module

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(self._name_at(index), module)

    def _name_at(self, index: int) -> str:
        names = list(self._modules)
        if not -len(names) <= index < len(names):
            raise IndexError(
                f"{type(self).__name__}: index {index} is out of range for {len(names)} modules"
            )
        return names[index]

    def _module_at(self, index: int) -> Module:
        module = self._modules[self._name_at(index)]
        assert module is not None
        return module

    def append(self, module: Module) -> Any:
        """Add a module at the end; returns this one."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add modules at the end; returns this one."""
        for module in modules:
            self.append(module)
        return self

    __iadd__ = extend

    def insert(self, index: int, module: Module) -> Any:
        """Put a module before the one at `index`; returns this one."""
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def pop(self, index: int) -> Module:
        """Take a module out, and return it."""
        module = self._module_at(index)
        del self[index]
        return module

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)
        for name in names[index] if isinstance(index, slice) else [self._name_at(index)]:
            del self._modules[name]
        if all(name.isdigit() for name in self._modules):
            self._renumber(self)

    def _renumber(self, modules: Iterable[Module]) -> None:
        kept = list(modules)
        self._modules.clear()
        self.extend(kept)


class Sequential(_Numbered):
    """Modules one after the other: the result of each is the input of the next.

    Takes modules, which are numbered, or one dictionary of names and modules. `net[0]` is the
    first, `net[1:]` a Sequential of the others (the same modules, not copies).

    >>> import tinygraph as tg
    >>> from tinygraph import nn
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> net(tg.ones((5, 4))).shape
    (5, 2)
    >>> net[1]
    ReLU()
    """

    def __init__(self, *modules: Module | Mapping[str, Module | None]) -> None:
        super().__init__()
        named: Mapping[str, Any] = {str(number): module for number, module in enumerate(modules)}
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named = modules[0]
        for name, module in named.items():
            self.add_module(name, module)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...

    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return Sequential({name: self._modules[name] for name in list(self._modules)[index]})
        return self._module_at(index)

    def __add__(self, others: Iterable[Module]) -> Sequential:
        return Sequential(*self, *others)

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input


class ModuleList(_Numbered):
    """A list of modules, whose parameters belong to the module it is assigned to.

    >>> from tinygraph import nn
    >>> layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(() if modules is None else modules)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> ModuleList: ...

    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return ModuleList(list(self)[index])
        return self._module_at(index)

    def __add__(self, others: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *others])

    def __repr__(self) -> str:
        lines, start = [], 0
        for text, alike in groupby(map(repr, self)):
            count = len(list(alike))
            last = start + count - 1
            lines.append(
                f"({start}-{last}): {count} x {text}" if count > 1 else f"({start}): {text}"
            )
            start += count
        body = "\n".join(lines).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {body}\n)" if lines else f"{type(self).__name__}()"

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("a ModuleList is not called: call the modules in it")


class ModuleDict(Module):
    """Modules by name, whose parameters belong to the module it is assigned to.

    modules: a mapping, or pairs of names and modules. It is used as a dictionary is.

    >>> from tinygraph import nn
    >>> choices = nn.ModuleDict({"linear": nn.Linear(2, 2), "relu": nn.ReLU()})
    >>> choices["relu"]
    ReLU()
    >>> "linear" in choices, len(choices)
    (True, 2)
    """

    _modules: dict[str, Module]  # type: ignore[assignment]  # None is not let in

    def __init__(
        self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None
    ) -> None:
        super().__init__()
        self.update({} if modules is None else modules)

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Enter modules, in the order given; one of the same name is replaced."""
        for name, module in dict(modules).items():
            self[name] = module

    def __setitem__(self, name: str, module: Module) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"ModuleDict[{name!r}]: expected a Module, got {type(module).__name__}")
        self.add_module(name, module)

    def __getitem__(self, name: str) -> Module:
        if name not in self._modules:
            raise KeyError(f"ModuleDict: no module {name!r}; it has {', '.join(self._modules)}")
        return self._modules[name]

    def __delitem__(self, name: str) -> None:
        self.pop(name)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def pop(self, name: str) -> Module:
        """Take a module out, and return it."""
        module = self[name]
        del self._modules[name]
        return module

    def clear(self) -> None:
        """Take all modules out."""
        self._modules.clear()

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> ValuesView[Module]:
        """The modules."""
        return self._modules.values()

    def items(self) -> ItemsView[str, Module]:
        """The names with the modules."""
        return self._modules.items()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("a ModuleDict is not called: call the modules in it")
