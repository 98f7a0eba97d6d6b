"""Parameters by number or by name, for modules that have many of a kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from tinygraph.nn.module import Module
from tinygraph.nn.parameter import Parameter

__all__ = ["ParameterDict", "ParameterList"]


class _Parameters(Module):
    """What a list and a dictionary of parameters have in common."""

    def __len__(self) -> int:
        return len(self._parameters)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"a {type(self).__name__} is not called: use its parameters")

    def __repr__(self) -> str:
        held = [(name, self._held(name)) for name in self._parameters]
        lines = [f"  ({name}): {p.dtype.name} {p.shape}" for name, p in held]
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])

    def _enter_value(self, name: str, value: Any) -> None:
        made = value if isinstance(value, Parameter) else Parameter(value)
        self.register_parameter(name, made)

    def _held(self, name: str) -> Parameter:
        parameter = self._parameters[name]
        assert parameter is not None
        return parameter


class ParameterList(_Parameters):
    """A list of parameters that belong to the module it is assigned to.

    values: Parameters, or Tensors and arrays, which become Parameters. It is used as a list is.

    >>> import tinygraph as tg
    >>> weights = tg.nn.ParameterList([tg.ones(2), tg.zeros(3)])
    >>> [weight.shape for weight in weights]
    [(2,), (3,)]
    >>> list(weights.state_dict())
    ['0', '1']
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(() if values is None else values)

    def append(self, value: Any) -> ParameterList:
        """Add one at the end; returns the list."""
        self._enter_value(str(len(self)), value)
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add several at the end; returns the list."""
        for value in values:
            self.append(value)
        return self

    __iadd__ = extend

    def __iter__(self) -> Iterator[Parameter]:
        return (self._held(name) for name in list(self._parameters))

    @overload
    def __getitem__(self, index: int) -> Parameter: ...
    @overload
    def __getitem__(self, index: slice) -> ParameterList: ...

    def __getitem__(self, index: int | slice) -> Parameter | ParameterList:
        if isinstance(index, slice):
            return ParameterList(list(self)[index])
        return self._held(self._name_at(index))

    def __setitem__(self, index: int, value: Any) -> None:
        self._enter_value(self._name_at(index), value)

    def _name_at(self, index: int) -> str:
        if not -len(self) <= index < len(self):
            raise IndexError(f"ParameterList: index {index} is out of range for {len(self)}")
        return str(index % len(self))


class ParameterDict(_Parameters):
    """Parameters by name, which belong to the module it is assigned to.

    parameters: a mapping, or pairs of names and values: Parameters, or Tensors and arrays, which
    become Parameters. It is used as a dictionary is.

    >>> import tinygraph as tg
    >>> weights = tg.nn.ParameterDict({"left": tg.ones(2), "right": tg.zeros(3)})
    >>> weights["right"].shape
    (3,)
    """

    def __init__(
        self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None
    ) -> None:
        super().__init__()
        self.update({} if parameters is None else parameters)

    def update(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Enter parameters, in the order given; one of the same name is replaced."""
        for name, value in dict(parameters).items():
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        self._enter_value(name, value)

    def __getitem__(self, name: str) -> Parameter:
        if name not in self._parameters:
            has = ", ".join(self._parameters) or "none"
            raise KeyError(f"ParameterDict: no parameter {name!r}; it has {has}")
        return self._held(name)

    def __delitem__(self, name: str) -> None:
        self.pop(name)

    def pop(self, name: str) -> Parameter:
        """Take a parameter out, and return it."""
        parameter = self[name]
        del self._parameters[name]
        return parameter

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def keys(self) -> list[str]:
        """The names."""
        return list(self._parameters)

    def values(self) -> list[Parameter]:
        """The parameters."""
        return [self[name] for name in self]

    def items(self) -> list[tuple[str, Parameter]]:
        """The names with the parameters."""
        return [(name, self[name]) for name in self]
