"""Embedding: a vector for each of a number of things."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygraph import init
from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F
from tinygraph.nn.layers.linear import at_least, empty
from tinygraph.nn.module import Module
from tinygraph.nn.parameter import Parameter
from tinygraph.tensor import Tensor

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """A table of vectors, its row for padding, and the options of a look-up in it."""

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        scale_grad_by_freq: bool,
        sparse: bool,
        weight: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.num_embeddings = at_least(name, "num_embeddings", num_embeddings, 0)
        self.embedding_dim = at_least(name, "embedding_dim", embedding_dim, 0)
        self.padding_idx = _row(name, padding_idx, num_embeddings)
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        shape = (self.num_embeddings, self.embedding_dim)
        if weight is None:
            self.weight = empty(shape, dtype)
            self.reset_parameters()
            return
        self.weight = Parameter(weight, dtype=dtype)
        if self.weight.shape != shape:
            raise ShapeError(f"{name}: expected a weight of shape {shape}, got {self.weight.shape}")

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.normal(self.weight)
        if self.padding_idx is not None:
            values = np.array(self.weight.numpy())
            values[self.padding_idx] = 0
            self.weight.set(values)

    def _options(self) -> list[str]:
        """What `repr` shows of the options that are set."""
        return [
            *([f"max_norm={self.max_norm}"] if self.max_norm is not None else []),
            *([f"norm_type={self.norm_type}"] if self.norm_type != 2 else []),
            *(["scale_grad_by_freq=True"] if self.scale_grad_by_freq else []),
        ]

    def _padding(self) -> list[str]:
        return [] if self.padding_idx is None else [f"padding_idx={self.padding_idx}"]


def _row(name: str, padding_idx: int | None, count: int) -> int | None:
    """padding_idx, counted from the first row."""
    if padding_idx is None:
        return None
    if not -count <= padding_idx < count:
        raise ShapeError(
            f"{name}: expected a padding_idx within the {count} rows, got {padding_idx}"
        )
    return padding_idx % count


def _given(name: str, embeddings: Any) -> tuple[int, int, Parameter]:
    """How many rows, how many columns, and a copy of the table."""
    table = Parameter(embeddings)
    if table.ndim != 2:
        raise ShapeError(f"{name}: expected embeddings (count, features), got shape {table.shape}")
    return *table.numpy().shape, table


class Embedding(_Table):
    """weight[input]: the rows of a table that integers name.

    num_embeddings: how many rows. embedding_dim: their length. padding_idx: a row that is 0 at
    first and gets no gradient. max_norm: rows above this norm, of order `norm_type`, are shortened
    to it when they are looked up, and stay so. scale_grad_by_freq: whether a row's gradient is
    divided by how often the input names it. sparse is taken and ignored.

    weight: (num_embeddings, embedding_dim), drawn from the standard normal distribution. Rows that
    the input does not name have gradient 0.

    >>> import tinygraph as tg
    >>> tg.nn.Embedding(10, 4)(tg.tensor([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq,
            sparse, _weight, dtype,
        )  # fmt: skip
        self.weight.requires_grad = not _freeze

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """A table with a copy of `embeddings`, (count, features), which `freeze` holds fixed.

        >>> import tinygraph as tg
        >>> table = tg.nn.Embedding.from_pretrained([[1.0, 2.0], [3.0, 4.0]])
        >>> table(tg.tensor(1)), table.weight.requires_grad
        (tensor([3., 4.]), False)
        """
        rows, columns, table = _given(cls.__name__, embeddings)
        return cls(
            rows, columns, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse,
            table, freeze,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
            self.scale_grad_by_freq, self.sparse,
        )  # fmt: skip

    def extra_repr(self) -> str:
        parts = [str(self.num_embeddings), str(self.embedding_dim), *self._padding()]
        return ", ".join([*parts, *self._options(), *(["sparse=True"] if self.sparse else [])])


class EmbeddingBag(_Table):
    """sum, mean or max over each bag of weight[input]: one vector for several integers.

    num_embeddings: how many rows. embedding_dim: their length. mode: "sum", "mean" or "max".
    include_last_offset: whether the offsets end with the end of the last bag. padding_idx: a row
    that is left out of the bags, and 0 at first. max_norm, norm_type, scale_grad_by_freq, sparse:
    see `Embedding`.

    weight: (num_embeddings, embedding_dim), drawn from the standard normal distribution. Input,
    offsets, per_sample_weights: see `functional.embedding_bag`.

    >>> import tinygraph as tg
    >>> words, starts = tg.tensor([1, 2, 3, 4, 5]), tg.tensor([0, 2])
    >>> tg.nn.EmbeddingBag(10, 4)(words, starts).shape
    (2, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq,
            sparse, _weight, dtype,
        )  # fmt: skip
        self.mode, self.include_last_offset = mode, include_last_offset

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """A table with a copy of `embeddings`, (count, features), which `freeze` holds fixed.

        >>> import tinygraph as tg
        >>> table = tg.nn.EmbeddingBag.from_pretrained([[1.0, 2.0], [3.0, 4.0]], mode="sum")
        >>> table(tg.tensor([[0, 1]]))
        tensor([[4., 6.]])
        """
        rows, columns, table = _given(cls.__name__, embeddings)
        bag = cls(
            rows, columns, max_norm, norm_type, scale_grad_by_freq, mode, sparse,
            table, include_last_offset, padding_idx,
        )  # fmt: skip
        bag.weight.requires_grad = not freeze
        return bag

    def forward(
        self,
        input: Tensor,
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq,
            self.mode, self.sparse, per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        parts = [str(self.num_embeddings), str(self.embedding_dim), *self._options()]
        return ", ".join([*parts, f"mode={self.mode!r}", *self._padding()])
