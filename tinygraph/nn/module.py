"""Module: a part of a network, with its parameters, its buffers and the parts within it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from tinygraph.dtypes import bfloat16, canonical, float16, float32, float64, is_float
from tinygraph.errors import DTypeError, StateError, TinygraphError
from tinygraph.graph.node import STATE
from tinygraph.nn.hooks import BackwardCall, Hook, HookHandle, Hooks, after, before, enter
from tinygraph.nn.parameter import Parameter, as_array, clear_grad
from tinygraph.ops.registry import located
from tinygraph.runtime import lazy
from tinygraph.tensor import Tensor, state

Self = TypeVar("Self", bound="Module")
_TABLES = ("_parameters", "_buffers", "_modules")


class LoadResult(NamedTuple):
    """What `load_state_dict(..., strict=False)` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """The base of every layer and network.

    A subclass makes its parts in `__init__`, after `super().__init__()`, and computes with them
    in `forward`. A Parameter or Module that is assigned to an attribute becomes part of it; a
    Tensor that is to be saved with it, but not learned, is entered by `register_buffer`.

    training: whether the module is being trained; dropout and batch norm look at it.

    >>> from tinygraph import nn
    >>> class Twice(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layer = nn.Linear(3, 3)
    ...     def forward(self, x):
    ...         return self.layer(self.layer(x))
    >>> [name for name, _ in Twice().named_parameters()]
    ['layer.weight', 'layer.bias']
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _transient: set[str]  # the buffers that are not saved
    _hooks: Hooks

    def __init__(self) -> None:
        tables: dict[str, Any] = {name: {} for name in (*_TABLES, "_hooks")}
        vars(self).update(tables, _transient=set(), training=True)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes. A subclass says so."""
        raise NotImplementedError(f"{type(self).__name__} has no `forward`; define it")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if STATE.trace is not None:
            STATE.trace.touch_module(self)
        try:
            if not self._hooks:
                return self.forward(*args, **kwargs)
            args = before(self, args)
            call = BackwardCall(self)
            result = call.result(self.forward(*call.arguments(args), **kwargs))
            return after(self, args, result)
        except TinygraphError as error:
            told = located(type(self).__name__, error)
            raise told.with_traceback(error.__traceback__) from None

    # ------------------------------------------------------------------------------- hooks

    def register_forward_pre_hook(self, hook: Hook, *, prepend: bool = False) -> HookHandle:
        """Call `hook(module, args)` before each `forward`.

        args: the positional arguments. What the hook returns, unless it is None, takes their
        place: a tuple, or a single one. prepend: before the hooks there are. The handle's
        `remove()` undoes it.
        """
        return enter(self._hooks, "before", hook, prepend)

    def register_forward_hook(self, hook: Hook, *, prepend: bool = False) -> HookHandle:
        """Call `hook(module, args, result)` after each `forward`.

        What the hook returns, unless it is None, takes the place of the result.
        """
        return enter(self._hooks, "after", hook, prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> HookHandle:
        """Call `hook(module, grad_input, grad_output)` when a gradient has run through the module.

        Both are tuples: of the gradients of the arguments (None for one without) and of the
        results. What the hook returns, unless it is None, takes the place of `grad_input`. It is
        called as the gradient is built: in a compiled function once, when that is made.

        >>> import tinygraph as tg
        >>> layer, seen = tg.nn.Tanh(), []
        >>> handle = layer.register_full_backward_hook(lambda m, g_in, g_out: seen.append(g_in))
        >>> x = tg.tensor([0.0], requires_grad=True)
        >>> layer(x).sum().backward()
        >>> seen
        [(tensor([1.]),)]
        """
        return enter(self._hooks, "gradient left", hook, prepend)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> HookHandle:
        """Call `hook(module, grad_output)` when a gradient has arrived at the module.

        What it returns, unless it is None, takes the place of `grad_output`.
        """
        return enter(self._hooks, "gradient arrived", hook, prepend)

    # ------------------------------------------------------------------------- registration

    def __setattr__(self, name: str, value: Any) -> None:
        if "_modules" not in vars(self):
            raise AttributeError(
                f"{type(self).__name__}: call super().__init__() before assigning to self.{name}"
            )
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self.add_module(name, value)
        elif name in self._parameters or name in self._modules:
            self._replace_registered(name, value)
        elif name in self._buffers:
            self.register_buffer(name, value, name not in self._transient)
        else:
            object.__setattr__(self, name, value)

    def _replace_registered(self, name: str, value: Any) -> None:
        table = self._parameters if name in self._parameters else self._modules
        if value is not None:
            kind = "Parameter" if table is self._parameters else "Module"
            raise TypeError(
                f"{type(self).__name__}.{name} is a {kind}: expected a {kind} or None, got "
                f"{type(value).__name__}"
                + ("; to change its values, use .assign" if kind == "Parameter" else "")
            )
        table[name] = None

    def __getattr__(self, name: str) -> Any:
        for table in _TABLES:
            entries = vars(self).get(table, {})
            if name in entries:
                return entries[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for table in _TABLES:
            if name in vars(self)[table]:
                del vars(self)[table][name]
                self._transient.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = set(super().__dir__())
        return sorted(names.union(*[vars(self)[table] for table in _TABLES]))

    def _enter(self, table: str, name: str, value: Any) -> None:
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(
                f"{type(self).__name__}: a name is expected that is not empty and has no dot, got "
                f"{name!r}"
            )
        if hasattr(type(self), name):  # Python would find that first, and never the entry
            raise ValueError(
                f"{type(self).__name__}: the class has an attribute {name!r} already; choose "
                "another name"
            )
        for other in _TABLES:
            if other != table:
                vars(self)[other].pop(name, None)
        vars(self).pop(name, None)
        vars(self)[table][name] = value

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Enter a parameter under `name`, as assigning it does. None holds the place free."""
        if parameter is not None and not isinstance(parameter, Parameter):
            raise TypeError(
                f"{type(self).__name__}.{name}: expected a Parameter, got "
                f"{type(parameter).__name__}"
            )
        if parameter is not None and parameter.name is None:
            parameter.name = name
        self._enter("_parameters", name, parameter)

    def add_module(self, name: str, module: Module | None) -> None:
        """Enter a module under `name`, as assigning it does."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__}.{name}: expected a Module, got {type(module).__name__}"
            )
        if module is not None and any(part is self for part in module.modules()):
            raise ValueError(f"{type(self).__name__}.{name}: a module cannot contain itself")
        self._enter("_modules", name, module)
        if module is not None:
            for path, tensor in module._entries(name).items():
                if tensor.name is None or path.endswith(tensor.name):
                    tensor.name = path  # as printed tapes show it

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Enter a Tensor that is state of the module but is not learned.

        tensor: a Tensor or an array; None holds the place free. persistent: whether
        `state_dict` holds it.
        """
        if tensor is not None and not (isinstance(tensor, Tensor) and tensor.is_state):
            tensor = state(tensor.numpy() if isinstance(tensor, Tensor) else tensor, name=name)
        self._enter("_buffers", name, tensor)
        self._transient.discard(name)
        if not persistent:
            self._transient.add(name)

    # --------------------------------------------------------------------------- what is in it

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly within this one, with their names."""
        seen: set[int] = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly within this one."""
        for _, module in self.named_children():
            yield module

    def get_submodule(self, target: str) -> Module:
        """The module of this dotted name within this one; "" for this one itself.

        Raises AttributeError if there is none.
        """
        found = dict(_walk(self, ""))
        if target not in found:
            raise AttributeError(
                f"{type(self).__name__} has no module {target!r}; it has "
                f"{', '.join(name for name in found if name) or 'none'}"
            )
        return found[target]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of this dotted name. Raises AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if owner._parameters.get(name) is None:
            raise AttributeError(f"{type(owner).__name__} has no parameter {name!r}")
        return cast(Parameter, owner._parameters[name])

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all within it, each once, with their dotted names."""
        seen: set[int] = set()
        for name, module in _walk(self, prefix):
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def modules(self) -> Iterator[Module]:
        """This module and all within it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters, each once, with their dotted names."""
        return self._named("_parameters", prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once: of this module, and with `recurse` of all within it."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """The buffers, each once, with their dotted names."""
        return self._named("_buffers", prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def _named(self, table: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, tensor in vars(module)[table].items():
                if tensor is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield _join(path, name), tensor

    def num_parameters(self, trainable_only: bool = False) -> int:
        """How many numbers the parameters hold together."""
        return sum(int(p.size) for p in self.parameters() if p.requires_grad or not trainable_only)

    # ----------------------------------------------------------------------------- saved state

    def _entries(self, prefix: str = "") -> dict[str, Tensor]:
        """Every parameter and persistent buffer under each of its names."""
        entries: dict[str, Tensor] = {}
        for path, module in _walk(self, prefix):
            kept = {n: b for n, b in module._buffers.items() if n not in module._transient}
            for name, tensor in (*module._parameters.items(), *kept.items()):
                if tensor is not None:
                    entries[_join(path, name)] = tensor
        return entries

    def state_dict(self, prefix: str = "") -> dict[str, np.ndarray]:
        """A copy of each parameter and persistent buffer, as a NumPy array under its name.

        >>> from tinygraph import nn
        >>> {name: array.shape for name, array in nn.Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        entries = self._entries(prefix)
        lazy.realize([lazy.present_value(tensor.node) for tensor in entries.values()])
        return {name: tensor.numpy() for name, tensor in entries.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Take over the values of `state_dict`: names with arrays or Tensors.

        They are cast to the dtypes here.

        strict: whether each name must stand on both sides. Raises StateError, which lists all
        that does not fit; then nothing has been loaded.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"{type(self).__name__}.load_state_dict: expected a mapping of names to arrays "
                "(tg.io.load(path) reads one, module.state_dict() makes one), got "
                f"{type(state_dict).__name__}"
            )
        entries = self._entries()
        missing = [name for name in entries if name not in state_dict]
        unexpected = [name for name in state_dict if name not in entries]
        common = {name: as_array(state_dict[name]) for name in entries if name in state_dict}
        wrong = [
            f"{name}: expected shape {entries[name].shape}, got {array.shape}"
            for name, array in common.items() if array.shape != entries[name].shape
        ]  # fmt: skip
        wrong += [
            f"{name}: expected numbers, got dtype {array.dtype}"
            for name, array in common.items() if not _castable(array.dtype)
        ]  # fmt: skip
        if strict:
            wrong += [f"{name}: expected, but missing" for name in missing]
            wrong += [f"{name}: got, but not expected" for name in unexpected]
        if wrong:
            raise StateError(
                f"the state does not fit {type(self).__name__}:\n  " + "\n  ".join(wrong)
            )
        if STATE.trace is None:
            lazy.end_definition()  # what a graph is to assign stays with the function to come
        for name, array in common.items():
            entries[name].set(array)
        return LoadResult(missing, unexpected)

    # ---------------------------------------------------------------------------- whole-tree acts

    def train(self: Self, mode: bool = True) -> Self:
        """Set the training mode of this module and of all within it; returns the module."""
        if not isinstance(mode, bool):
            raise TypeError(f"train: expected True or False, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: Self) -> Self:
        """Leave the training mode: dropout lets all pass, batch norm uses its averages."""
        return self.train(False)

    def apply(self: Self, function: Callable[[Module], None]) -> Self:
        """Call `function` on each module within, and last on this one; returns the module."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or with `set_to_none=False` make them 0."""
        for parameter in self.parameters():
            clear_grad(parameter, set_to_none)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Say whether `backward` is to reach the parameters; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def freeze(self: Self) -> Self:
        """Let no gradient reach the parameters, so that training leaves them; returns the module.

        Batch norm goes on following its batches while it is in training mode: see `eval`.
        """
        return self.requires_grad_(False)

    def unfreeze(self: Self) -> Self:
        """Undo `freeze`."""
        return self.requires_grad_(True)

    def to(self: Self, dtype: Any) -> Self:
        """Turn all parameters and buffers that are floats into `dtype`; returns the module.

        Make the optimizer afterwards: its state takes the dtypes of the parameters.
        """
        wanted = canonical(dtype)
        if not is_float(wanted):
            raise DTypeError(f"to: expected a floating-point dtype, got {wanted.name}")
        for tensor in (*self.parameters(), *self.buffers()):
            if is_float(tensor.dtype) and tensor.dtype != wanted:
                tensor.node = _recast(tensor, wanted)
        return self

    def float(self: Self) -> Self:
        """Turn all floats into float32; see `to`."""
        return self.to(float32)

    def double(self: Self) -> Self:
        """Turn all floats into float64; see `to`."""
        return self.to(float64)

    def half(self: Self) -> Self:
        """Turn all floats into float16; see `to`."""
        return self.to(float16)

    def bfloat16(self: Self) -> Self:
        """Turn all floats into bfloat16; see `to`."""
        return self.to(bfloat16)

    def summary(
        self, input_shape: Any = None, dtype: Any = "float32", *, depth: int | None = None
    ) -> str:
        """A table of the layers: output shapes, parameters, FLOPs; see `nn.summary.summary`."""
        from tinygraph.nn.summary import summary

        return summary(self, input_shape, dtype, depth=depth)

    # ------------------------------------------------------------------------ Python's protocols

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        for buffer in self._buffers.values():
            if buffer is not None:
                memo.setdefault(id(buffer), state(buffer.numpy(), name=buffer.name))
        vars(copied).update(copy.deepcopy(vars(self), memo))
        return copied

    def __reduce__(self) -> Any:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled, for a pickle can run code when it is read: "
            "save module.state_dict() with tinygraph.io.save"
        )

    def extra_repr(self) -> str:
        """What `repr` shows of this module between the parentheses."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): {module!r}" for name, module in self._modules.items()]
        extra = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({extra})"
        body = "\n".join([extra, *lines] if extra else lines).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {body}\n)"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _walk(module: Module, path: str) -> Iterator[tuple[str, Module]]:
    """`module` and all within it under each of their names."""
    yield path, module
    for name, child in module._modules.items():
        if child is not None:
            yield from _walk(child, _join(path, name))


def _castable(dtype: np.dtype[Any]) -> bool:
    """Whether arrays of `dtype` are numbers that a Tensor can take over."""
    return dtype.kind in "biuf" or dtype == bfloat16


def _recast(tensor: Tensor, dtype: np.dtype[Any]) -> Any:
    """A leaf node for `tensor` with its value in another dtype."""
    changed = Parameter(tensor, tensor.requires_grad, dtype).node
    changed.belong(tensor)
    return changed
