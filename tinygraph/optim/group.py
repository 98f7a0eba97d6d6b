"""ParamGroup: parameters that share the options of an optimizer."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygraph.array.join import unstack
from tinygraph.array.shape import reshape
from tinygraph.dtypes import DEFAULT_FLOAT, DType, float64
from tinygraph.graph.node import STATE
from tinygraph.runtime.lazy import is_symbolic
from tinygraph.tensor import Tensor, state

__all__ = ["ParamGroup"]

Number = float | Tensor
Options = Mapping[str, Any]
Numbers = Callable[[Options], Mapping[str, Number]]
Check = Callable[[Options], None]

# What schedulers write into a group beside its options. No rule reads it.
SCHEDULED = ("initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum", "swa_lr")


class ParamGroup(UserDict[str, Any]):
    """The options of some parameters, by name: `group["lr"] = 0.01` changes one.

    The numbers that an update reads (`numbers`) are entries of one Tensor, so that they are an
    input of the tape: a new learning rate compiles nothing anew, and reaches a graph compiled
    before. An option that is a Tensor itself is such an input as it stands: a number set in its
    place becomes its value, and a placeholder is fed at each call.

    params: the parameters. options: name and value of each option. derive: the numbers that
    the update needs, from the options. check: raises ValueError if the options are wrong.
    structural: the options whose very value decides the form of an update, not only whether
    they are 0. exact: the numbers that are kept in double precision.
    """

    def __init__(
        self,
        params: Sequence[Tensor],
        options: Options,
        derive: Numbers,
        check: Check,
        structural: Sequence[str] = (),
        exact: Sequence[str] = (),
    ) -> None:
        check(options)
        self._derive, self._check = derive, check
        self._structural, self._exact = structural, exact
        self.data = {"params": list(params), **options}
        wide = any(param.dtype == float64 for param in params)
        self._dtype = float64 if wide else DEFAULT_FLOAT
        self.prepared: Any = None  # the form for which the state has been made
        self._values: dict[DType, dict[str, float]] = {}
        self._vectors: dict[DType, Tensor] = {}
        self.numbers: dict[str, Tensor] = {}  # of no dimensions each
        self._take_numbers()

    def _take_numbers(self) -> None:
        """Let the numbers be what the options say."""
        self.form = tuple(
            _form(value, name in self._structural)
            for name, value in self.options.items()
            if name not in SCHEDULED and not _is_rate(name, value)
        )
        found = self._derive(self.options)
        self._given = {name: value for name, value in found.items() if isinstance(value, Tensor)}
        for tensor in self._given.values():
            _make_state(tensor)
        values: dict[DType, dict[str, float]] = {}
        for name, value in found.items():
            dtype = float64 if name in self._exact else self._dtype
            values.setdefault(dtype, {})[name] = _number(value)
        for dtype, named in values.items():
            if dtype not in self._vectors:
                self._vectors[dtype] = state(list(named.values()), dtype, "numbers")
            elif named != self._values[dtype]:
                self._vectors[dtype].set(list(named.values()))
        self._values = values

    def read(self) -> None:
        """Take the present `numbers`, for the updates that are made next."""
        self.numbers = {}
        for dtype, named in self._values.items():
            self.numbers.update(zip(named, unstack(self._vectors[dtype]), strict=True))
        for name, value in self._given.items():
            self.numbers[name] = reshape(value, ()).astype(self._dtype)

    def has(self, name: str) -> bool:
        """Whether the option `name` is on: a number other than 0, or a Tensor."""
        return is_on(self[name])

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
        self._check({**self.options, **new})
        for name, value in new.items():
            held = self.data.get(name)
            if isinstance(held, Tensor) and not isinstance(value, Tensor) and has_value(held):
                held.set(np.full(held.shape, value))
            else:
                self.data[name] = value
        self._take_numbers()

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"the option {name} of a group cannot be deleted; set it")

    def __repr__(self) -> str:
        lines = [f"    {name}: {value}" for name, value in sorted(self.options.items())]
        return "\n".join(["ParamGroup (", *lines, f"    parameters: {len(self.params)}", ")"])


def is_on(value: Any) -> bool:
    """Whether an option is on: a number other than 0, or a Tensor."""
    return isinstance(value, Tensor) or bool(value)


def plain(options: Options, *names: str) -> dict[str, Number]:
    """The options `names` as numbers of the same names."""
    return {
        name: options[name] if isinstance(options[name], Tensor) else float(options[name])
        for name in names
    }


def _form(value: Any, structural: bool) -> Any:
    """What of an option decides the form of an update: of a number, whether it is 0."""
    if isinstance(value, Tensor):
        return id(value)
    if isinstance(value, (tuple, list)):
        return tuple(_form(entry, structural) for entry in value)
    is_number = hasattr(value, "__float__") and not isinstance(value, bool)
    return bool(value) if is_number and not structural else value


def _is_rate(name: str, value: Any) -> bool:
    """Whether this is a rate that no form depends on: one of 0 is as any other."""
    return name == "lr" and not isinstance(value, Tensor)


def has_value(tensor: Tensor) -> bool:
    """Whether `tensor` can be looked at now: what depends on a placeholder cannot."""
    return not is_symbolic(tensor.node)


def _number(value: Number) -> float:
    """What graphs compiled before read, also after a Tensor came in the place of a number."""
    if not isinstance(value, Tensor):
        return value
    return value.item() if STATE.trace is None and has_value(value) else 0.0


def _make_state(tensor: Tensor) -> None:
    """Let `tensor` be an input of what is compiled from now on, unless it is computed there."""
    if tensor.is_state or STATE.trace is not None or not has_value(tensor):
        return
    tensor.realize()
    tensor.is_state = True
    tensor.node.belong(tensor)
