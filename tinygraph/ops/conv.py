"""Convolution in any number of spatial dimensions, and its two adjoints.

Arrays are (batch, channel, *size), kernels (out channel, in channel / groups, *kernel). The
three primitives are closed under differentiation: the gradients of each are the other two. What
they compute stands in `columns`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygraph.dtypes import is_float
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Aval, Node, Shape
from tinygraph.ops.columns import Params, eval_conv, eval_input, eval_weight
from tinygraph.ops.movement import reshape
from tinygraph.ops.registry import Bad, Op, Sample, register
from tinygraph.ops.rules import show_shape
from tinygraph.ops.windows import Ints, Pads, no_padding, window_counts

# -------------------------------------------------------------------------------- shape rules


def _check_ranks(one: str, x: Any, other: str, y: Any) -> None:
    if len(x.shape) != len(y.shape) or len(x.shape) < 3:
        raise ShapeError(
            f"{one} and {other} need as many dimensions as each other, two and the spatial ones, "
            f"got shapes {show_shape(x.shape)} and {show_shape(y.shape)}"
        )
    if not is_float(x.dtype):
        raise DTypeError(f"needs a float, got {x.dtype.name}; cast it with astype")


def _check_groups(channels: Size, per_group: Size, out_channels: Size, groups: int) -> None:
    if groups < 1:
        raise ShapeError(f"groups must be at least 1, got {groups}")
    if is_known(channels, per_group) and channels != per_group * groups:
        raise ShapeError(
            f"the input has {channels} channels, a weight of {per_group} channels in each of "
            f"{groups} groups needs {per_group * groups}"
        )
    if is_known(out_channels) and out_channels % groups:
        raise ShapeError(f"{out_channels} output channels do not divide into {groups} groups")


def _check_windows(expected: Shape, got: Shape, size: Shape, kernel: Shape) -> None:
    if expected != got and is_known(*expected, *got):
        raise ShapeError(
            f"an input of size {show_shape(size)} and a kernel of size {show_shape(kernel)} give "
            f"an output of size {show_shape(expected)}, not {show_shape(got)}"
        )


def _conv_infer(
    x: Any, w: Any, *, stride: Ints, padding: Pads, dilation: Ints, groups: int
) -> Aval:
    _check_ranks("input", x, "weight", w)
    _check_groups(x.shape[1], w.shape[1], w.shape[0], groups)
    count = window_counts(x.shape[2:], w.shape[2:], stride, dilation, padding)
    return Aval((x.shape[0], w.shape[0], *count), x.dtype)


def _input_infer(
    g: Any, w: Any, *, size: Shape, stride: Ints, padding: Pads, dilation: Ints, groups: int
) -> Aval:
    _check_ranks("output gradient", g, "weight", w)
    _check_groups(w.shape[1] * groups, w.shape[1], w.shape[0], groups)
    if is_known(g.shape[1], w.shape[0]) and g.shape[1] != w.shape[0]:
        raise ShapeError(f"got {g.shape[1]} channels for a weight with {w.shape[0]}")
    count = window_counts(size, w.shape[2:], stride, dilation, padding)
    _check_windows(count, g.shape[2:], size, w.shape[2:])
    return Aval((g.shape[0], w.shape[1] * groups, *size), g.dtype)


def _weight_infer(
    x: Any, g: Any, *, size: Shape, stride: Ints, padding: Pads, dilation: Ints, groups: int
) -> Aval:
    _check_ranks("input", x, "output gradient", g)
    per_group = x.shape[1] // groups if groups > 0 else 0
    _check_groups(x.shape[1], per_group, g.shape[1], groups)
    if is_known(x.shape[0], g.shape[0]) and x.shape[0] != g.shape[0]:
        raise ShapeError(f"the batch sizes {x.shape[0]} and {g.shape[0]} differ")
    count = window_counts(x.shape[2:], size, stride, dilation, padding)
    _check_windows(count, g.shape[2:], x.shape[2:], size)
    return Aval((g.shape[1], per_group, *size), x.dtype)


# ----------------------------------------------------------------------------------- gradients


def _as_shape(x: Node, shape: Shape) -> Node:
    """x, whose sizes equal `shape` but may be another expression where they are open."""
    return x if x.shape == shape else reshape(x, shape=shape)


def _without_size(params: Params) -> Params:
    return {name: value for name, value in params.items() if name != "size"}


def _conv_dx(g: Node, out: Node, x: Node, w: Node, **params: Any) -> Node:
    return conv_input(g, w, size=x.shape[2:], **params)


def _conv_dw(g: Node, out: Node, x: Node, w: Node, **params: Any) -> Node:
    return conv_weight(x, g, size=w.shape[2:], **params)


def _input_dg(v: Node, out: Node, g: Node, w: Node, **params: Any) -> Node:
    return _as_shape(conv(v, w, **_without_size(params)), g.shape)


def _input_dw(v: Node, out: Node, g: Node, w: Node, **params: Any) -> Node:
    return conv_weight(v, g, **{**params, "size": w.shape[2:]})


def _weight_dx(v: Node, out: Node, x: Node, g: Node, **params: Any) -> Node:
    return conv_input(g, v, **{**params, "size": x.shape[2:]})


def _weight_dg(v: Node, out: Node, x: Node, g: Node, **params: Any) -> Node:
    return _as_shape(conv(x, v, **_without_size(params)), g.shape)


# ------------------------------------------------------------------------------------ records


def _layout(dims: int, **changes: Any) -> Params:
    """Parameters of a plain convolution, but for `changes`."""
    ones = (1,) * dims
    plain = {"stride": ones, "padding": no_padding(dims), "dilation": ones, "groups": 1}
    return {**plain, **changes}


def _conv_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    normal = rng.standard_normal
    x, w = normal((2, 4, 5, 6)), normal((4, 4, 3, 2))
    line = np.array([[[1.0, 2.0, 3.0, 4.0]]])
    return [
        Sample((line, np.array([[[1.0, 10.0]]])), _layout(1), expected=[[[21.0, 32.0, 43.0]]]),
        Sample((x, w), _layout(2, stride=(2, 1), padding=((1, 2), (0, 1)), dilation=(1, 2))),
        Sample((x, w[:, :1]), _layout(2, groups=4, padding=((1, 1), (1, 1)))),
        Sample((x, w[:, :2]), _layout(2, groups=2)),
        Sample((x, w[:, :, :1, :1]), _layout(2, stride=(2, 2))),
        Sample((normal((1, 2, 3, 3, 4)), normal((3, 2, 2, 1, 3))),
               _layout(3, padding=((1, 0), (0, 0), (1, 1)), stride=(1, 2, 1))),
        Sample((x[:0], w), _layout(2)),
        Sample((x.astype("float32"), w.astype("float32")), _layout(2), grad=False),
        Bad((x, w[:, :3]), _layout(2), ShapeError,
            "the input has 4 channels, a weight of 3 channels in each of 1 groups needs 3"),
        Bad((x, w[:3, :1]), _layout(2, groups=4), ShapeError,
            "3 output channels do not divide into 4 groups"),
        Bad((x[:, :, :2], w), _layout(2), ShapeError, "covers 3 positions, but spatial dimension 0 "
            "of size 2 with padding (0, 0) has 2"),
        Bad((x, w[0]), _layout(2), ShapeError, "got shapes (2, 4, 5, 6) and (4, 3, 2)"),
        Bad((x, w), _layout(2, stride=(0, 1)), ShapeError, "the stride must be at least 1"),
        Bad((x.astype(int), w.astype(int)), _layout(2), DTypeError, "needs a float, got int64"),
    ]  # fmt: skip


def _input_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    normal = rng.standard_normal
    g, w = normal((2, 4, 3, 2)), normal((4, 2, 3, 2))
    point, kernel = np.array([[[2.0, 0.0, 1.0]]]), np.array([[[1.0, 10.0]]])
    uneven = {"stride": (2, 3), "padding": ((1, 2), (0, 1)), "dilation": (1, 2)}
    return [
        Sample((point, kernel), _layout(1, size=(4,)), expected=[[[2.0, 20.0, 1.0, 10.0]]]),
        Sample((g, w), _layout(2, size=(4, 5), **uneven)),
        Sample((g, w), _layout(2, size=(5, 3), groups=2)),
        Sample((g, w[:, :1]), _layout(2, size=(5, 3), groups=4)),
        Sample((g, w[:, :, :1, :1]), _layout(2, size=(6, 3), stride=(2, 2))),
        Sample((normal((1, 2, 2, 1, 3)), normal((2, 3, 2, 1, 2))), _layout(3, size=(3, 1, 4))),
        Sample((g[:0], w), _layout(2, size=(5, 3))),
        Sample((g.astype("float32"), w.astype("float32")), _layout(2, size=(5, 3)), grad=False),
        Bad((g, w), _layout(2, size=(6, 3)), ShapeError, "an input of size (6, 3) and a kernel of "
            "size (3, 2) give an output of size (4, 2), not (3, 2)"),
        Bad((g[:, :3], w), _layout(2, size=(5, 3)), ShapeError,
            "got 3 channels for a weight with 4"),
    ]  # fmt: skip


def _weight_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    normal = rng.standard_normal
    x, g = normal((2, 4, 5, 6)), normal((2, 2, 3, 5))
    line, slope = np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1.0, 10.0]]])
    uneven = {"stride": (2, 3), "padding": ((1, 2), (0, 1)), "dilation": (1, 2)}
    return [
        Sample((line, slope), _layout(1, size=(2,)), expected=[[[21.0, 32.0]]]),
        Sample((x, g), _layout(2, size=(3, 2))),
        Sample((x, g[..., :2]), _layout(2, size=(3, 2), **uneven)),
        Sample((x, g), _layout(2, size=(3, 2), groups=2)),
        Sample((x, g[..., :3]), _layout(2, size=(1, 1), stride=(2, 2))),
        Sample((x[:0], g[:0]), _layout(2, size=(3, 2))),
        Sample((x.astype("float32"), g.astype("float32")), _layout(2, size=(3, 2)), grad=False),
        Bad((x, g), _layout(2, size=(2, 2)), ShapeError, "an output of size (4, 5), not (3, 5)"),
        Bad((x, g[:1]), _layout(2, size=(3, 2)), ShapeError, "the batch sizes 2 and 1 differ"),
        Bad((x, g), _layout(2, size=(3, 2), groups=3), ShapeError, "the input has 4 channels"),
    ]  # fmt: skip


conv = register(Op(
    name="conv", kind="conv", infer=_conv_infer, eval=eval_conv, vjp=(_conv_dx, _conv_dw),
    promote=slice(None), into=True, samples=_conv_samples,
    doc="Cross-correlation of x (batch, channel, *size) with w (out channel, channel / groups, "
    "*kernel): out[n, o, p] = sum over c, k of w[o, c, k] x[n, c, p stride + k dilation - low], "
    "with x = 0 outside. Stride, dilation and padding (low, high) have an entry for each spatial "
    "dimension. The channels and the output channels divide into `groups` that do not mix.",
))  # fmt: skip
conv_input = register(Op(
    name="conv_input", kind="conv", infer=_input_infer, eval=eval_input,
    vjp=(_input_dg, _input_dw), promote=slice(None), extents=("size",), into=True,
    samples=_input_samples,
    doc="The adjoint of `conv` in its input, also called transposed convolution: each element of "
    "g (batch, out channel, *count) puts its multiple of the kernel w where its window lies in "
    "the result (batch, channel, *size), and overlaps are added up.",
))  # fmt: skip
conv_weight = register(Op(
    name="conv_weight", kind="conv", infer=_weight_infer, eval=eval_weight,
    vjp=(_weight_dx, _weight_dg), promote=slice(None), extents=("size",), into=True,
    samples=_weight_samples,
    doc="The adjoint of `conv` in its weight: for each place in a kernel of `size`, the input x "
    "there times the output gradient g, summed over batch and windows.",
))  # fmt: skip
