"""ParamGroup: parameters that share the options of an optimizer."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinygraph.dtypes import DEFAULT_FLOAT, float64
from tinygraph.tensor import Tensor, state

__all__ = ["ParamGroup"]

Options = Mapping[str, Any]
Numbers = Callable[[Options], Mapping[str, float]]
Check = Callable[[Options], None]


class ParamGroup(UserDict[str, Any]):
    """The options of some parameters, by name: `group["lr"] = 0.01` changes one.

    The numbers that an update reads (`numbers`) are Tensors, so that they are inputs of the
    tape: a new learning rate compiles nothing anew, and reaches a graph compiled before.

    params: the parameters. options: name and value of each option. derive: the numbers that
    the update needs, from the options. check: raises ValueError if the options are wrong.
    """

    def __init__(
        self, params: Sequence[Tensor], options: Options, derive: Numbers, check: Check
    ) -> None:
        check(options)
        self._derive, self._check = derive, check
        self.data = {"params": list(params), **options}
        self._values = dict(derive(options))
        wide = any(param.dtype == float64 for param in params)
        dtype = float64 if wide else DEFAULT_FLOAT
        self.numbers: dict[str, Tensor] = {
            name: state(number, dtype, name) for name, number in self._values.items()
        }
        self.form = _form(options)

    @property
    def params(self) -> list[Tensor]:
        """The parameters of the group."""
        params: list[Tensor] = self.data["params"]
        return params

    @property
    def options(self) -> dict[str, Any]:
        """All entries but the parameters."""
        return {name: value for name, value in self.data.items() if name != "params"}

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def update(self, other: Any = (), /, **options: Any) -> None:
        """Change several options at once; where one is wrong, none is changed."""
        new = dict(other, **options)
        if "params" in new:
            raise TypeError("the parameters of a group stay; add others with add_param_group")
        options = {**self.options, **new}
        self._check(options)
        self.data.update(new)
        self.form = _form(options)
        for key, number in self._derive(options).items():
            if self._values[key] != number:
                self._values[key] = number
                self.numbers[key].set(number)

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"the option {name} of a group cannot be deleted; set it")

    def __repr__(self) -> str:
        lines = [f"    {name}: {value}" for name, value in sorted(self.options.items())]
        return "\n".join(["ParamGroup (", *lines, f"    parameters: {len(self.params)}", ")"])


def _form(options: Options) -> tuple[bool, ...]:
    """What of the options decides the form of an update: which of them are on, or not 0."""
    return tuple(bool(value) for value in options.values())
