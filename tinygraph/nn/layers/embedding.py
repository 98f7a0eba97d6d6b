"""Embedding: a vector for each of a number of things."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygraph import init
from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F
from tinygraph.nn.layers.linear import at_least, empty
from tinygraph.nn.module import Module
from tinygraph.tensor import Tensor

__all__ = ["Embedding"]


class Embedding(Module):
    """The rows of a table that integers name.

    num_embeddings: how many rows. embedding_dim: their length. padding_idx: a row that is 0 at
    first and gets no gradient.

    weight: (num_embeddings, embedding_dim), drawn from the standard normal distribution.

    >>> import tinygraph as tg
    >>> tg.nn.Embedding(10, 4)(tg.tensor([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = at_least("Embedding", "num_embeddings", num_embeddings, 1)
        self.embedding_dim = at_least("Embedding", "embedding_dim", embedding_dim, 1)
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ShapeError(
                    f"Embedding: expected a padding_idx within the {num_embeddings} "
                    f"rows, got {padding_idx}"
                )
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        self.weight = empty((num_embeddings, embedding_dim), dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.normal(self.weight)
        if self.padding_idx is not None:
            values = np.array(self.weight.numpy())
            values[self.padding_idx] = 0
            self.weight.set(values)

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
