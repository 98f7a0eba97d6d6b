"""Op: one record per primitive, and the table of them all.

To add an op is to write one record: its shape rule, its meaning on arrays, its gradient, its
samples and its docstring stand together, and nothing else in the project needs to change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygraph.dtypes import DType, Scalar, is_float, of_scalar, promote, weak
from tinygraph.errors import DTypeError, ShapeError, TinygraphError
from tinygraph.graph.node import STATE, Aval, Node
from tinygraph.graph.origin import caller

Rule = Callable[..., Any]
# in quotes, because to look at np.random is to import it
Samples = Callable[["np.random.Generator"], "Sequence[Sample | Bad]"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One case that the generated tests run an op on.

    args: the input arrays. params: the op's parameters. grad: whether the gradient is checked
    against finite differences here (float inputs only; leave out at kinks and for indices).
    expected: the result, where a formula independent of the op's `eval` gives it.
    """

    args: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)
    grad: bool = True
    expected: Any = None


@dataclass(frozen=True, slots=True)
class Bad:
    """A case that must fail: building (or running) it raises `error` whose text has `message`."""

    args: tuple[Any, ...]
    params: dict[str, Any]
    error: type[Exception]
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """A primitive operation.

    name: as it is printed.
    kind: what sort of kernel it becomes: "elementwise", "reduce", "view", "contract", ...
    infer: `infer(*avals, **params) -> Aval` (or a tuple of them); raises ShapeError, DTypeError.
    eval: `eval(xp, *arrays, **params)`, the meaning, on the array namespace `xp`. With
        `into` set it also takes `out=`, an array to write the result to.
    vjp: the gradient. Either a tuple with one rule an input, `rule(g, out, *inputs, **params)
        -> Node` (None: no gradient to this input), or one function that returns a sequence of
        the inputs' gradients. `g` has the shape of `out`; the driver un-broadcasts. For an op
        with several results, `g` is a tuple with None where no gradient arrives.
    jvp: `jvp(tangents, out, *inputs, **params) -> Node(s)`, only where it cannot be derived
        from `vjp`; a tangent is None where it is zero.
    batch: `batch(op, inputs, places, **params) -> (Node(s), place(s))`, for `vmap`; where None,
        `autodiff.batch_rules` has the rule, or the op is mapped by a loop.
    scalar: the formula of one element in the neutral dialect, over the names a, b, c, ...;
        set means elementwise, and that it may be fused.
    promote: which inputs (a slice of them) are brought to one dtype first.
    extents: parameters that are sizes: run-time arguments of a kernel, not part of its form.
    into: `eval` takes `out=`. alias: `eval` may write on an input of equal layout.
    leaf: has no inputs and is given its value. differentiable: False for ops whose result is
        locally constant or not a float.
    """

    name: str
    kind: str
    infer: Rule
    eval: Rule
    doc: str
    samples: Samples
    vjp: tuple[Rule | None, ...] | Rule | None = None
    jvp: Rule | None = None
    batch: Rule | None = None
    scalar: str | None = None
    promote: slice | None = None
    extents: tuple[str, ...] = ()
    into: bool = False
    alias: bool = False
    leaf: bool = False
    differentiable: bool = True

    def __call__(self, *args: Node | Scalar, **params: Any) -> Node:
        """Build a node. Python scalars are accepted where `promote` covers them."""
        try:
            inputs = _promoted(self.promote, args) if self.promote is not None else args
            aval = self.infer(*inputs, **params)
        except TinygraphError as error:
            raise located(self.name, error) from None
        node = Node(self, inputs, params, aval)  # type: ignore[arg-type]
        if STATE.evaluate is not None:
            STATE.evaluate(node)
        return node

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __hash__(self) -> int:
        return hash(self.name)


REGISTRY: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Enter `op` in the table. ValueError if the name is taken."""
    if op.name in REGISTRY:
        raise ValueError(f"an op called {op.name!r} is registered already")
    REGISTRY[op.name] = op
    return op


def located(name: str, error: TinygraphError) -> TinygraphError:
    """The error with what failed and the user's line in its text, once."""
    text = str(error)
    if "\n  at " in text:
        return error
    if not text.startswith(f"{name}:"):
        text = f"{name}: {text}"
    where = (STATE.origin or caller()).where()
    return type(error)(f"{text}\n  at {where}")


def _promoted(picked: slice, args: Sequence[Any]) -> tuple[Node, ...]:
    """`args` with those that `picked` picks brought to one dtype, scalars to nodes."""
    chosen = args[picked]
    dtype: DType | None = None
    uniform = True
    for arg in chosen:
        if isinstance(arg, Node):
            if dtype is None:
                dtype = arg.dtype
            elif arg.dtype != dtype:
                dtype = promote(dtype, arg.dtype)
                uniform = False
        else:
            uniform = False
    if uniform:
        return tuple(args)
    dtype = _with_scalars(chosen, dtype)
    converted = [_converted(arg, dtype) for arg in chosen]
    new = list(args)
    new[picked] = converted
    return tuple(new)


def _with_scalars(args: Sequence[Any], dtype: DType | None) -> DType:
    for arg in args:
        if isinstance(arg, Node):
            continue
        if not isinstance(arg, (bool, int, float)):
            raise DTypeError(f"expected a Tensor or a number, got {type(arg).__name__}")
        dtype = of_scalar(arg) if dtype is None else weak(arg, dtype)
    assert dtype is not None
    return dtype


def _converted(arg: Any, dtype: DType) -> Node:
    if not isinstance(arg, Node):
        return const(arg, dtype)
    return arg if arg.dtype == dtype else cast(arg, dtype=dtype)


# Three ops that the mechanism itself needs; the others stand in their own files.


def _const_infer(*, value: Any, dtype: DType) -> Aval:
    return Aval((), dtype)


CONST = register(Op(
    name="const",
    kind="const",
    infer=_const_infer,
    eval=lambda xp, *, value, dtype: xp.asarray(value, dtype=dtype),
    doc="A scalar constant, part of the graph's text.",
    samples=lambda rng: [Sample((), {"value": 1.5, "dtype": np.dtype("float32")})],
    differentiable=False,
))  # fmt: skip


def const(value: Any, dtype: DType) -> Node:
    """The 0-d constant `value`; a size that is not known yet (Dim) is accepted too."""
    if isinstance(value, (bool, int, float)):
        kind = dtype.kind
        if kind in "iu":
            if not math.isfinite(value):
                raise DTypeError(f"the number {value} does not fit in {dtype.name}")
            value = int(value)
            if not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
                raise DTypeError(f"the number {value} does not fit in {dtype.name}")
        elif kind == "b":
            value = bool(value)
        else:
            value = float(value)
    return CONST(value=value, dtype=dtype)


def _cast_vjp(g: Node, out: Node, x: Node, *, dtype: DType) -> Node | None:
    if not is_float(dtype):  # truncated: it moves by steps, of slope 0
        return None
    return cast(g, dtype=x.dtype)


def _cast_eval(xp: Any, x: Any, *, dtype: DType, out: Any = None) -> Any:
    if out is None:
        return x.astype(dtype)
    out[...] = x
    return out


cast = register(Op(
    name="cast",
    kind="elementwise",
    infer=lambda x, *, dtype: Aval(x.shape, dtype),
    eval=_cast_eval,
    vjp=(_cast_vjp,),
    scalar="cast(a)",
    into=True,
    doc="The same values in another dtype. Float to integer truncates towards zero.",
    samples=lambda rng: [
        Sample((rng.standard_normal((2, 3)),), {"dtype": np.dtype("float64")}),
        Sample((rng.standard_normal((2, 3)) * 9,), {"dtype": np.dtype("int32")}, grad=False),
        Sample((rng.integers(0, 5, (2, 3)),), {"dtype": np.dtype("float32")}, grad=False),
        Sample((np.array([0, 1, 2]),), {"dtype": np.dtype("bool")}, grad=False),
        Sample((np.zeros((0, 2)),), {"dtype": np.dtype("float32")}, grad=False),
    ],
))  # fmt: skip


def _leaf(name: str, doc: str) -> Op:
    def missing(xp: Any, **params: Any) -> Any:
        raise ShapeError(f"a {name} has no value of its own")

    return register(Op(
        name=name, kind="leaf", infer=lambda *, aval: aval, eval=missing, doc=doc,
        samples=lambda rng: [], leaf=True, differentiable=False,
    ))  # fmt: skip


PLACEHOLDER = _leaf("placeholder", "A value that is fed when the graph runs.")
RESULT = _leaf("result", "What a jitted function returned, where its gradient stayed behind.")
DATA = _leaf("data", "An array that is there already: a parameter, a constant, a result.")


def _item_infer(x: Node, *, index: int) -> Aval:
    assert x.outs is not None
    return x.outs[index]


ITEM = register(Op(
    name="item", kind="view", infer=_item_infer,
    eval=lambda xp, xs, *, index: xs[index], samples=lambda rng: [],
    doc="One result of an operation that has several. Its gradient is gathered by the driver.",
))  # fmt: skip


def item(node: Node, index: int) -> Node:
    """Result number `index` of a node with several results."""
    return ITEM(node, index=index)


def items(node: Node) -> tuple[Node, ...]:
    """All the results of a node with several."""
    assert node.outs is not None
    return tuple(ITEM(node, index=index) for index in range(len(node.outs)))
