"""Weight and spectral normalization under PyTorch's older parameter names.

Before each call of the module, a hook computes its weight. New code takes `parametrizations`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tinygraph.autodiff.mode import no_grad
from tinygraph.nn.module import Module
from tinygraph.nn.parameter import Parameter
from tinygraph.nn.utils.parametrizations import (
    as_matrix,
    check_iterations,
    length_along,
    output_dim,
    power_iterations,
    random_directions,
    singular_value,
    with_length,
)
from tinygraph.nn.utils.parametrize import at_each_call, running
from tinygraph.tensor import Tensor

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """weight = g v / |v|, of the parameters `weight_g` and `weight_v`.

    See `parametrizations.weight_norm`, which has the same arguments and other names.

    >>> import tinygraph as tg
    >>> list(tg.nn.utils.weight_norm(tg.nn.Linear(3, 2)).state_dict())
    ['bias', 'weight_g', 'weight_v']
    """
    weight = _taken_out(module, name, _WeightHook)
    with no_grad():
        length = length_along(weight, dim)
    module.register_parameter(f"{name}_g", Parameter(length))
    module.register_parameter(f"{name}_v", weight)
    return _hooked(module, _WeightHook(name, dim))


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Undo `weight_norm`: the weight is a parameter again, with its present value."""
    return _removed(module, name, _WeightHook, ("g", "v"))


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """weight / sigma(weight), of the parameter `weight_orig`, buffers `weight_u` and `weight_v`.

    See `parametrizations.spectral_norm`, which has the same arguments and other names. Here u and
    v are random in the beginning.

    >>> import tinygraph as tg
    >>> list(tg.nn.utils.spectral_norm(tg.nn.Linear(3, 2)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    check_iterations(n_power_iterations)
    weight = _taken_out(module, name, _SpectralHook)
    rows = output_dim(module, weight, dim)
    with no_grad():
        vectors = random_directions(as_matrix(weight, rows), eps)
    module.register_parameter(f"{name}_orig", weight)
    for letter, vector in zip("uv", vectors, strict=True):
        module.register_buffer(f"{name}_{letter}", vector)
    return _hooked(module, _SpectralHook(name, rows, n_power_iterations, eps))


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Undo `spectral_norm`: the weight is a parameter again, with its present value."""
    return _removed(module, name, _SpectralHook, ("orig", "u", "v"))


@dataclass(frozen=True)
class _Hook:
    """Computes the Tensor `name` of a module from others before each call."""

    name: str
    dim: int | None

    def __call__(self, module: Module, args: Any) -> None:
        with running(args):
            setattr(module, self.name, self.weight(module, module.training))

    def parts(self, module: Module, *suffixes: str) -> list[Tensor]:
        """What is computed from."""
        return [getattr(module, f"{self.name}_{suffix}") for suffix in suffixes]

    def weight(self, module: Module, training: bool) -> Tensor:
        """What the module is to use now."""
        raise NotImplementedError


@dataclass(frozen=True)
class _WeightHook(_Hook):
    def weight(self, module: Module, training: bool) -> Tensor:
        direction, length = self.parts(module, "v", "g")
        return with_length(direction, length, self.dim)


@dataclass(frozen=True)
class _SpectralHook(_Hook):
    dim: int
    n_power_iterations: int
    eps: float

    def weight(self, module: Module, training: bool) -> Tensor:
        original, *vectors = self.parts(module, "orig", "u", "v")
        matrix = as_matrix(original, self.dim)
        u, v = vectors
        if training:
            with no_grad():  # here v comes first
                v, u = power_iterations(matrix.T, v, u, self.n_power_iterations, self.eps)
                for vector, new in zip(vectors, (u, v), strict=True):
                    vector.assign(at_each_call(new))
        return original / singular_value(matrix, u, v)


def _taken_out(module: Module, name: str, kind: type[_Hook]) -> Parameter:
    """The parameter that a hook of this kind is to compute from now on."""
    if _found(module, name, kind):
        raise RuntimeError(f"{type(module).__name__}.{name} is normalized so already")
    weight = module._parameters.get(name)
    if weight is None:
        raise ValueError(f"{type(module).__name__} has no parameter {name!r}")
    delattr(module, name)
    return weight


def _hooked(module: Module, hook: _Hook) -> Module:
    setattr(module, hook.name, hook.weight(module, training=False))
    module.register_forward_pre_hook(hook)
    return module


def _found(module: Module, name: str, kind: type[_Hook]) -> dict[int, _Hook]:
    """The hooks of this kind for `name`, by their keys."""
    return {
        key: hook
        for key, (_, hook) in module._hooks.items()
        if isinstance(hook, kind) and hook.name == name
    }


def _removed(module: Module, name: str, kind: type[_Hook], suffixes: tuple[str, ...]) -> Module:
    found = _found(module, name, kind)
    if not found:
        raise ValueError(f"{type(module).__name__}.{name} is not normalized so")
    for key, hook in found.items():
        del module._hooks[key]
        with no_grad():
            weight = hook.weight(module, training=False)
    for part in (name, *(f"{name}_{suffix}" for suffix in suffixes)):
        delattr(module, part)
    module.register_parameter(name, Parameter(weight))
    return module
