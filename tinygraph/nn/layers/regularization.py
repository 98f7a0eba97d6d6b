"""Layers that change nothing but what training costs."""

from __future__ import annotations

from typing import Any

from tinygraph.array.convert import to_tensor
from tinygraph.errors import ShapeError
from tinygraph.nn.module import Module
from tinygraph.nn.regularizers import ElasticNet
from tinygraph.ops.registry import const
from tinygraph.tensor import Tensor

__all__ = ["ActivityRegularization"]


class ActivityRegularization(Module):
    """(l1 * sum |a| + l2 * sum a²) / batch: a penalty on activations, which pass as they are.

    activity_penalty: that of the last call; `nn.regularizers.activity(model)` sums those of all
    such layers, to be added to the loss of the same batch.

    Input: (batch, ...). Keras divides by the size of the batch too; multiply by it for the sum.

    >>> import tinygraph as tg
    >>> layer = tg.nn.ActivityRegularization(l1=0.5)
    >>> layer(tg.tensor([[1.0, -2.0], [0.0, 1.0]])).shape
    (2, 2)
    >>> layer.activity_penalty.item()
    1.0
    """

    activity_penalty: Tensor | None

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        super().__init__()
        self._regularizer = ElasticNet(l1, l2)
        self.activity_penalty = None

    def forward(self, input: Tensor) -> Tensor:
        x = to_tensor(input)
        if not x.ndim:
            raise ShapeError("ActivityRegularization: expected (batch, ...), got shape ()")
        cost = self._regularizer(x)
        self.activity_penalty = cost / Tensor(const(x.shape[0], cost.dtype))
        return x

    def __deepcopy__(self, memo: dict[int, Any]) -> ActivityRegularization:
        # the penalty is that of a call of this layer, and may belong to a graph without a value
        penalty, self.activity_penalty = self.activity_penalty, None
        try:
            return super().__deepcopy__(memo)
        finally:
            self.activity_penalty = penalty

    def extra_repr(self) -> str:
        return f"l1={self._regularizer.l1:g}, l2={self._regularizer.l2:g}"
