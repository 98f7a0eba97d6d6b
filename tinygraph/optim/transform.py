"""Gradient transformations: pure functions between the gradients and the optimizer.

A transformation makes of a mapping from parameters to gradients another one. Hand it over as
`optimizer.minimize(loss, transform=...)` in a defined graph, or make a `Transformed` optimizer of
it for a loop; `chain` joins several.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygraph.array.convert import as_node
from tinygraph.array.elementwise import clip, maximum, pow, sqrt, where
from tinygraph.array.reduce import mean, sum, widened
from tinygraph.autodiff.mode import no_grad
from tinygraph.dtypes import int64
from tinygraph.errors import StateError
from tinygraph.nn.utils.clip import clip_factor, get_total_norm
from tinygraph.ops.movement import barrier
from tinygraph.optim.check import at_least
from tinygraph.optim.optimizer import Gradients, Transform
from tinygraph.optim.saved import fitting
from tinygraph.random import Generator, randn
from tinygraph.tensor import Tensor, state

__all__ = [
    "GradientNoise",
    "adaptive_clip",
    "centralize",
    "chain",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "global_norm",
]


def global_norm(tensors: Mapping[Any, Tensor] | Iterable[Tensor], norm_type: float = 2.0) -> Tensor:
    """sqrt(sum of g² over all elements of all tensors), or another norm of them as one vector.

    tensors: several, or a mapping such as a transformation gets. norm_type: as in
    `nn.utils.get_total_norm`.

    >>> import tinygraph as tg
    >>> tg.optim.global_norm([tg.tensor([3.0]), tg.tensor([4.0])]).item()
    5.0
    """
    return get_total_norm(tensors.values() if isinstance(tensors, Mapping) else tensors, norm_type)


# -------------------------------------------------------------------------------- clipping


def clip_by_value(clip_value: float) -> Transform:
    """g ← max(-clip_value, min(clip_value, g)), for every entry of every gradient.

    Raises ValueError for a negative value.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, 1.0])
    >>> clip = tg.optim.clip_by_value(1.0)
    >>> clip({w: tg.tensor([3.0, -0.5])})[w]
    tensor([ 1. , -0.5])
    """
    at_least("clip_by_value", {"clip_value": clip_value}, 0.0, "clip_value")
    return _each(lambda param, grad: clip(grad, -clip_value, clip_value))


def clip_by_norm(max_norm: float, norm_type: float = 2.0) -> Transform:
    """g ← g * min(1, max_norm / (‖g‖ + 1e-6)), for each gradient by its own norm.

    It changes the direction of the step; `clip_by_global_norm` keeps it. norm_type: as in
    `nn.utils.get_total_norm`.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([1.0, 1.0])
    >>> tg.optim.clip_by_norm(1.0)({w: tg.tensor([3.0, 4.0])})[w].numpy().round(3).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    at_least("clip_by_norm", {"max_norm": max_norm}, 0.0, "max_norm")
    return _each(lambda param, grad: _scaled(grad, get_total_norm(grad, norm_type), max_norm))


def clip_by_global_norm(max_norm: float, norm_type: float = 2.0) -> Transform:
    """g ← g * min(1, max_norm / (norm + 1e-6)), with the norm of all gradients as one vector.

    What `nn.utils.clip_grad_norm_` does, for `minimize`. Textbooks write g * max_norm / norm where
    the norm is above max_norm: the same but for the 1e-6, which keeps the division finite.
    norm_type: as in `nn.utils.get_total_norm`.

    Source: Pascanu et al., "On the difficulty of training recurrent neural networks" (2013).

    >>> import tinygraph as tg
    >>> v, w = tg.nn.Parameter([1.0]), tg.nn.Parameter([1.0])
    >>> found = tg.optim.clip_by_global_norm(1.0)({v: tg.tensor([3.0]), w: tg.tensor([4.0])})
    >>> round(found[v].item(), 4), round(found[w].item(), 4)
    (0.6, 0.8)
    """
    at_least("clip_by_global_norm", {"max_norm": max_norm}, 0.0, "max_norm")

    def clipped(grads: Gradients) -> Gradients:
        total = global_norm(grads, norm_type)
        return {param: _scaled(grad, total, max_norm) for param, grad in grads.items()}

    return clipped


def _scaled(grad: Tensor, total: Tensor, max_norm: float) -> Tensor:
    factor: Tensor = clip_factor(total, max_norm).astype(grad.dtype)
    return grad * factor


def adaptive_clip(clipping: float = 0.01, eps: float = 1e-3) -> Transform:
    """AGC: g ← g * clipping * max(‖w‖, eps) / ‖g‖ where that is below g, for each unit.

    A unit is what belongs to one output: a row of a matrix, a kernel of a convolution; of a
    vector or a number it is the whole. The paper leaves out the last linear layer: give its
    parameters to another optimizer, or make a transformation that calls this one for the others.

    clipping: the greatest part of its norm by which a unit's gradient may change it with a rate
    of 1. eps: the least norm of a unit, so that zeros can grow.

    Source: Brock et al., "High-Performance Large-Scale Image Recognition Without Normalization"
    (2021), section 4.1.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([[3.0, 4.0], [0.0, 0.0]])
    >>> grads = {w: tg.tensor([[0.0, 10.0], [0.0, 10.0]])}
    >>> tg.optim.adaptive_clip(0.1, eps=1.0)(grads)[w].numpy().round(4).tolist()
    [[0.0, 0.5], [0.0, 0.10000000149011612]]
    """
    at_least("adaptive_clip", {"clipping": clipping, "eps": eps}, 0.0, "clipping", "eps")

    def limit(param: Tensor, grad: Tensor) -> Tensor:
        most = clipping * maximum(_unit_norm(param), eps)
        norm = _unit_norm(grad)
        factor = where(norm > most, most / maximum(norm, 1e-6), 1.0)
        limited: Tensor = grad * factor.astype(grad.dtype)
        return limited

    return _each(limit)


def _unit_norm(x: Tensor) -> Tensor:
    """The norm of what belongs to each output, with its dimensions kept."""
    x = Tensor(widened(x.node))
    axes = tuple(range(1, x.ndim)) if x.ndim > 1 else None
    return sqrt(sum(x * x, axis=axes, keepdims=True))


# ---------------------------------------------------------------------------- other changes


def centralize() -> Transform:
    """g ← g - mean(g), for each unit of a matrix or a convolution; see `adaptive_clip`.

    Vectors and numbers are left as they are.

    Source: Yong et al., "Gradient Centralization: A New Optimization Technique for Deep Neural
    Networks" (2020).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([[0.0, 0.0]])
    >>> tg.optim.centralize()({w: tg.tensor([[1.0, 3.0]])})[w].tolist()
    [[-1.0, 1.0]]
    """

    def centred(param: Tensor, grad: Tensor) -> Tensor:
        if grad.ndim < 2:
            return grad
        return grad - mean(grad, axis=tuple(range(1, grad.ndim)), keepdims=True)

    return _each(centred)


class GradientNoise:
    """g ← g + noise, of the normal distribution with variance eta / (1 + t)^gamma.

    t counts the steps from 0, and is state: `state_dict` saves it, and where the optimizer is
    `Transformed` by this, that of the optimizer does too. The draws go on with `generator`.

    eta: the variance at first; 0.01, 0.3 and 1 in the paper. gamma: how fast it falls. generator:
    where the numbers come from; the default one where it is left out.

    Source: Neelakantan et al., "Adding Gradient Noise Improves Learning for Very Deep Networks"
    (2015).

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter(tg.zeros(10000))
    >>> noise = tg.optim.GradientNoise(eta=4.0, gamma=1.0)
    >>> for _ in range(2):
    ...     print(f"{tg.std(noise({w: tg.zeros(10000)})[w]).item():.1f}")
    2.0
    1.4
    """

    def __init__(
        self, eta: float = 0.01, gamma: float = 0.55, generator: Generator | None = None
    ) -> None:
        at_least("GradientNoise", {"eta": eta, "gamma": gamma}, 0.0, "eta", "gamma")
        self.eta, self.gamma, self.generator = float(eta), float(gamma), generator
        self.step = state(np.zeros((), int64), name="GradientNoise step")

    def __call__(self, grads: Gradients) -> Gradients:
        deviation = math.sqrt(self.eta) * pow(1.0 + self.step, -self.gamma / 2)
        found = {param: self._noisy(grad, deviation) for param, grad in grads.items()}
        with no_grad():
            for grad in grads.values():  # counted when the step is made: in a graph at each call
                self.step.assign(Tensor(barrier(as_node(self.step + 1), grad.node)))
                break
        return found

    def _noisy(self, grad: Tensor, deviation: Tensor) -> Tensor:
        noise = randn(grad.shape, dtype=grad.dtype, generator=self.generator)
        noisy: Tensor = grad + noise * deviation.astype(grad.dtype)
        return noisy

    def state_dict(self) -> dict[str, Any]:
        """The number of steps, {"step": array}; the state of the generator is its own."""
        return {"step": self.step.numpy()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        if not isinstance(state_dict, Mapping) or "step" not in state_dict:
            raise StateError("GradientNoise.load_state_dict: expected what state_dict() returns")
        self.step.set(fitting("GradientNoise: step", state_dict["step"], (), int64))


def chain(*transforms: Transform) -> Transform:
    """transform_n(... transform_1(g)): several transformations as one, the first one first.

    Raises TypeError for what cannot be called.

    >>> import tinygraph as tg
    >>> w = tg.nn.Parameter([[0.0, 0.0]])
    >>> both = tg.optim.chain(tg.optim.centralize(), tg.optim.clip_by_value(0.5))
    >>> both({w: tg.tensor([[1.0, 3.0]])})[w].tolist()
    [[-0.5, 0.5]]
    """
    for transform in transforms:
        if not callable(transform):
            raise TypeError(
                f"chain: expected functions of the gradients, got a {type(transform).__name__}"
            )
    return _Chain(transforms)


class _Chain:
    """Several transformations as one; its state is that of those that have one."""

    def __init__(self, transforms: Sequence[Any]) -> None:
        self.transforms = transforms

    def __call__(self, grads: Gradients) -> Gradients:
        for transform in self.transforms:
            grads = transform(grads)
        return grads

    def _with_state(self) -> dict[int, Any]:
        return {n: t for n, t in enumerate(self.transforms) if hasattr(t, "state_dict")}

    def state_dict(self) -> dict[int, Any]:
        """The state of each transformation that has one, by its place."""
        return {place: transform.state_dict() for place, transform in self._with_state().items()}

    def load_state_dict(self, state_dict: Mapping[int, Any]) -> None:
        """Take over what `state_dict` returned."""
        own = self._with_state()
        if not isinstance(state_dict, Mapping) or own.keys() != state_dict.keys():
            raise StateError(
                f"chain.load_state_dict: expected the state of the transformations {list(own)}"
            )
        before = self.state_dict()
        try:
            for place, transform in own.items():
                transform.load_state_dict(state_dict[place])
        except StateError:
            for place, transform in own.items():
                transform.load_state_dict(before[place])
            raise


def _each(change: Callable[[Tensor, Tensor], Tensor]) -> Transform:
    """`change` of each parameter and its gradient."""

    def changed(grads: Gradients) -> Gradients:
        return {param: change(param, grad) for param, grad in grads.items()}

    return changed
