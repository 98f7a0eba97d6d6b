"""Dropout."""

from __future__ import annotations

from tinygraph.nn import functional as F
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = ["Dropout"]


class Dropout(Module):
    """Each element zeroed with probability `p` and the others scaled by 1 / (1 - p), in training.

    >>> import tinygraph as tg
    >>> tg.nn.Dropout(0.5).eval()(tg.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"Dropout: expected p from 0 to 1, got {p}")
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
