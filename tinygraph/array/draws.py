"""Random draws in the form that PyTorch gives them: parameters first, and the shape after them."""

from __future__ import annotations

from typing import Any

from tinygraph import random
from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.elementwise import astype, log
from tinygraph.array.shape import broadcast_shapes, moveaxis
from tinygraph.array.sizes import known
from tinygraph.array.sort import topk
from tinygraph.errors import ShapeError
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

Generator = random.Generator


@api
def normal(
    mean: TensorLike,
    std: TensorLike = 1.0,
    size: Any = None,
    *,
    dtype: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """mean + std * eps, eps from the normal distribution of mean 0 and deviation 1.

    mean, std: numbers or arrays, which broadcast. size: the shape; theirs if it is left out.
    dtype: that of the arrays, or float32. `tg.random.normal` takes the shape first.

    >>> import tinygraph as tg
    >>> tg.normal(tg.tensor([1.0, 2.0]), 0.0)
    tensor([1., 2.])
    >>> tg.normal(0.0, 1.0, (2, 3)).shape
    (2, 3)
    """
    arrays = [part for part in (mean, std) if isinstance(part, Tensor)]
    shape = broadcast_shapes(*[part.shape for part in arrays]) if size is None else size
    wanted = arrays[0].dtype if arrays and dtype is None else dtype
    return random.normal(shape, mean, std, dtype=wanted, generator=generator)


@api
def bernoulli(x: TensorLike, *, generator: Generator | None = None) -> Tensor:
    """1 with probability x, else 0, in the dtype of x. `tg.random.bernoulli` gives bool.

    >>> import tinygraph as tg
    >>> tg.bernoulli(tg.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    p = to_tensor(x)
    return astype(random.bernoulli(p, generator=generator), p.dtype)


@api
def multinomial(
    x: TensorLike,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """`num_samples` places in each row of x, each drawn in proportion to the number there (int64).

    x: (..., n), from 0; rows need not add up to 1. replacement: whether a place may be drawn
    again; without it they are the places of the largest log x + Gumbel noise. Returns
    (..., num_samples). Raises ShapeError for more draws than places without replacement.

    Source: Kool et al., "Stochastic Beams and Where to Find Them" (2019).

    >>> import tinygraph as tg
    >>> tg.multinomial(tg.tensor([[0.0, 3.0, 0.0], [1.0, 0.0, 0.0]]), 1).tolist()
    [[1], [0]]
    """
    weights = to_tensor(x)
    if not weights.ndim or num_samples < 1:
        raise ShapeError(
            "expected weights (..., n) and at least one draw, got shape "
            f"{show_shape(weights.shape)} and {num_samples}"
        )
    scores = log(weights)
    if replacement:
        drawn = random.categorical(scores, shape=num_samples, generator=generator)
        result: Tensor = moveaxis(drawn, 0, -1)
        return result
    if num_samples > known(weights.shape[-1]):
        raise ShapeError(f"{num_samples} draws without replacement from {weights.shape[-1]} places")
    noise = random.gumbel(scores.shape, dtype=scores.dtype, generator=generator)
    places: Tensor = topk(scores + noise, num_samples).indices
    return places


# ---------------------------------------------------------------------------- as methods


def as_normal(x: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """From the normal distribution, of the shape and dtype of x."""
    return random.normal(x.shape, mean, std, dtype=x.dtype, generator=generator)


def as_uniform(x: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Any = None) -> Tensor:
    """Evenly spread in [low, high), of the shape and dtype of x."""
    return random.uniform(x.shape, low, high, dtype=x.dtype, generator=generator)


def as_bernoulli(x: Tensor, p: TensorLike = 0.5, *, generator: Any = None) -> Tensor:
    """1 with probability p, else 0, of the shape and dtype of x."""
    return astype(random.bernoulli(p, x.shape, generator=generator), x.dtype)
