"""Look-ups: the rows of a table that integers name, alone or summed up by bags."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.creation import one_hot
from tinygraph.array.elementwise import where
from tinygraph.array.reduce import in_dtype, widened
from tinygraph.autodiff.mode import no_grad
from tinygraph.control import custom_vjp
from tinygraph.dtypes import int64, is_float, is_integer
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.linalg import vector_norm
from tinygraph.ops import elementwise as e
from tinygraph.ops.bounds import within
from tinygraph.ops.cumulative import cumsum
from tinygraph.ops.index import gather, scatter, take_along_axis
from tinygraph.ops.movement import barrier, broadcast_to, concat, iota, reshape, take_range
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import PLACEHOLDER, cast, const
from tinygraph.ops.rules import full, show_shape
from tinygraph.tensor import Tensor

__all__ = ["embedding", "embedding_bag", "one_hot"]


@api
def embedding(
    input: TensorLike,
    weight: TensorLike,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """weight[input]: the rows of a table that integers name.

    input: integers (...), from 0. weight: (count, features). padding_idx: a row that gets no
    gradient. max_norm: rows whose norm of order `norm_type` is above it are shortened to it
    before they are looked up, and stay so: `weight`, where it holds a value of its own, is
    assigned to.
    scale_grad_by_freq: whether a row's gradient is divided by how often `input` names it. sparse
    is taken and ignored: gradients are arrays of the shape of `weight`, 0 in rows that `input`
    does not name.

    Returns (..., features). IndexError, when it is computed, for a row that is not there.

    >>> import tinygraph as tg
    >>> tg.nn.functional.embedding(tg.tensor([1, 1]), tg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [3., 4.]])
    """
    index = integers("input", input)
    return _looked_up(index, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)


@api
def embedding_bag(
    input: TensorLike,
    weight: TensorLike,
    offsets: TensorLike | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: TensorLike | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """sum, mean or max over each bag of weight[input]: one row for several integers.

    input: integers, (bags, length), or (n,) with `offsets`, (bags,): where in it each bag begins,
    the first at 0, none after n. include_last_offset: `offsets` has one entry more, the end of
    the last bag. weight: (count, features). mode: "sum", "mean" or "max". per_sample_weights: of
    the shape of input, what each row is multiplied by, for "sum" alone. padding_idx: a row that
    is left out of the bags. max_norm, norm_type, scale_grad_by_freq, sparse: as for `embedding`.

    Returns (bags, features); a bag without entries is 0. Equal largest numbers of a bag do not
    share their gradient: the first gets it.

    >>> import tinygraph as tg
    >>> table = tg.tensor([[1.0], [2.0], [4.0]])
    >>> bags = tg.tensor([0, 2, 1]), table, tg.tensor([0, 2])  # [0, 2] and [1]
    >>> tg.nn.functional.embedding_bag(*bags, mode="sum").tolist()
    [[5.0], [2.0]]
    """
    index = integers("input", input)
    _check_mode(index, mode, scale_grad_by_freq, sparse, per_sample_weights)
    bags = _bags(index, offsets, include_last_offset)
    rows = _looked_up(index, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq).node
    taken = None if padding_idx is None else _is_not(index, padding_idx, as_node(weight).shape[0])
    if mode == "max":
        return Tensor(bags.max(rows, taken))
    wide = widened(rows)
    if per_sample_weights is not None:
        wide = wide * reshape(as_node(per_sample_weights), shape=(*index.shape, 1))
    total = bags.sum(wide if taken is None else e.where(taken, wide, 0))
    if mode == "mean":
        each = full((*index.shape, 1), 1, wide.dtype)
        size = bags.sum(each if taken is None else cast(taken, dtype=wide.dtype))
        total = total / e.maximum(size, 1)
    return Tensor(in_dtype(total, rows.dtype))


# --------------------------------------------------------------------------------- rows


def integers(name: str, value: TensorLike) -> Node:
    """The node of `value`. DTypeError, which says what it is given as, unless it holds integers."""
    index = as_node(value)
    if not is_integer(index.dtype):
        raise DTypeError(f"expected integers as {name}, got {index.dtype.name}")
    return index


def _looked_up(
    index: Node,
    weight: TensorLike,
    padding_idx: int | None,
    max_norm: float | None,
    norm_type: float,
    scale_grad_by_freq: bool,
) -> Tensor:
    """The rows of `weight`, with the gradient that the options ask for."""
    table = as_node(weight)
    if table.ndim != 2 or not is_float(table.dtype):
        raise ShapeError(f"expected a weight of floats (count, features), got {table.aval}")
    count = table.shape[0]
    index = within(index, size=count, what="row")
    rows = Tensor(gather(table, index, axes=(0,)))
    if max_norm is not None:
        rows = _shortened(rows, index, weight, max_norm, norm_type)
    if scale_grad_by_freq:
        rows = _with_share(rows, Tensor(1 / cast(_times(index, count), dtype=table.dtype)))
    if padding_idx is not None:
        rows = where(Tensor(_is_not(index, padding_idx, count)), rows, rows.detach())
    return rows


@custom_vjp
def _with_share(rows: Tensor, share: Tensor) -> Tensor:
    """The rows, with a share of their gradient."""
    return rows


_with_share.defvjp(lambda rows, share: (rows, share), lambda share, g: (share * g, None))


def _shortened(
    rows: Tensor, index: Node, weight: TensorLike, max_norm: float, norm_type: float
) -> Tensor:
    """The rows, none longer than `max_norm`, as `weight` holds them from now on.

    Their gradient is that of the rows in `weight`, as if these had been short before.
    """
    with no_grad():
        norm = vector_norm(rows, -1, True, norm_type)
        short = where(norm > max_norm, rows * (max_norm / (norm + 1e-7)), rows)
        if isinstance(weight, Tensor) and weight.is_leaf and weight.node.op is not PLACEHOLDER:
            weight.assign(Tensor(scatter(weight.node, short.node, index, axes=(0,), mode="set")))
    return short + (rows - rows.detach())


def _times(index: Node, count: Size) -> Node:
    """For each entry of `index`, with a dimension of size 1 behind, how often it is there."""
    found = scatter(
        full((count,), 0, int64), full(index.shape, 1, int64), index, axes=(0,), mode="add"
    )
    return reshape(gather(found, index, axes=(0,)), shape=(*index.shape, 1))


def _is_not(index: Node, row: int, count: Size) -> Node:
    """Whether each entry of `index` names another row, with a dimension of size 1 behind."""
    if is_known(count) and not -count <= row < count:
        raise ShapeError(f"expected a padding_idx within the {count} rows, got {row}")
    place = row if row >= 0 else count + row
    other = place if isinstance(place, int) else const(place, int64)
    return e.not_equal(reshape(index, shape=(*index.shape, 1)), other)


# --------------------------------------------------------------------------------- bags


@dataclass(frozen=True, slots=True)
class _Bags:
    """To which bag each entry belongs.

    ids: (n,), the number of the bag; there is one bag more than `count`, for what is in none.
    length: how many entries each bag has, where all have as many.
    """

    ids: Node
    count: Size
    length: Size | None

    def sum(self, x: Node) -> Node:
        """The sum of x, (entries, features), over each bag: (bags, features)."""
        if self.length is not None:
            return reduce_sum(x, axis=(1,), keepdims=False)
        return self._gathered(full((self.count + 1, x.shape[-1]), 0, x.dtype), x, "add")

    def max(self, x: Node, taken: Node | None) -> Node:
        """The largest numbers among the entries of x that are `taken`: the first of equal ones,
        0 where there is none."""
        size, features = self.ids.shape[0], x.shape[-1]
        x = reshape(x, shape=(size, features))
        seen = x if taken is None else e.where(reshape(taken, shape=(size, 1)), x, -math.inf)
        lowest = full((self.count + 1, features), -math.inf, x.dtype)
        largest = scatter(lowest, seen, self.ids, axes=(0,), mode="max")
        is_largest = e.equal(seen, gather(largest, self.ids, axes=(0,)))
        if taken is not None:
            is_largest = e.logical_and(is_largest, reshape(taken, shape=(size, 1)))
        places = reshape(iota(size=size, dtype=int64), shape=(size, 1))
        none = full((self.count + 1, features), size, int64)
        first = self._gathered(none, e.where(is_largest, places, const(size, int64)), "min")
        # the row behind the last is that of a bag without entries
        padded = concat(x, full((1, features), 0, x.dtype), axis=0)
        return take_along_axis(padded, first, axis=0)

    def _gathered(self, start: Node, x: Node, mode: str) -> Node:
        found = scatter(start, x, self.ids, axes=(0,), mode=mode)
        return take_range(found, 0, 0, self.count)


def _bags(index: Node, offsets: TensorLike | None, include_last_offset: bool) -> _Bags:
    if index.ndim == 2 and offsets is None:
        count, length = index.shape
        ids = broadcast_to(
            reshape(iota(size=count, dtype=int64), shape=(count, 1)), shape=index.shape
        )
        return _Bags(reshape(ids, shape=(count * length,)), count, length)
    if index.ndim != 1 or offsets is None:
        raise ShapeError(
            "expected an input (bags, length), or (n,) with offsets, got shape "
            f"{show_shape(index.shape)} with{'out' if offsets is None else ''} offsets"
        )
    starts = integers("offsets", offsets)
    if starts.ndim != 1 or (include_last_offset and starts.shape[0] == 0):
        raise ShapeError(f"expected offsets of shape (bags,), got {show_shape(starts.shape)}")
    count = starts.shape[0] - 1 if include_last_offset else starts.shape[0]
    return _Bags(_numbered(starts, index.shape[0]), count, None)


def _numbered(starts: Node, size: Size) -> Node:
    """For each of `size` entries how many bags have begun, less 1."""
    ones = full(starts.shape, 1, int64)
    begun = scatter(
        full((size + 1,), 0, int64), ones, within(starts, size=size + 1, what="offset"),
        axes=(0,), mode="add",
    )  # fmt: skip
    ids = take_range(cumsum(begun, axis=0, reverse=False), 0, 0, size) - 1
    if starts.shape[0] == 0:
        return ids
    return barrier(ids, within(take_range(starts, 0, 0, 1), size=1, what="first offset"))


def _check_mode(
    index: Node, mode: str, scale_grad_by_freq: bool, sparse: bool, weights: Any
) -> None:
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"embedding_bag: expected mode 'sum', 'mean' or 'max', got {mode!r}")
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError("embedding_bag: mode 'max' has no scale_grad_by_freq and no sparse")
    if weights is None:
        return
    if mode != "sum":
        raise NotImplementedError(
            f"embedding_bag: per_sample_weights are for mode 'sum', got mode {mode!r}"
        )
    found = as_node(weights)
    if found.shape != index.shape and is_known(*found.shape, *index.shape):
        raise ShapeError(
            f"expected per_sample_weights of the shape of input, {show_shape(index.shape)}, got "
            f"{show_shape(found.shape)}"
        )
