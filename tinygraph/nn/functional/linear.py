"""Linear maps and look-ups."""

from __future__ import annotations

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, as_node
from tinygraph.array.creation import one_hot
from tinygraph.array.elementwise import where
from tinygraph.dtypes import int64, is_float, is_integer
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.ops import elementwise as e
from tinygraph.ops.bounds import within
from tinygraph.ops.contract import dot_general
from tinygraph.ops.index import gather
from tinygraph.ops.movement import reshape
from tinygraph.ops.registry import const
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor

__all__ = ["embedding", "linear", "one_hot"]


@api
def linear(input: TensorLike, weight: TensorLike, bias: TensorLike | None = None) -> Tensor:
    """x @ weight.T + bias.

    input: (..., in). weight: (out, in), or (in,) for one output without a dimension. bias:
    (out,). Returns (..., out).

    >>> import tinygraph as tg
    >>> tg.nn.functional.linear(tg.tensor([1.0, 2.0]), tg.tensor([[1.0, 1.0]]), tg.tensor([5.0]))
    tensor([8.])
    """
    x, w = as_node(input), as_node(weight)
    features = w.shape[-1] if w.shape else 0
    if not x.shape or w.ndim not in (1, 2) or _differ(x.shape[-1], features):
        raise ShapeError(
            f"expected an input of shape (..., in) and a weight of shape (out, in), got "
            f"{show_shape(x.shape)} and {show_shape(w.shape)}"
        )
    none: tuple[int, ...] = ()
    result = dot_general(x, w, contract=((x.ndim - 1,), (w.ndim - 1,)), batch=(none, none))
    return Tensor(result if bias is None else result + as_node(bias))


def _differ(a: Size, b: Size) -> bool:
    return a != b and is_known(a, b)


@api
def embedding(input: TensorLike, weight: TensorLike, padding_idx: int | None = None) -> Tensor:
    """The rows of `weight` that the integers of `input` name.

    input: integers (...), from 0. weight: (count, features). padding_idx: a row that gets no
    gradient. Returns (..., features). IndexError, when it is computed, for a row that is not
    there.

    >>> import tinygraph as tg
    >>> tg.nn.functional.embedding(tg.tensor([1, 1]), tg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [3., 4.]])
    """
    index, table = as_node(input), as_node(weight)
    if not is_integer(index.dtype):
        raise DTypeError(f"expected integers as input, got {index.dtype.name}")
    if table.ndim != 2 or not is_float(table.dtype):
        raise ShapeError(f"expected a weight of floats (count, features), got {table.aval}")
    rows = Tensor(gather(table, within(index, size=table.shape[0], what="row"), axes=(0,)))
    if padding_idx is None:
        return rows
    row = _row(padding_idx, table.shape[0])
    learned = e.not_equal(reshape(index, shape=(*index.shape, 1)), row)
    return where(Tensor(learned), rows, rows.detach())


def _row(padding_idx: int, count: Size) -> int | Node:
    if is_known(count) and not -count <= padding_idx < count:
        raise ShapeError(f"expected a padding_idx within the {count} rows, got {padding_idx}")
    row = padding_idx if padding_idx >= 0 else count + padding_idx
    return row if isinstance(row, int) else const(row, int64)
