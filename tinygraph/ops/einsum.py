"""einsum: Einstein's summation in full, as reductions, diagonals and pairwise contractions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import reduce
from itertools import combinations
from math import prod
from typing import NamedTuple

from tinygraph.dtypes import int64, is_bool, promote
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Node
from tinygraph.ops.contract import Label, Labels, contraction, drop_stretched
from tinygraph.ops.index import gather
from tinygraph.ops.movement import iota, permute
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import cast

UNKNOWN = 64  # stands for an open size where the order of contraction is chosen


class Term(NamedTuple):
    """An operand or an intermediate result, with a label for each of its dimensions."""

    node: Node
    labels: Labels


Sizes = dict[Label, Size]


def einsum(spec: str, *operands: Node) -> Node:
    """The sum of products that `spec` writes, such as "bij,bjk->bik" or "...ii->...i".

    A letter names a dimension. Each one that is not behind the arrow is summed over. Without an
    arrow the result has, in alphabetical order, the letters that occur once. "..." stands for any
    further dimensions; they broadcast. Several operands are contracted in pairs, each time the
    pair that takes fewest multiplications.

    Raises ShapeError where the expression and the shapes do not go together, DTypeError for bool.
    """
    inputs, output = parse(spec, [x.ndim for x in operands])
    if any(is_bool(x.dtype) for x in operands):
        raise DTypeError("einsum is not defined on bool; cast with astype")
    dtype = reduce(promote, [x.dtype for x in operands])
    operands = tuple(x if x.dtype == dtype else cast(x, dtype=dtype) for x in operands)
    sizes = _sizes(spec, operands, inputs)
    terms = [_diagonal(spec, Term(x, y)) for x, y in zip(operands, inputs, strict=True)]
    terms = [Term(*drop_stretched(*term, sizes)) for term in terms]
    while len(terms) > 1:
        first, second = _next_pair(terms, sizes)
        others = [term for i, term in enumerate(terms) if i not in (first, second)]
        terms = [*others, _contracted(terms[first], terms[second], others, output)]
    node, labels = _summed(terms[0], output)
    if labels == output:
        return node
    return permute(node, axes=tuple(labels.index(label) for label in output))


def parse(spec: str, ndims: Sequence[int]) -> tuple[list[Labels], Labels]:
    """The labels of each operand and of the result. The dimensions behind "..." are labelled by
    their distance from its right end, so that they align there."""
    text = spec.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(ndims):
        raise _wrong(spec, f"it describes {len(parts)} operands, {len(ndims)} were given")
    inputs = [_labels(spec, part, ndim) for part, ndim in zip(parts, ndims, strict=True)]
    everything = [label for labels in inputs for label in labels]
    hidden = sorted({label for label in everything if isinstance(label, int)}, reverse=True)
    if not arrow:
        once = sorted(label for label in set(everything) if everything.count(label) == 1
                      and isinstance(label, str))  # fmt: skip
        return inputs, (*hidden, *once)
    if hidden and "..." not in right:
        raise _wrong(spec, "the result must have '...' where an operand's '...' stands for more")
    output = _labels(spec, right, len(right.replace("...", "")) + len(hidden))
    for label in output:
        if label not in everything:
            raise _wrong(spec, f"the result's index {label!r} is in no operand")
        if output.count(label) > 1:
            raise _wrong(spec, f"the result has the index {label!r} twice")
    return inputs, output


def _labels(spec: str, part: str, ndim: int) -> Labels:
    head, dots, tail = part.partition("...")
    letters = head + tail
    for letter in letters:
        if not (letter.isascii() and letter.isalpha()):
            raise _wrong(spec, f"{letter!r} is no index; letters and one '...' are")
    rest = ndim - len(letters)
    if rest < 0 or (rest and not dots):
        raise _wrong(spec, f"{part!r} has {len(letters)} indices for {ndim} dimensions")
    return (*head, *range(rest, 0, -1), *tail)


def _wrong(spec: str, why: str) -> ShapeError:
    return ShapeError(f"einsum {spec!r}: {why}")


def _sizes(spec: str, operands: Sequence[Node], inputs: Sequence[Labels]) -> Sizes:
    """The size of each label: as in broadcasting, 1 gives way to any other."""
    sizes: Sizes = {}
    for x, labels in zip(operands, inputs, strict=True):
        for label, size in zip(labels, x.shape, strict=True):
            present = sizes.get(label, 1)
            if 1 not in (present, size) and present != size and is_known(present, size):
                raise _wrong(spec, f"index {label!r} has the sizes {present} and {size}")
            sizes[label] = size if present == 1 else present
    return sizes


def _diagonal(spec: str, term: Term) -> Term:
    """The term with each label once: of repeated ones the diagonal is taken."""
    node, labels = term
    for label in dict.fromkeys(labels):
        axes = tuple(axis for axis, other in enumerate(labels) if other == label)
        if len(axes) == 1:
            continue
        sizes = [node.shape[axis] for axis in axes]
        if is_known(*sizes) and len(set(sizes)) > 1:
            raise _wrong(spec, f"index {label!r} has the sizes {sizes} in one operand")
        number = iota(size=sizes[0], dtype=int64)
        node = gather(node, *[number] * len(axes), axes=axes)
        labels = (label, *[other for other in labels if other != label])
    return Term(node, labels)


def _summed(term: Term, kept: Collection[Label]) -> Term:
    """The term summed over each label that is not kept."""
    node, labels = term
    axes = tuple(axis for axis, label in enumerate(labels) if label not in kept)
    if not axes:
        return term
    total = reduce_sum(node, axis=axes, keepdims=False)
    if total.dtype != node.dtype:  # sums of integers are wide; here they stay as they are
        total = cast(total, dtype=node.dtype)
    return Term(total, tuple(label for label in labels if label in kept))


def _next_pair(terms: Sequence[Term], sizes: Sizes) -> tuple[int, int]:
    """The two terms whose product takes fewest multiplications; the first of equals."""

    def multiplications(pair: tuple[int, int]) -> int:
        labels = {label for i in pair for label in terms[i].labels}
        return prod(size if isinstance(size := sizes[x], int) else UNKNOWN for x in labels)

    return min(combinations(range(len(terms)), 2), key=multiplications)


def _contracted(a: Term, b: Term, others: Sequence[Term], output: Labels) -> Term:
    """The product of two terms, summed over what neither the other terms nor the result need."""
    needed = {label for term in others for label in term.labels}.union(output)
    a, b = _summed(a, needed.union(b.labels)), _summed(b, needed.union(a.labels))
    shared = [label for label in a.labels if label in b.labels and label in needed]
    own = [label for label in (*a.labels, *b.labels) if (label in a.labels) != (label in b.labels)]
    result = tuple(shared + own) if others else output
    return Term(contraction(a.node, a.labels, b.node, b.labels, result), result)
