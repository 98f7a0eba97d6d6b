"""Indexing primitives: elements taken from, and put at, places that integer arrays name.

`gather` and `scatter` are advanced indexing; `take_along_axis` and `scatter_along_axis` pick
along one dimension. Negative indices count from the end. An index out of range is an
IndexError when the graph runs, for that is when its value is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygraph.dtypes import int64, is_bool, is_float, is_integer
from tinygraph.errors import DTypeError, GraphError, ShapeError
from tinygraph.graph.dim import is_known
from tinygraph.graph.node import Aval, Node, Shape
from tinygraph.ops.elementwise import equal, where
from tinygraph.ops.movement import broadcast_to, iota, reshape
from tinygraph.ops.registry import Bad, Op, Sample, cast, register
from tinygraph.ops.rules import (
    Axes,
    broadcast_shapes,
    check_axis,
    full,
    product,
    show_shape,
    zeros_like,
)

Indices = Sequence[Node]
Gradients = tuple[Node, Node | None]


def _check_index(index: Any) -> None:
    if not is_integer(index.dtype):
        raise DTypeError(f"an index is an array of integers, got {index.dtype.name}")


def _places_shape(x: Any, indices: Sequence[Any], axes: Axes) -> Shape:
    """The shape that the index arrays broadcast to, after checks."""
    if not indices or len(indices) != len(axes):
        raise ShapeError(f"{len(indices)} index arrays for the axes {axes}; one for each is needed")
    for axis in axes:
        check_axis(axis, len(x.shape))
    if len(set(axes)) != len(axes):
        raise ShapeError(f"axes {axes} name a dimension twice")
    for index in indices:
        _check_index(index)
    return broadcast_shapes(*[index.shape for index in indices])


def _others(ndim: int, axes: Axes) -> Axes:
    return tuple(axis for axis in range(ndim) if axis not in axes)


def _picked_shape(x: Any, indices: Sequence[Any], axes: Axes) -> Shape:
    places = _places_shape(x, indices, axes)
    return (*places, *[x.shape[axis] for axis in _others(len(x.shape), axes)])


def _in_range(index: Any, axis: int, size: int) -> Any:
    """`index` in the machine's index type. IndexError if an entry is out of range."""
    if index.size and (index.min() < -size or index.max() >= size):
        wrong = index[(index < -size) | (index >= size)]
        raise IndexError(f"index {int(wrong[0])} is out of range for axis {axis} of size {size}")
    return index.astype(np.intp, copy=False)


def _all_in_range(x: Any, indices: Sequence[Any], axes: Axes) -> tuple[Any, ...]:
    return tuple(
        _in_range(index, axis, x.shape[axis]) for index, axis in zip(indices, axes, strict=True)
    )


def _axes_first(xp: Any, x: Any, axes: Axes) -> Any:
    """A view of x with the dimensions `axes` in front."""
    return xp.transpose(x, (*axes, *_others(x.ndim, axes)))


# ----------------------------------------------------------------------------------- gather


def _gather_infer(x: Any, *indices: Any, axes: Axes) -> Aval:
    return Aval(_picked_shape(x, indices, axes), x.dtype)


def _gather_eval(xp: Any, x: Any, *indices: Any, axes: Axes, out: Any = None) -> Any:
    places = _all_in_range(x, indices, axes)
    if xp is np and axes == (0,) and x.flags.c_contiguous:
        # whole rows, as of an embedding; they are in range, and mode="raise" would buffer `out`
        return np.asarray(np.take(x, places[0], axis=0, out=out, mode="wrap"))
    picked = _axes_first(xp, x, axes)[places]
    if out is None:
        return xp.asarray(picked)
    out[...] = picked
    return out


def _gather_vjp(g: Node, out: Node, x: Node, *indices: Node, axes: Axes) -> list[Node | None]:
    back = scatter(zeros_like(x), g, *indices, axes=axes, mode="add")
    return [back, *[None] * len(indices)]


def _gather_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x = rng.standard_normal((4, 3, 5))
    i, j = np.array([[0, 3, -1]]), np.array([[2], [0]])
    return [
        Sample((x, i), {"axes": (0,)}, expected=x[i]),
        Sample((x, i, j), {"axes": (0, 2)}, expected=x[i, :, j]),
        Sample((x, j, i), {"axes": (1, 0)}, expected=x[i, j]),
        Sample((x.T, j), {"axes": (1,)}, expected=np.moveaxis(x.T[:, j], 0, 2)),
        Sample((x[0], np.array(-1)), {"axes": (1,)}, expected=x[0, :, -1]),
        Sample((x[0, 0], np.array(2)), {"axes": (0,)}, expected=x[0, 0, 2]),
        Sample((x, np.zeros((0, 2), int)), {"axes": (1,)}),
        Sample((x[:, :0], i), {"axes": (0,)}),
        Sample((x.astype("float32"), i.astype("uint8") % 4), {"axes": (0,)}, grad=False),
        Bad((x, i), {"axes": (2, 0)}, ShapeError, "1 index arrays for the axes (2, 0)"),
        Bad((x, i, i), {"axes": (1, 1)}, ShapeError, "name a dimension twice"),
        Bad((x, i), {"axes": (3,)}, ShapeError, "axis 3 is out of range"),
        Bad((x, x), {"axes": (0,)}, DTypeError, "an index is an array of integers, got float64"),
        Bad((x, i), {"axes": (1,)}, IndexError, "index 3 is out of range for axis 1 of size 3"),
        Bad((x[:0], i), {"axes": (0,)}, IndexError, "out of range for axis 0 of size 0"),
    ]


gather: Op = register(Op(
    name="gather", kind="gather", infer=_gather_infer, eval=_gather_eval, vjp=_gather_vjp,
    samples=_gather_samples, into=True,
    doc="The elements of x at the places that the index arrays, one for each of `axes`, name "
    "together. They broadcast to a shape S; the result has shape S + the other dimensions of x. "
    "With axes (0,) it picks rows: an embedding.",
))  # fmt: skip

# ---------------------------------------------------------------------------------- scatter

MODES = ("set", "add", "multiply", "max", "min")


def _scatter_infer(x: Any, value: Any, *indices: Any, axes: Axes, mode: str) -> Aval:
    if mode not in MODES:
        raise GraphError(f"mode {mode!r} is none of {', '.join(MODES)}")
    if mode in ("add", "multiply") and is_bool(x.dtype):
        raise DTypeError(f"mode {mode!r} is not defined on bool")
    shape = _picked_shape(x, indices, axes)
    if len(value.shape) > len(shape) or broadcast_shapes(value.shape, shape) != shape:
        raise ShapeError(
            f"a value of shape {show_shape(value.shape)} cannot be put where "
            f"{show_shape(shape)} is needed"
        )
    return Aval(x.shape, x.dtype)


def _scatter_eval(
    xp: Any, x: Any, value: Any, *indices: Any, axes: Axes, mode: str, out: Any = None
) -> Any:
    places = _all_in_range(x, indices, axes)
    if out is None:
        out = xp.empty(x.shape, x.dtype)
    out[...] = x
    target = _axes_first(xp, out, axes)
    if mode == "set":
        # of equal places the last one wins, and what is last goes by the layout of the indices
        target[tuple(xp.asarray(place, order="C") for place in places)] = value
    elif mode == "add" and xp is np:
        _add_at(target, places, value)
    else:
        ufunc = {"max": "maximum", "min": "minimum"}.get(mode, mode)
        getattr(xp, ufunc).at(target, places, value)
    return out


def _add_at(target: Any, places: tuple[Any, ...], value: Any) -> None:
    """`target[places] += value` in place, where equal places add up.

    `np.add.at` is quick on flat arrays alone. Rows are added by a product with a sparse matrix
    of ones, (places, values) @ (values, row): one pass over the values, without a sort.
    """
    depth = len(places)
    shape, row = target.shape[:depth], target.shape[depth:]
    places = np.broadcast_arrays(*places)
    flat = np.ravel_multi_index([place.ravel() for place in places], shape, mode="wrap")
    values = np.broadcast_to(value, (*places[0].shape, *row)).reshape(flat.size, math.prod(row))
    if not values.size:
        return
    if values.shape[1] == 1 and target.flags.c_contiguous:
        np.add.at(target.reshape(-1), flat, values[:, 0])
    elif flat.size < math.prod(shape):  # touch only the rows that something is added to
        touched, flat = np.unique(flat, return_inverse=True)
        sums = _sum_rows(values, flat, touched.size)
        target[np.unravel_index(touched, shape)] += sums.reshape(-1, *row)
    else:
        target += _sum_rows(values, flat, math.prod(shape)).reshape(target.shape)


def _sum_rows(values: Any, group: Any, groups: int) -> Any:
    """For each group the sum of the rows of `values` (n, width) that belong to it."""
    import scipy.sparse

    dtype = values.dtype
    if dtype.itemsize < 4:  # exact for small integers; a sparse matrix knows no 16-bit float
        values = values.astype("float32" if is_float(dtype) else "int64")
    count = len(values)
    belongs = scipy.sparse.csc_array(
        (np.ones(count, values.dtype), group, np.arange(count + 1)), shape=(groups, count)
    )
    return (belongs @ values).astype(dtype, copy=False)


def _scatter_vjp(
    g: Node, out: Node, x: Node, value: Node, *indices: Node, axes: Axes, mode: str
) -> list[Node | None]:
    rule = _SCATTER_RULES[mode]
    dx, dvalue = rule(g, out, x, value, indices, axes)
    return [dx, dvalue, *[None] * len(indices)]


def _add_rule(g: Node, out: Node, x: Node, value: Node, indices: Indices, axes: Axes) -> Gradients:
    return g, gather(g, *indices, axes=axes)


def _set_rule(g: Node, out: Node, x: Node, value: Node, indices: Indices, axes: Axes) -> Gradients:
    dx = scatter(g, full((), 0, g.dtype), *indices, axes=axes, mode="set")
    picked = gather(g, *indices, axes=axes)
    places = broadcast_shapes(*[index.shape for index in indices])
    if not places:
        return dx, picked
    # of several values for one place the last alone arrives, so it alone gets the gradient
    last = _is_last(indices, places, tuple(x.shape[axis] for axis in axes))
    last = reshape(last, shape=(*places, *[1] * (picked.ndim - len(places))))
    return dx, where(last, picked, 0)


def _is_last(indices: Indices, places: Shape, shape: Shape) -> Node:
    """Of the shape `places`: whether no later entry names the same place in `shape`."""
    axes = tuple(range(len(shape)))
    number = reshape(iota(size=product(places), dtype=int64), shape=places)
    winner = scatter(full(shape, 0, int64), number, *indices, axes=axes, mode="set")
    return equal(gather(winner, *indices, axes=axes), number)


def _multiply_rule(
    g: Node, out: Node, x: Node, value: Node, indices: Indices, axes: Axes
) -> Gradients:
    dx = scatter(g, value, *indices, axes=axes, mode="multiply")
    if not value.grad:
        return dx, None
    if any(index.shape for index in indices):
        # where places repeat, each value's slope holds the product of the others'
        raise GraphError(
            "scatter: mode 'multiply' has no gradient to its values; if no place is named twice, "
            "write x.at[i].set(x[i] * value), which has"
        )
    return dx, gather(g * x, *indices, axes=axes)


def _extreme_rule(
    g: Node, out: Node, x: Node, value: Node, indices: Indices, axes: Axes
) -> Gradients:
    # all that are equal to the result share its gradient equally, as in the reduction `max`
    kept = cast(equal(x, out), dtype=g.dtype)
    arrived = cast(equal(value, gather(out, *indices, axes=axes)), dtype=g.dtype)
    share = g / scatter(kept, arrived, *indices, axes=axes, mode="add")
    return share * kept, gather(share, *indices, axes=axes) * arrived


_SCATTER_RULES: dict[str, Callable[..., Gradients]] = {
    "set": _set_rule,
    "add": _add_rule,
    "multiply": _multiply_rule,
    "max": _extreme_rule,
    "min": _extreme_rule,
}


def _scatter_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x = rng.permutation(np.linspace(-2, 2, 60)).reshape(4, 3, 5)
    i, j = np.array([[0, 3, -1]]), np.array([[2], [0]])  # 3 and -1 are the same
    v = rng.permutation(np.linspace(-2.01, 2.02, 18)).reshape(2, 3, 3)
    w = rng.standard_normal((2, 3, 3, 5))
    added = x.copy()
    for (a, b), row in zip(((0, 2), (3, 2), (3, 2), (0, 0), (3, 0), (3, 0)), v.reshape(6, 3)):
        added[a, :, b] += row
    both = {"axes": (0, 2)}
    return [
        Sample((x, v, i, j), {**both, "mode": "add"}, expected=added),
        Sample((x, v, i, j), {**both, "mode": "set"}),
        Sample((x, v[:1, :1, :1], i, j), {**both, "mode": "set"}),
        Sample((x, v, i, j), {**both, "mode": "max"}),
        Sample((x, v, i, j), {**both, "mode": "min"}),
        Sample((x, v, i, j), {**both, "mode": "multiply"}, grad=False),
        Sample((x, v[0, 0], np.array(1), np.array(-2)), {**both, "mode": "multiply"}),
        Sample((x, w[:, :, :1], j + i % 2), {"axes": (0,), "mode": "add"}),
        Sample((x[:2], w[0], np.array([1, 0, 1])), {"axes": (0,), "mode": "add"}),
        Sample((x[0, 0], v[0, 0], i[0]), {"axes": (0,), "mode": "add"}),
        Sample((x.T, np.array(0.5), j), {"axes": (2,), "mode": "set"}),
        Sample((x, np.array(2.0), i[:, :0]), {"axes": (1,), "mode": "add"}),
        Sample((x.astype("float32"), w, j + i % 2), {"axes": (0,), "mode": "add"}, grad=False),
        Sample((j, i, i % 2, i * 0), {"axes": (0, 1), "mode": "add"}),
        *_bad_scatters(x, v, i, j),
    ]


def _bad_scatters(x: Any, v: Any, i: Any, j: Any) -> list[Sample | Bad]:
    both = {"axes": (0, 2), "mode": "add"}
    return [
        Bad((x, v[:, :2], i, j), both, ShapeError, "do not broadcast"),
        Bad((x[0], v, i), {"axes": (1,), "mode": "add"}, ShapeError,
            "a value of shape (2, 3, 3) cannot be put where (1, 3, 3) is needed"),
        Bad((x, v, i), {"axes": (0,), "mode": "sum"}, GraphError, "mode 'sum' is none of set"),
        Bad((x > 0, v > 0, i, j), both, DTypeError, "mode 'add' is not defined on bool"),
        Bad((x, v, i, j * 3), both, IndexError, "index 6 is out of range for axis 2 of size 5"),
    ]  # fmt: skip


scatter: Op = register(Op(
    name="scatter", kind="scatter", infer=_scatter_infer, eval=_scatter_eval, vjp=_scatter_vjp,
    samples=_scatter_samples, promote=slice(0, 2), into=True,
    doc="A copy of x whose elements at the places that the index arrays name (see `gather`) are "
    "set to `value`, or combined with it: mode 'set', 'add', 'multiply', 'max' or 'min'. The "
    "value broadcasts to S + the other dimensions of x. Where a place is named more than once "
    "all its values are combined, in mode 'set' the last of them wins. The gradients are exact "
    "then too; in 'max' and 'min' equal ones share it; in 'multiply' x alone has one, unless a "
    "single place is named.",
))  # fmt: skip

# ---------------------------------------------------------------------- along one dimension


def _check_along(x: Any, index: Any, axis: int) -> None:
    _check_index(index)
    check_axis(axis, len(x.shape))
    fits = len(x.shape) == len(index.shape) and all(
        a == b or i == axis or not is_known(a, b)
        for i, (a, b) in enumerate(zip(x.shape, index.shape, strict=True))
    )
    if not fits:
        raise ShapeError(
            f"an index of shape {show_shape(index.shape)} does not fit an array of shape "
            f"{show_shape(x.shape)}: all sizes but that of axis {axis} must be equal"
        )


def _flat_places(xp: Any, index: Any, shape: tuple[int, ...], axis: int) -> Any:
    """The places of `index` in a flat array of `shape`: (before axis, along it, behind it)."""
    size = shape[axis]
    before, behind = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    index = _in_range(index, axis, size)
    index = xp.where(index < 0, index + size, index).reshape(before, index.shape[axis], behind)
    starts = xp.arange(before).reshape(-1, 1, 1) * (size * behind) + xp.arange(behind)
    return index * behind + starts


def _take_along_infer(x: Any, index: Any, *, axis: int) -> Aval:
    _check_along(x, index, axis)
    return Aval(index.shape, x.dtype)


def _take_along_eval(xp: Any, x: Any, index: Any, *, axis: int) -> Any:
    places = _flat_places(xp, index, x.shape, axis)  # half the time of np.take_along_axis
    return xp.take(x.reshape(-1), places).reshape(index.shape)


def _take_along_vjp(g: Node, out: Node, x: Node, index: Node, *, axis: int) -> Node:
    return scatter_along_axis(zeros_like(x), index, g, axis=axis, mode="add")


def _take_along_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x = rng.standard_normal((2, 3, 4))
    index = rng.integers(-4, 4, (2, 3, 5))
    middle = np.array([[[1, -1, 0, 2]], [[0, 0, -3, 1]]])
    return [
        Sample((x, index), {"axis": 2}, expected=np.take_along_axis(x, index, 2)),
        Sample((x, middle), {"axis": 1}, expected=np.take_along_axis(x, middle, 1)),
        Sample((x.T, middle.T), {"axis": 1}),
        Sample((x, index[:, :, :0]), {"axis": 2}),
        Sample((x[:0], index[:0]), {"axis": 2}),
        Sample((x[0, 0].astype("float32"), index[0, 0]), {"axis": 0}, grad=False),
        Bad((x, index[:1]), {"axis": 2}, ShapeError, "an index of shape (1, 3, 5) does not fit"),
        Bad((x, index[0]), {"axis": 2}, ShapeError, "all sizes but that of axis 2 must be equal"),
        Bad((np.array(1.0), np.array(0)), {"axis": 0}, ShapeError, "axis 0 is out of range"),
        Bad((x, x), {"axis": 2}, DTypeError, "got float64"),
        Bad((x, middle + 1), {"axis": 1}, IndexError, "index 3 is out of range for axis 1"),
    ]


take_along_axis: Op = register(Op(
    name="take_along_axis", kind="gather", infer=_take_along_infer, eval=_take_along_eval,
    vjp=(_take_along_vjp, None), samples=_take_along_samples,
    doc="result[i, j, k] = x[i, index[i, j, k], k] for axis 1, and likewise for the others. x "
    "and index have equal sizes but along that axis.",
))  # fmt: skip


def _scatter_along_infer(x: Any, index: Any, value: Any, *, axis: int, mode: str) -> Aval:
    _check_along(x, index, axis)
    if mode not in MODES[:2]:
        raise GraphError(f"mode {mode!r} is neither set nor add")
    if mode == "add" and is_bool(x.dtype):
        raise DTypeError("mode 'add' is not defined on bool")
    if len(value.shape) != len(index.shape) or any(
        a != b and is_known(a, b) for a, b in zip(value.shape, index.shape, strict=True)
    ):
        raise ShapeError(
            f"the value has shape {show_shape(value.shape)}, its index "
            f"{show_shape(index.shape)}; they must be equal"
        )
    return Aval(x.shape, x.dtype)


def _scatter_along_eval(
    xp: Any, x: Any, index: Any, value: Any, *, axis: int, mode: str, out: Any = None
) -> Any:
    places = _flat_places(xp, index, x.shape, axis)
    if out is None:
        out = xp.empty(x.shape, x.dtype)
    out[...] = x
    flat, value = out.reshape(-1), value.reshape(places.shape)
    if mode == "set":
        flat[places] = value
    elif index.shape[axis] == 1:  # then no place is named twice
        flat[places] += value
    else:
        xp.add.at(flat, places.reshape(-1), value.reshape(-1))
    return out


def _scatter_along_vjp(
    g: Node, out: Node, x: Node, index: Node, value: Node, *, axis: int, mode: str
) -> list[Node | None]:
    picked = take_along_axis(g, index, axis=axis)
    if mode == "add":
        return [g, None, picked]
    dx = scatter_along_axis(g, index, zeros_like(value), axis=axis, mode="set")
    if index.shape[axis] != 1:  # as in `scatter`: the last of several values alone arrives
        picked = where(_is_last_along(x, index, axis), picked, 0)
    return [dx, None, picked]


def _is_last_along(x: Node, index: Node, axis: int) -> Node:
    """Whether no later entry of `index` along `axis` names the same place."""
    count = index.shape[axis]
    column = tuple(count if i == axis else 1 for i in range(index.ndim))
    number = reshape(iota(size=count, dtype=int64), shape=column)
    number = broadcast_to(number, shape=index.shape)
    winner = scatter_along_axis(full(x.shape, 0, int64), index, number, axis=axis, mode="set")
    return equal(take_along_axis(winner, index, axis=axis), number)


def _scatter_along_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x = rng.standard_normal((2, 3, 4))
    index = rng.integers(-4, 4, (2, 3, 5))  # five entries for four places: some are the same
    v = rng.standard_normal((2, 3, 5))
    one, unique = index[:, :, :1], np.argsort(x, axis=1)
    replaced, added = x.copy(), x.copy()
    np.put_along_axis(replaced, unique, v[:, :, :4], 1)
    np.add.at(added, (np.arange(2)[:, None, None], np.arange(3)[:, None], index), v)
    last, middle = {"axis": 2}, {"axis": 1}
    return [
        Sample((x, index, v), {**last, "mode": "add"}, expected=added),
        Sample((x, unique, v[:, :, :4]), {**middle, "mode": "set"}, expected=replaced),
        Sample((x, index, v), {**last, "mode": "set"}),
        Sample((x, one, v[:, :, :1]), {**last, "mode": "set"}),
        Sample((x.T, one.T, v[:, :, :1].T), {"axis": 0, "mode": "add"}),
        Sample((x, index[:, :, :0], v[:, :, :0]), {**last, "mode": "add"}),
        Sample((x[:0], one[:0], v[:0, :, :1]), {**last, "mode": "set"}),
        Sample((x.astype("float32"), index, v), {**last, "mode": "add"}, grad=False),
        Bad((x, index, v[:, :, :2]), {**last, "mode": "set"}, ShapeError,
            "the value has shape (2, 3, 2), its index (2, 3, 5)"),
        Bad((x, index, v), {**last, "mode": "max"}, GraphError, "'max' is neither set nor add"),
        Bad((x > 0, index, v > 0), {**last, "mode": "add"}, DTypeError, "not defined on bool"),
        Bad((x, one + 9, v[:, :, :1]), {**last, "mode": "set"}, IndexError, "axis 2 of size 4"),
    ]  # fmt: skip


scatter_along_axis: Op = register(Op(
    name="scatter_along_axis", kind="scatter", infer=_scatter_along_infer,
    eval=_scatter_along_eval, vjp=_scatter_along_vjp, samples=_scatter_along_samples,
    promote=slice(0, 3, 2), into=True,
    doc="A copy of x in which, for axis 1, value[i, j, k] is put at, or with mode 'add' added "
    "to, [i, index[i, j, k], k], and likewise for the other axes. Where a place is named more "
    "than once, 'add' adds all values and 'set' keeps the last; the gradients are exact then "
    "too.",
))  # fmt: skip
