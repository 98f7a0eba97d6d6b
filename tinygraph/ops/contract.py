"""Contraction: sums of products over shared dimensions. Every matrix product is one op.

A contraction is easiest to say with a label for each dimension, as einsum has it: what both
operands bear and the result does not is summed over. `contraction` builds from labels the one
primitive, `dot_general`, whose gradients are contractions again.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from tinygraph.dtypes import is_bool
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Aval, Node, Shape
from tinygraph.ops.movement import permute, reshape
from tinygraph.ops.registry import Bad, Op, Sample, register
from tinygraph.ops.rules import Axes, check_axis, show_shape

Pairs = tuple[Axes, Axes]  # dimensions of the left operand, and those of the right they go with
Label = Hashable
Labels = tuple[Label, ...]


def _free(ndim: int, taken: Sequence[int]) -> Axes:
    return tuple(axis for axis in range(ndim) if axis not in taken)


@lru_cache(maxsize=4096)
def _form(left: int, right: int, contract: Pairs, batch: Pairs) -> Pairs:
    """The free dimensions of operands with so many dimensions. ShapeError if the pairs do not fit:
    whatever can be said without the sizes is said here, once for each form."""
    for what, (ours, theirs) in (("contract", contract), ("batch", batch)):
        if len(ours) != len(theirs):
            raise ShapeError(
                f"{what} names {len(ours)} dimensions of one side, {len(theirs)} of the other"
            )
        for axis, other in zip(ours, theirs, strict=True):
            check_axis(axis, left)
            check_axis(other, right)
    for side in (0, 1):
        taken = batch[side] + contract[side]
        if len(set(taken)) != len(taken):
            raise ShapeError(f"contract {contract} and batch {batch} name a dimension twice")
    return _free(left, batch[0] + contract[0]), _free(right, batch[1] + contract[1])


def _check_sizes(what: str, lhs: Shape, rhs: Shape, pairs: Pairs) -> None:
    for axis, other in zip(*pairs, strict=True):
        if lhs[axis] != rhs[other] and is_known(lhs[axis], rhs[other]):
            raise ShapeError(
                f"dimension {axis} of {show_shape(lhs)} and dimension {other} of "
                f"{show_shape(rhs)} must be equal to {what} over"
            )


def _infer(lhs: Any, rhs: Any, *, contract: Pairs, batch: Pairs) -> Aval:
    if is_bool(lhs.dtype):
        raise DTypeError("is not defined on bool; cast with astype")
    left, right = lhs.shape, rhs.shape
    own_left, own_right = _form(len(left), len(right), contract, batch)
    _check_sizes("contract", left, right, contract)
    shape: list[Size] = []
    if batch[0]:
        _check_sizes("batch", left, right, batch)
        for axis, other in zip(*batch, strict=True):
            shape.append(left[axis] if is_known(left[axis]) else right[other])
    shape += [left[axis] for axis in own_left]
    shape += [right[axis] for axis in own_right]
    return Aval(tuple(shape), lhs.dtype)


def _as_matrices(xp: Any, x: Any, batch: Axes, rows: Axes, columns: Axes) -> Any:
    """x as a stack of matrices: its batch dimensions, then `rows` in one, then `columns`."""
    shape = [x.shape[axis] for axis in batch]
    shape += [math.prod(x.shape[axis] for axis in part) for part in (rows, columns)]
    x = xp.transpose(x, (*batch, *rows, *columns)).reshape(shape)
    if x.dtype.itemsize < 4 and x.dtype.kind not in "iu":
        return x.astype("float32")  # 16-bit floats: sums need more than they can hold
    return x if _blas_can_read(x) else xp.ascontiguousarray(x)


def _blas_can_read(x: Any) -> bool:
    """Whether one of the last two dimensions is dense and the other steps over it. np.matmul
    takes anything, but leaves BLAS for a loop many times slower where this does not hold."""
    (rows, columns), (down, across) = x.shape[-2:], x.strides[-2:]
    item = x.itemsize
    return bool(
        (across == item and down >= columns * item) or (down == item and across >= rows * item)
    )


def _eval(xp: Any, lhs: Any, rhs: Any, *, contract: Pairs, batch: Pairs, out: Any = None) -> Any:
    over = sorted(zip(*contract, strict=True))  # in memory order, so that no copy is needed
    inner, other = tuple(pair[0] for pair in over), tuple(pair[1] for pair in over)
    rows, columns = _free(lhs.ndim, batch[0] + inner), _free(rhs.ndim, batch[1] + other)
    left = _as_matrices(xp, lhs, batch[0], rows, inner)
    right = _as_matrices(xp, rhs, batch[1], other, columns)
    shape = [lhs.shape[axis] for axis in batch[0] + rows] + [rhs.shape[axis] for axis in columns]
    multiply = xp.matmul if over else xp.multiply  # an outer product has nothing to sum
    if out is None or left.dtype != lhs.dtype:
        result = multiply(left, right).astype(lhs.dtype, copy=False).reshape(shape)
        if out is None:
            return result
        out[...] = result
        return out
    multiply(left, right, out=out.reshape((*left.shape[:-1], right.shape[-1])))
    return out


def _labels(lhs: Node, rhs: Node, contract: Pairs, batch: Pairs) -> tuple[Labels, Labels, Labels]:
    """A label for each dimension of the left operand, of the right one and of the result."""
    left = tuple(range(lhs.ndim))
    partner = dict(zip(contract[1] + batch[1], contract[0] + batch[0], strict=True))
    right = tuple(partner.get(axis, lhs.ndim + axis) for axis in range(rhs.ndim))
    summed = set(contract[0])
    kept = (*batch[0], *_free(lhs.ndim, contract[0] + batch[0]))
    return left, right, (*kept, *[x for x in right if x not in summed and x not in kept])


def _vjp_left(g: Node, out: Node, lhs: Node, rhs: Node, *, contract: Pairs, batch: Pairs) -> Node:
    left, right, result = _labels(lhs, rhs, contract, batch)
    return contraction(g, result, rhs, right, left)


def _vjp_right(g: Node, out: Node, lhs: Node, rhs: Node, *, contract: Pairs, batch: Pairs) -> Node:
    left, right, result = _labels(lhs, rhs, contract, batch)
    return contraction(lhs, left, g, result, right)


def _samples(rng: np.random.Generator) -> list[Sample | Bad]:
    a, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((4, 5, 2))
    none, last_first = ((), ()), {"contract": ((2,), (0,)), "batch": ((), ())}
    batched = {"contract": ((2,), (0,)), "batch": ((0,), (2,))}
    crossed = {"contract": ((0, 2), (2, 0)), "batch": none}
    return [
        Sample((a, b), last_first, expected=np.einsum("ijk,klm->ijlm", a, b)),
        Sample((a, b), batched, expected=np.einsum("ijk,kli->ijl", a, b)),
        Sample((a, b), crossed, expected=np.einsum("ijk,kli->jl", a, b)),
        Sample((a[0], b[:, 0]), {"contract": none, "batch": none}),
        Sample((a[0, 0], b[:, 0, 0]), {"contract": ((0,), (0,)), "batch": none}),
        Sample((a, a), {"contract": ((2, 1), (2, 1)), "batch": ((0,), (0,))}),
        Sample((a[:, ::2, ::3], np.broadcast_to(b[:1, :1], (2, 5, 2))), last_first),
        Sample((np.array(2.0), b), {"contract": none, "batch": none}),
        Sample((a[:, :, :0], b[:0]), last_first, expected=np.zeros((2, 3, 5, 2))),
        Sample((a[:, :0], b), last_first),
        Sample((a.astype("float32"), b.astype("float32")), batched, grad=False),
        Sample(((a * 9).astype("int32"), (b * 9).astype("int32")), batched),
        Bad((a, b), {**last_first, "contract": ((2,), (1,))}, ShapeError,
            "dimension 2 of (2, 3, 4) and dimension 1 of (4, 5, 2) must be equal to contract"),
        Bad((a, b), {**last_first, "contract": ((2, 0), (0,))}, ShapeError, "names 2 dimensions"),
        Bad((a, b), {**last_first, "batch": ((2,), (0,))}, ShapeError, "a dimension twice"),
        Bad((a, b), {**last_first, "contract": ((3,), (0,))}, ShapeError, "axis 3 is out of range"),
        Bad((a > 0, b > 0), last_first, DTypeError, "is not defined on bool"),
    ]  # fmt: skip


dot_general: Op = register(Op(
    name="dot_general", kind="contract", infer=_infer, eval=_eval, vjp=(_vjp_left, _vjp_right),
    samples=_samples, promote=slice(None), into=True,
    doc="The sum of products over the dimensions `contract` = (of the left, of the right), for "
    "each index of the paired dimensions `batch`. The result has the batch dimensions, then the "
    "others of the left operand, then those of the right.",
))  # fmt: skip


def contraction(lhs: Node, left: Labels, rhs: Node, right: Labels, result: Labels) -> Node:
    """The contraction in which each dimension bears a label.

    A label of both operands is summed over, unless `result` has it too; a label of one alone
    must be in `result`. Of the two orders of the operands that one is taken which needs no
    permutation of the result, if there is one.
    """
    swapped, contract, batch, axes = _layout(left, right, result)
    if swapped:
        lhs, rhs = rhs, lhs
    node = dot_general(lhs, rhs, contract=contract, batch=batch)
    return node if axes is None else permute(node, axes=axes)


@lru_cache(maxsize=4096)
def _layout(left: Labels, right: Labels, result: Labels) -> tuple[bool, Pairs, Pairs, Axes | None]:
    """For `contraction`: whether the operands change places, the pairs of dimensions, and how the
    result is permuted (None: not at all)."""
    shared = [label for label in left if label in right]
    batch = [label for label in result if label in shared]
    own_left = [label for label in left if label not in shared]
    own_right = [label for label in right if label not in shared]
    found = [*batch, *own_left, *own_right]
    swapped = found != list(result) and [*batch, *own_right, *own_left] == list(result)
    if swapped:
        left, right, found = right, left, list(result)
    summed = [label for label in left if label in right and label not in batch]
    contract = _places(summed, left), _places(summed, right)
    pairs = _places(batch, left), _places(batch, right)
    axes = None if found == list(result) else _places(result, found)
    return swapped, contract, pairs, axes


def _places(labels: Sequence[Label], among: Sequence[Label]) -> Axes:
    return tuple(among.index(label) for label in labels)


def drop_stretched(x: Node, labels: Labels, sizes: Mapping[Label, Size]) -> tuple[Node, Labels]:
    """x and its labels without the dimensions of size 1 that broadcasting would stretch, to
    `sizes`. A contraction needs no copies of the elements, it uses them for each index."""
    kept = [
        axis for axis, label in enumerate(labels) if x.shape[axis] != 1 or sizes.get(label, 1) == 1
    ]
    if len(kept) == x.ndim:
        return x, labels
    return reshape(x, shape=tuple(x.shape[a] for a in kept)), tuple(labels[a] for a in kept)


def matmul(a: Node, b: Node) -> Node:
    """The matrix product of (..., m, k) and (..., k, n), by NumPy's rules: batch dimensions
    broadcast, an operand with one dimension is a vector."""
    one, other = len(a.shape), len(b.shape)
    if not one or not other:
        raise _unfit(a, b, "both need at least one dimension; multiply numbers with *")
    ours, theirs = a.shape[-1], b.shape[-2 if other > 1 else 0]
    if ours != theirs and is_known(ours, theirs):
        raise _unfit(a, b, f"the sizes {ours} and {theirs} to sum over differ")
    left, right, result = _matmul_labels(one, other)
    if one <= 2 or other <= 2:  # one side has no batch dimensions: nothing broadcasts
        return contraction(a, left, b, right, result)
    sizes: dict[Label, Size] = dict(zip(left[:-2], a.shape, strict=False))
    for label, size in zip(right[:-2], b.shape, strict=False):
        present = sizes.get(label, 1)
        if 1 not in (size, present) and size != present and is_known(size, present):
            raise _unfit(a, b, f"the batch sizes {present} and {size} differ and neither is 1")
        sizes[label] = size if present == 1 else present
    return contraction(*drop_stretched(a, left, sizes), *drop_stretched(b, right, sizes), result)


@lru_cache(maxsize=256)
def _matmul_labels(left: int, right: int) -> tuple[Labels, Labels, Labels]:
    """Labels for operands of `matmul` with so many dimensions, and for the result."""
    count = max(left, right, 2) - 2
    one = (*range(count - max(left - 2, 0), count), "m", "k") if left > 1 else ("k",)
    other = (*range(count - max(right - 2, 0), count), "k", "n") if right > 1 else ("k",)
    return one, other, (*range(count), *[x for x in "mn" if x in one or x in other])


def _unfit(a: Node, b: Node, why: str) -> ShapeError:
    return ShapeError(f"matmul: shapes {show_shape(a.shape)} and {show_shape(b.shape)}: {why}")
