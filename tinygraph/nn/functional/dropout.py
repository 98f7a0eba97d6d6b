"""Dropout: noise that keeps a network from relying on single activations."""

from __future__ import annotations

from tinygraph import random
from tinygraph.array.api import api
from tinygraph.array.elementwise import where
from tinygraph.array.reduce import as_float_node
from tinygraph.tensor import Tensor

__all__ = ["dropout"]


@api
def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """x with each element zeroed with probability `p`, the others scaled by 1 / (1 - p).

    training: without it, x as it is. The numbers come from the default generator.

    Source: Srivastava et al., "Dropout" (2014); scaled in training, so that prediction needs
    nothing.

    >>> import tinygraph as tg
    >>> x = tg.tensor([1.0, 2.0])
    >>> tg.nn.functional.dropout(x, 0.5, training=False)
    tensor([1., 2.])
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: expected p from 0 to 1, got {p}")
    if not training or p == 0.0:
        return input
    x = Tensor(as_float_node(input))
    if p == 1.0:
        return x * 0.0
    kept = random.bernoulli(1.0 - p, shape=x.shape)
    return where(kept, x * (1.0 / (1.0 - p)), 0.0)
