"""Parameters that are computed from others: a weight that is normalized, orthogonal, symmetric.

A parametrization is a module from what is learned to what a layer uses. Registered for the
`weight` of a layer, it takes that over: `layer.weight` is computed anew each time it is read, and
what is learned is `layer.parametrizations.weight.original`. A parametrization of several Tensors
has a method `right_inverse` that makes them of a weight; they are `original0`, `original1`, ...
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tinygraph import tree
from tinygraph.array.convert import to_tensor
from tinygraph.autodiff.mode import no_grad
from tinygraph.errors import ShapeError
from tinygraph.nn.layers.container import ModuleDict, ModuleList
from tinygraph.nn.module import Module
from tinygraph.nn.parameter import Parameter
from tinygraph.ops.movement import barrier
from tinygraph.tensor import Tensor

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization",
    "remove_parametrizations", "type_before_parametrizations",
]  # fmt: skip


class ParametrizationList(ModuleList):
    """The parametrizations of one Tensor, applied one after the other, and what they start from.

    modules: the parametrizations. original: the Parameter or buffer that they take the place of.
    unsafe: whether the result may have another shape or dtype than that.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList: expected one module at least, got none")
        super().__init__(modules)
        self.unsafe = unsafe
        wanted = original.node.aval
        with no_grad():
            values = self._inverted(original, strict=False)
        self.is_tensor = isinstance(values, Tensor)
        if isinstance(values, Tensor):
            _register(self, "original", _holding(original, values))
            self.ntensors = 1
        else:
            self.ntensors = len(values)
            for number, value in enumerate(values):
                _register(self, f"original{number}", _another(original, value))
        _check_result(self(), wanted, unsafe)

    def _inverted(self, value: Tensor, strict: bool) -> Tensor | Sequence[Tensor]:
        """What the parametrizations make `value` of. One that cannot say so leaves it as it is,
        or with `strict` raises NotImplementedError."""
        found: Any = value
        for module in reversed(list(self)):
            if hasattr(module, "right_inverse"):
                try:
                    found = module.right_inverse(found)
                except NotImplementedError:
                    if strict:
                        raise
            elif strict:
                raise NotImplementedError(
                    f"{type(module).__name__} has no method `right_inverse`, so that nothing can "
                    "be assigned to what it computes"
                )
        return found if isinstance(found, Tensor) else tuple(found)

    def originals(self) -> list[Tensor]:
        """What is learned."""
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    def right_inverse(self, value: Tensor) -> None:
        """Set what is learned so that the result is `value`, as far as it can be."""
        with no_grad():
            found = self._inverted(value, strict=True)
            values = [found] if isinstance(found, Tensor) else found
            for original, part in zip(self.originals(), values, strict=True):
                original.assign(part)

    def forward(self) -> Tensor:
        first, *others = self
        value: Tensor = first(*self.originals())
        for module in others:
            value = module(value)
        return value


def _check_result(value: Any, wanted: Any, unsafe: bool) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"a parametrization gives a Tensor, got {type(value).__name__}")
    if not unsafe and (value.shape, value.dtype) != (wanted.shape, wanted.dtype):
        raise ShapeError(
            f"a parametrization of a {wanted} gives such a one, got {value.node.aval}; "
            "with unsafe=True it may give another"
        )


def _register(module: Module, name: str, value: Tensor) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


def _holding(original: Tensor, value: Tensor) -> Tensor:
    """`original` with a new value: the same object, as an optimizer may know it already."""
    if value is original:
        return original
    same = value.shape == original.shape
    return original.set(value.numpy()) if same else _another(original, value)


def _another(original: Tensor, value: Tensor) -> Tensor:
    """A Parameter where `original` is one, else a Tensor."""
    if isinstance(original, Parameter):
        return Parameter(value, original.requires_grad)
    return value.detach()


# ---------------------------------------------------------------- modules with such parameters


class _Here(threading.local):
    """What this thread is computing just now."""

    def __init__(self) -> None:
        self.argument: Tensor | None = None  # of the parametrized module that is running
        self.known: dict[tuple[int, str], Tensor] | None = None  # what `cached` keeps


_HERE = _Here()
_TYPES: dict[type[Module], type[Module]] = {}


class _Parametrized(Module):
    """What a module's class is given before itself once a Tensor of it is computed from others."""

    def __getattr__(self, name: str) -> Any:
        lists = _lists(self)
        if name not in lists:
            return super().__getattr__(name)
        known = _HERE.known
        if known is None:
            return lists[name]()
        key = id(self), name
        if key not in known:
            known[key] = lists[name]()
        return known[key]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _lists(self):
            _lists(self)[name].right_inverse(to_tensor(value))
        else:
            super().__setattr__(name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with running((args, kwargs)):
            return super().__call__(*args, **kwargs)


@contextmanager
def running(arguments: Any) -> Iterator[None]:
    """Within this, a module with these arguments is computed; see `at_each_call`."""
    tensors = [x for x in tree.flatten(arguments)[0] if isinstance(x, Tensor)]
    before, _HERE.argument = _HERE.argument, tensors[0] if tensors else None
    try:
        yield
    finally:
        _HERE.argument = before


def at_each_call(value: Tensor) -> Tensor:
    """`value`, which a parametrization is about to assign to its state, so that a defined graph
    assigns it at each call of the module, not once when it is defined."""
    if _HERE.argument is None:
        return value
    return Tensor(barrier(value.node, _HERE.argument.node))


@contextmanager
def cached() -> Iterator[None]:
    """Within this, compute each parametrized Tensor once, however often it is read.

    >>> import tinygraph as tg
    >>> from tinygraph.nn.utils import parametrizations, parametrize
    >>> layer = parametrizations.weight_norm(tg.nn.Linear(3, 2))
    >>> with parametrize.cached():
    ...     layer.weight is layer.weight
    True
    """
    before = _HERE.known
    _HERE.known = {} if before is None else before
    try:
        yield
    finally:
        _HERE.known = before


def _lists(module: Module) -> dict[str, Any]:
    """The parametrizations of a module by the names of the Tensors that they compute."""
    held = vars(module).get("_modules", {}).get("parametrizations")
    return held._modules if isinstance(held, ModuleDict) else {}


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a Tensor of `module`, or this one, is computed by parametrizations."""
    return bool(_lists(module)) if tensor_name is None else tensor_name in _lists(module)


def type_before_parametrizations(module: Module) -> type[Module]:
    """The class that `module` had before its first parametrization."""
    return type(module).__bases__[1] if is_parametrized(module) else type(module)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let `module`'s Tensor of this name be computed by `parametrization`; returns the module.

    tensor_name: a Parameter or buffer, or a Tensor that is parametrized already; then the new
    parametrization is applied last. parametrization: a module from a Tensor to one of the same
    shape and dtype. Where it has a method `right_inverse`, from such a Tensor to one or several
    others, these become the new parameters (make the optimizer afterwards), and `module.weight =
    value` works. unsafe: whether shape and dtype may change.

    >>> import tinygraph as tg
    >>> class Symmetric(tg.nn.Module):
    ...     def forward(self, x):
    ...         return tg.triu(x) + tg.triu(x, 1).T
    >>> layer = tg.nn.Linear(3, 3)
    >>> layer = tg.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all())
    True
    >>> list(layer.state_dict())
    ['bias', 'parametrizations.weight.original']
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        held = _lists(module)[tensor_name]
        before = getattr(module, tensor_name)
        _check_result(parametrization(before), before.node.aval, unsafe)
        held.append(parametrization)
        held.unsafe = held.unsafe or unsafe
        return module
    original = {**module._buffers, **module._parameters}.get(tensor_name)
    if original is None:
        raise ValueError(
            f"{type(module).__name__} has no parameter or buffer {tensor_name!r} to parametrize"
        )
    made = ParametrizationList([parametrization], original, unsafe)
    made.train(module.training)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.__class__ = _parametrized_type(type(module))
        module.add_module("parametrizations", ModuleDict())
    module._modules["parametrizations"][tensor_name] = made  # type: ignore[index]
    return module


def _parametrized_type(kind: type[Module]) -> type[Module]:
    if kind not in _TYPES:
        _TYPES[kind] = type(f"Parametrized{kind.__name__}", (_Parametrized, kind), {})
    return _TYPES[kind]


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make the Tensor of this name a plain one again; returns the module.

    leave_parametrized: whether it keeps the value that was computed; else it has that of
    `original` again, which there is where the parametrization is of one Tensor.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"{type(module).__name__} has no parametrization of {tensor_name!r}")
    held: ParametrizationList = _lists(module)[tensor_name]
    if not (leave_parametrized or held.is_tensor):
        raise ValueError(
            f"the parametrization of {tensor_name!r} has {held.ntensors} Tensors: expected "
            "leave_parametrized=True"
        )
    first = held.originals()[0]
    if leave_parametrized:
        with no_grad():
            value = getattr(module, tensor_name)
        first = _holding(first, value) if held.is_tensor else _another(first, value)
    del _lists(module)[tensor_name]
    if not _lists(module):
        module.__class__ = type(module).__bases__[1]
        del module._modules["parametrizations"]
    _register(module, tensor_name, first)
    return module
