"""Movement primitives: the same numbers under another shape, order or place.

Those of kind "view" cost nothing: the memory plan gives them the storage of their input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygraph.dtypes import DType, is_bool
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Dim, Size, is_known
from tinygraph.graph.node import Aval, Node, Shape
from tinygraph.ops import rules
from tinygraph.ops.registry import Bad, Op, Sample, register
from tinygraph.ops.rules import product, show_shape, unbroadcast

# ---------------------------------------------------------------------------------- reshape


def _reshape_infer(x: Any, *, shape: Shape) -> Aval:
    if product(shape) != product(x.shape) and is_known(*shape, *x.shape):
        raise ShapeError(
            f"an array of shape {show_shape(x.shape)} has {product(x.shape)} elements, "
            f"{show_shape(shape)} needs {product(shape)}"
        )
    return Aval(shape, x.dtype)


reshape: Op = register(Op(
    name="reshape", kind="view", infer=_reshape_infer,
    eval=lambda xp, x, *, shape: xp.reshape(x, shape),
    vjp=(lambda g, out, x, *, shape: reshape(g, shape=x.shape),),
    extents=("shape",),
    doc="The same elements, in row-major order, under another shape.",
    samples=lambda rng: [
        Sample((rng.standard_normal((2, 6)),), {"shape": (3, 4)}),
        Sample((rng.standard_normal((2, 6)).T,), {"shape": (2, 2, 3)}),
        Sample((np.array(2.0),), {"shape": (1, 1)}),
        Sample((np.zeros((0, 3)),), {"shape": (3, 0, 2)}),
        Bad((np.zeros((2, 3)),), {"shape": (4,)}, ShapeError, "has 6 elements, (4,) needs 4"),
    ],
))  # fmt: skip


def resolve_shape(shape: Sequence[Any], total: Size) -> Shape:
    """`shape` with its one -1 replaced by what is left of `total` elements."""
    sizes = [size if isinstance(size, Dim) else int(size) for size in shape]
    open_places = [i for i, size in enumerate(sizes) if isinstance(size, int) and size == -1]
    if len(open_places) > 1:
        raise ShapeError(f"reshape: only one size of {show_shape(sizes)} can be -1")
    if open_places:
        known = product([size for i, size in enumerate(sizes) if i != open_places[0]])
        if known == 0 or (is_known(known, total) and total % known):
            raise ShapeError(f"reshape: {total} elements do not fit in {show_shape(sizes)}")
        sizes[open_places[0]] = total // known
    return tuple(sizes)


# ---------------------------------------------------------------------------------- permute


def _permute_infer(x: Any, *, axes: tuple[int, ...]) -> Aval:
    if sorted(axes) != list(range(len(x.shape))):
        raise ShapeError(f"axes {axes} are not a permutation of {len(x.shape)} dimensions")
    return Aval(tuple(x.shape[a] for a in axes), x.dtype)


def inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    back = [0] * len(axes)
    for place, axis in enumerate(axes):
        back[axis] = place
    return tuple(back)


permute: Op = register(Op(
    name="permute", kind="view", infer=_permute_infer,
    eval=lambda xp, x, *, axes: xp.transpose(x, axes),
    vjp=(lambda g, out, x, *, axes: permute(g, axes=inverse(axes)),),
    doc="The dimensions in another order: result dimension i is dimension axes[i] of x.",
    samples=lambda rng: [
        Sample((rng.standard_normal((2, 3, 4)),), {"axes": (2, 0, 1)}),
        Sample((rng.standard_normal((2, 3)),), {"axes": (1, 0)}),
        Sample((np.array(2.0),), {"axes": ()}),
        Sample((np.zeros((0, 3)),), {"axes": (1, 0)}),
        Bad((np.zeros((2, 3)),), {"axes": (0, 0)}, ShapeError, "not a permutation"),
    ],
))  # fmt: skip


def swap_last(x: Node) -> Node:
    """x with its last two dimensions exchanged: the matrix transpose."""
    axes = list(range(x.ndim))
    axes[-2:] = [x.ndim - 1, x.ndim - 2]
    return permute(x, axes=tuple(axes))


# ------------------------------------------------------------------------------ broadcast_to


def _broadcast_infer(x: Any, *, shape: Shape) -> Aval:
    if len(shape) < len(x.shape) or rules.broadcast_shapes(shape, x.shape) != shape:
        raise ShapeError(f"shape {show_shape(x.shape)} cannot be broadcast to {show_shape(shape)}")
    return Aval(shape, x.dtype)


broadcast_to = register(Op(
    name="broadcast_to", kind="view", infer=_broadcast_infer,
    eval=lambda xp, x, *, shape: xp.broadcast_to(x, shape),
    vjp=(lambda g, out, x, *, shape: unbroadcast(g, x.shape),),
    extents=("shape",),
    doc="x repeated along dimensions of size 1 and along new leading ones.",
    samples=lambda rng: [
        Sample((rng.standard_normal((2, 1)),), {"shape": (2, 3)}),
        Sample((rng.standard_normal(3),), {"shape": (2, 2, 3)}),
        Sample((np.array(2.0),), {"shape": (2,)}),
        Sample((np.zeros((0, 1)),), {"shape": (0, 3)}),
        Bad((np.zeros(3),), {"shape": (2, 4)}, ShapeError, "do not broadcast"),
    ],
))  # fmt: skip

# ------------------------------------------------------------------------------------ slice

Slices = tuple[tuple[Size, Size, int], ...]  # start, number of elements, step for each dimension


def slice_size(start: Size, stop: Size, step: int) -> Size:
    """How many elements `start:stop:step` picks, for bounds already within the array."""
    if is_known(start, stop):
        return len(range(int(start), int(stop), step))
    span = stop - start if step > 0 else start - stop
    return (span + (abs(step) - 1)) // abs(step)


def _slice_infer(x: Any, *, slices: Slices) -> Aval:
    _check_slices(x.shape, slices)
    return Aval(tuple(count for _, count, _ in slices), x.dtype)


def _check_slices(shape: Shape, slices: Slices) -> None:
    if len(slices) != len(shape):
        raise ShapeError(f"{len(slices)} slices for an array with {len(shape)} dimensions")
    for axis, ((start, count, step), size) in enumerate(zip(slices, shape, strict=True)):
        if not is_known(start, count, size) or count == 0:
            continue
        last = start + (count - 1) * step
        if not (0 <= start < size and 0 <= last < size):
            raise ShapeError(
                f"slice from {start} to {last} reaches outside dimension {axis} of size {size}"
            )


def as_slices(slices: Slices) -> tuple[Any, ...]:
    """The Python slices that pick what `slices` says."""
    picked = []
    for start, count, step in slices:
        stop = start + count * step
        picked.append(slice(start, None if stop < 0 else stop, step) if count else slice(0, 0))
    return tuple(picked)


def _slice_vjp(g: Node, out: Node, x: Node, *, slices: Slices) -> Node:
    return update_slice(rules.full(x.shape, 0, g.dtype), g, slices=slices)


slice_ = register(Op(
    name="slice", kind="view", infer=_slice_infer,
    eval=lambda xp, x, *, slices: x[as_slices(slices)],
    vjp=(_slice_vjp,), extents=("slices",),
    doc="For each dimension (start, count, step): `count` elements from `start`, `step` apart.",
    samples=lambda rng: [
        Sample((rng.standard_normal((4, 5)),), {"slices": ((1, 2, 1), (0, 3, 2))}),
        Sample((rng.standard_normal((4, 5)),), {"slices": ((3, 4, -1), (4, 2, -3))}),
        Sample((rng.standard_normal((4, 5)),), {"slices": ((0, 0, 1), (0, 5, 1))}),
        Sample((np.array(2.0),), {"slices": ()}),
        Bad((np.zeros(4),), {"slices": ((2, 3, 1),)}, ShapeError, "outside dimension 0 of size 4"),
    ],
))  # fmt: skip


def _update_infer(x: Any, value: Any, *, slices: Slices) -> Aval:
    _check_slices(x.shape, slices)
    shape = tuple(count for _, count, _ in slices)
    if value.shape != shape and is_known(*value.shape, *shape):
        raise ShapeError(
            f"a value of shape {show_shape(value.shape)} cannot be put where "
            f"{show_shape(shape)} is needed"
        )
    return Aval(x.shape, x.dtype)


def _update_eval(xp: Any, x: Any, value: Any, *, slices: Slices, out: Any = None) -> Any:
    if out is None:
        out = xp.empty(x.shape, x.dtype)
    out[...] = x
    out[as_slices(slices)] = value
    return out


def _update_dx(g: Node, out: Node, x: Node, value: Node, *, slices: Slices) -> Node:
    return update_slice(g, rules.zeros_like(value), slices=slices)


update_slice = register(Op(
    name="update_slice", kind="scatter", infer=_update_infer, eval=_update_eval,
    vjp=(_update_dx, lambda g, out, x, value, *, slices: slice_(g, slices=slices)),
    promote=slice(None), extents=("slices",), into=True,
    doc="A copy of x in which the elements that `slices` picks are those of `value`.",
    samples=lambda rng: [
        Sample((rng.standard_normal((4, 5)), rng.standard_normal((2, 3))),
               {"slices": ((1, 2, 1), (0, 3, 2))}),
        Sample((rng.standard_normal(4), rng.standard_normal(2)), {"slices": ((3, 2, -2),)}),
        Sample((rng.standard_normal(4), np.zeros(0)), {"slices": ((0, 0, 1),)}),
        Sample((np.array(2.0), np.array(3.0)), {"slices": ()}),
        Bad((np.zeros(4), np.zeros(3)), {"slices": ((0, 2, 1),)}, ShapeError,
            "a value of shape (3,) cannot be put where (2,) is needed"),
    ],
))  # fmt: skip

# ----------------------------------------------------------------------------------- concat


def _concat_infer(*xs: Any, axis: int) -> Aval:
    if not xs:
        raise ShapeError("needs at least one array")
    first = xs[0]
    if not 0 <= axis < len(first.shape):
        raise ShapeError(f"axis {axis} is out of range for {len(first.shape)} dimensions")
    for x in xs:
        if len(x.shape) != len(first.shape) or any(
            a != b and is_known(a, b)
            for i, (a, b) in enumerate(zip(x.shape, first.shape, strict=True))
            if i != axis
        ):
            raise ShapeError(
                f"shapes {show_shape(first.shape)} and {show_shape(x.shape)} differ "
                f"elsewhere than in dimension {axis}"
            )
    total: Size = 0
    for x in xs:
        total = total + x.shape[axis]
    return Aval((*first.shape[:axis], total, *first.shape[axis + 1 :]), first.dtype)


def _concat_vjp(g: Node, out: Node, *xs: Node, axis: int) -> list[Node]:
    start: Size = 0
    parts = []
    for x in xs:
        parts.append(take_range(g, axis, start, x.shape[axis]))
        start = start + x.shape[axis]
    return parts


def take_range(x: Node, axis: int, start: Size, count: Size) -> Node:
    """`count` elements of x from `start` along one dimension."""
    slices = tuple(
        (start, count, 1) if i == axis else (0, size, 1) for i, size in enumerate(x.shape)
    )
    return slice_(x, slices=slices)


def _concat_eval(xp: Any, *xs: Any, axis: int, out: Any = None) -> Any:
    return xp.concatenate(xs, axis=axis, out=out)


concat = register(Op(
    name="concat", kind="copy", infer=_concat_infer, eval=_concat_eval, vjp=_concat_vjp,
    promote=slice(None), into=True,
    doc="Arrays joined along one of their dimensions.",
    samples=lambda rng: [
        Sample((rng.standard_normal((2, 3)), rng.standard_normal((2, 1))), {"axis": 1}),
        Sample((rng.standard_normal((2, 3)), np.zeros((0, 3)), rng.standard_normal((1, 3))),
               {"axis": 0}),
        Sample((rng.standard_normal((2, 3)),), {"axis": 0}),
        Bad((np.zeros((2, 3)), np.zeros((2, 3, 1))), {"axis": 0}, ShapeError, "differ elsewhere"),
    ],
))  # fmt: skip

# ------------------------------------------------------------------------------------- iota


def _iota_infer(*, size: Size, dtype: DType) -> Aval:
    if is_bool(dtype):
        raise DTypeError("counts in numbers, not in bool")
    return Aval((size,), dtype)


iota = register(Op(
    name="iota", kind="const", infer=_iota_infer, extents=("size",),
    eval=lambda xp, *, size, dtype: xp.arange(size, dtype=dtype),
    differentiable=False,
    doc="The numbers 0, 1, ..., size - 1.",
    samples=lambda rng: [
        Sample((), {"size": 5, "dtype": np.dtype("int64")}),
        Sample((), {"size": 0, "dtype": np.dtype("float32")}),
    ],
))  # fmt: skip

# ---------------------------------------------------------------- identities with a purpose


def _same(x: Any) -> Aval:
    return Aval(x.shape, x.dtype)


def _identity_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    return [
        Sample((rng.standard_normal((2, 3)),)),
        Sample((np.zeros((0,)),)),
        Sample((np.array(1.0),)),
    ]


identity = register(Op(
    name="identity", kind="view", infer=_same, eval=lambda xp, x: x, vjp=(lambda g, out, x: g,),
    doc="x itself, as a node of its own: the variable that a gradient is taken in.",
    samples=_identity_samples,
))  # fmt: skip
stop_gradient = register(Op(
    name="stop_gradient", kind="view", infer=_same, eval=lambda xp, x: x, differentiable=False,
    doc="x, through which no gradient passes.",
    samples=_identity_samples,
))  # fmt: skip


def _barrier_infer(x: Any, after: Any) -> Aval:
    return Aval(x.shape, x.dtype)


barrier = register(Op(
    name="barrier", kind="view", infer=_barrier_infer, eval=lambda xp, x, after: x,
    vjp=(lambda g, out, x, after: g, None),
    doc="x, but not before `after` is computed; what is computed from it is not merged with what "
    "is computed from x. So a checkpoint is computed again instead of being kept.",
    samples=lambda rng: [Sample((rng.standard_normal(3), rng.standard_normal(2)))],
))  # fmt: skip


assign = register(Op(
    name="assign", kind="view", infer=_barrier_infer, eval=lambda xp, x, previous: x,
    vjp=(lambda g, out, x, previous: g, None),
    doc="x, the next value of a Tensor whose value was `previous`.",
    samples=lambda rng: [Sample((rng.standard_normal(3), rng.standard_normal(3)))],
))  # fmt: skip
