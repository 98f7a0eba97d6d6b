"""Iteration spaces: which nodes can be computed by loops, over what, and how they lie there.

A view over a space says for each dimension by how many elements of the node, in row-major order,
one step goes on: 0 where the node does not vary with it.
"""

from __future__ import annotations

from tinygraph.compiler.kernel import View
from tinygraph.compiler.sources import Extents, Lens, broadcast, dense, extents_of, normal, size_of
from tinygraph.graph.node import Node
from tinygraph.ops.bounds import within
from tinygraph.ops.movement import iota, reshape, slice_
from tinygraph.ops.random import random_bits
from tinygraph.ops.registry import ITEM

REDUCTIONS = ("sum", "prod", "max", "min", "any", "all")
_COSTS = {
    **dict.fromkeys(("divide", "sqrt", "rsqrt", "floor_divide", "remainder"), 3),
    **dict.fromkeys(("exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "tanh", "sigmoid",
                     "erf", "erfc", "sin", "cos", "tan", "pow", "random_bits"), 8),
    **dict.fromkeys(("asin", "acos", "atan", "atan2", "hypot", "sinh", "cosh", "asinh", "acosh",
                     "atanh", "logaddexp", "erfinv", "lgamma", "digamma", "zeta"), 20),
}  # fmt: skip


def cost(node: Node) -> int:
    """What one element of `node` costs, in additions."""
    return _COSTS.get(node.op.name, 1)


def is_reduction(node: Node) -> bool:
    """Whether `node` is a reduction that a kernel of loops can hold."""
    if node.op.kind != "reduce" or node.op.name not in REDUCTIONS:
        return False
    shape = extents_of(node.inputs[0])
    return any(shape[axis] > 1 for axis in node.params["axis"])


def is_loops(node: Node) -> bool:
    """Whether `node` can be computed by loops over its elements, or those of its operand."""
    if node.op.kind == "elementwise":
        return node.op.scalar is not None
    if is_reduction(node):
        return size_of(extents_of(node.inputs[0])) > 0
    return node.op in (iota, random_bits, within) or (
        node.op.kind == "view" and node.op is not ITEM
    )


def root_form(node: Node) -> tuple[Extents, View, frozenset[int] | None, bool]:
    """The space that a node alone runs over, the view of its result there, the dimensions that
    are reduced, and whether by columns: where the innermost dimension is kept."""
    if node.op.kind == "view":  # in the order of what it copies
        space = extents_of(node.inputs[0])
        return space, dense(space), None, False
    if not is_reduction(node):
        return extents_of(node), dense(extents_of(node)), None, False
    space = extents_of(node.inputs[0])
    view = stretched(node)
    return space, view, fixed_dims(view) or None, bool(fixed_dims(view)) and not by_rows(node)


def by_rows(node: Node) -> bool:
    """Whether a reduction runs along the innermost dimension of its operand, so that each row
    gives one result; else whole rows are added to each other, column by column."""
    long = [d for d, n in enumerate(extents_of(node.inputs[0])) if n != 1]
    return bool(long) and long[-1] in node.params["axis"]


def fixed_dims(view: View) -> frozenset[int]:
    """The dimensions along which a view does not move."""
    pairs = zip(view.shape, view.strides, strict=True)
    return frozenset(d for d, (n, stride) in enumerate(pairs) if n != 1 and stride == 0)


def rows_over(node: Node) -> Lens:
    """The lens that lays the results of a reduction over what it reduces."""
    shape, axes = extents_of(node.inputs[0]), node.params["axis"]
    kept = tuple(1 if d in axes else n for d, n in enumerate(shape))
    return ((reshape, (("shape", kept),), 1), broadcast(shape))


def stretched(node: Node) -> View:
    """A reduction's result laid over the shape of its operand."""
    space, axes = extents_of(node.inputs[0]), node.params["axis"]
    kept = iter(dense(tuple(n for d, n in enumerate(space) if d not in axes)).strides)
    strides = tuple([0 if d in axes else next(kept) for d in range(len(space))])
    return normal(View(0, space, strides))


def laid_over(shape: Extents, space: Extents) -> Lens:
    """The lens that lays a whole array of `shape` over `space`, which has as many elements."""
    return () if shape == space else ((reshape, (("shape", space),), 1),)


def element(index: int) -> Lens:
    """The lens on one element of a vector."""
    return ((slice_, (("slices", ((index, 1, 1),)),), 1), (reshape, (("shape", ()),), 1))


def varies_inside(view: View) -> bool:
    """Whether an element is needed at few indices, or is the same along the innermost dimension,
    so that it can be computed once a row. Else it would be computed again and again."""
    varying = [s for s, n in zip(view.strides, view.shape, strict=True) if n != 1]
    return not any(varying) or all(varying) or varying[-1] == 0
