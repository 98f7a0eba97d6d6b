"""The loss of a sequence whose labels are known, but not when each of them is said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from tinygraph.array.api import api
from tinygraph.array.convert import TensorLike, to_tensor
from tinygraph.array.creation import arange, full, zeros
from tinygraph.array.cumulative import cumulative_sum
from tinygraph.array.elementwise import (
    add,
    astype,
    exp,
    log,
    maximum,
    minimum,
    where,
)
from tinygraph.array.join import concat
from tinygraph.array.reduce import sum
from tinygraph.array.select import take, take_along_axis
from tinygraph.array.shape import broadcast_to, expand_dims, reshape
from tinygraph.control import scan
from tinygraph.dtypes import DType, int64, is_float, is_integer
from tinygraph.errors import DTypeError, ShapeError, TraceError, UnfedError
from tinygraph.graph.dim import Size, is_known
from tinygraph.nn.functional.loss import check_reduction, operands, reduced
from tinygraph.ops.bounds import within
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor, tensor
from tinygraph.transforms import stop_gradient

__all__ = ["ctc_loss"]

Lengths = TensorLike | Sequence[int]

NEVER = -1e30  # the logarithm of a probability of 0: finite, so that no difference is NaN
LARGEST = 80.0  # of what is raised to a power of e: far above the logarithm of any probability


@api
def ctc_loss(
    log_probs: TensorLike,
    targets: TensorLike,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log(sum of the probabilities of all alignments of a target): temporal classification.

    An alignment names a class or the blank for each time. It reads as the target when what is
    repeated, and then the blanks, are left out; so two equal labels in succession need a blank
    between them.

    log_probs: results of `log_softmax`, (time, batch, class), or (time, class). targets: class
    numbers, none of them the blank: (batch, length), where those beyond `target_lengths` do not
    count, or all of them one after the other, (sum of target_lengths,). input_lengths: how many
    times of each sequence count, (batch,), a Tensor or a tuple. target_lengths: how many labels
    each target has, likewise. blank: its class number. reduction: "none", "sum", or "mean" over
    the batch, each loss first divided by the length of its target (1 at least). zero_infinity:
    let the loss be 0, not infinite, where the sequence is too short for any alignment.

    As in PyTorch the gradient is that for a log_softmax: exp(log_probs) minus the probability of
    each class at each time, given the target. The gradient of log_softmax takes the first term
    out again. It is 0 where the loss is infinite (there PyTorch's is NaN). IndexError, when it is
    computed, for a label that is no class and for a length that is too large.

    Source: Graves et al., "Connectionist Temporal Classification: Labelling Unsegmented Sequence
    Data with Recurrent Neural Networks" (2006).

    >>> import tinygraph as tg
    >>> half = tg.log(tg.tensor([[0.5, 0.5], [0.5, 0.5]]))  # the blank and one label, twice
    >>> loss = tg.nn.functional.ctc_loss(half, tg.tensor([1]), (2,), (1,))
    >>> round(float(tg.exp(-loss)), 6)  # all of the four but two blanks
    0.75
    """
    check_reduction(reduction)
    dtype, log_p, single = _sequences(log_probs)
    times, batch, classes = log_p.shape
    if is_known(classes) and not 0 <= blank < classes:
        raise ValueError(f"ctc_loss: expected a blank from 0 to {classes - 1}, got {blank}")
    ends = _lengths(input_lengths, "input_lengths", batch)
    ends = Tensor(within(ends.node, size=times + 1, what="input length"))
    counts = _lengths(target_lengths, "target_lengths", batch)
    labels = _labels(to_tensor(targets), counts, target_lengths, batch)
    counts = Tensor(within(counts.node, size=labels.shape[1] + 1, what="target length"))
    labels = where(_first(counts, labels.shape[1]), labels, blank)
    labels = Tensor(within(labels.node, size=classes, what="class"))
    alive = expand_dims(expand_dims(arange(times), 1) < ends, 2)
    total = _forward(log_p, labels, counts, alive, blank)
    impossible = total < 0.5 * NEVER
    loss = where(impossible, 0.0 if zero_infinity else math.inf, -total)
    loss = loss + where(impossible, 0.0, _as_of_softmax(log_p, alive))
    if reduction == "mean":
        loss = loss / astype(maximum(counts, 1), loss.dtype)
    return reduced(loss[0] if single else loss, reduction, dtype)


# -------------------------------------------------------------------------------- arguments


def _sequences(log_probs: TensorLike) -> tuple[DType, Tensor, bool]:
    """The dtype of the loss, log_probs (time, batch, class), and whether they had no batch."""
    x = to_tensor(log_probs)
    if x.ndim not in (2, 3) or not is_float(x.dtype):
        raise ShapeError(
            f"expected log_probs of floats (time, batch, class) or (time, class), got {x.node.aval}"
        )
    dtype, (wide,) = operands(x)
    return dtype, wide if x.ndim == 3 else expand_dims(wide, 1), x.ndim == 2


def _lengths(lengths: Lengths, what: str, batch: Size) -> Tensor:
    """Lengths as int64 (batch,), after checks."""
    found = lengths if isinstance(lengths, Tensor) else tensor(np.asarray(lengths))
    if not is_integer(found.dtype) and found.size != 0:
        raise DTypeError(f"expected {what} to be integers, got {found.dtype.name}")
    if found.ndim == 0:
        found = reshape(found, (1,))
    if found.ndim != 1 or (found.shape[0] != batch and is_known(*found.shape, batch)):
        raise ShapeError(
            f"expected {what} of shape ({batch},), one for each sequence, got "
            f"{show_shape(found.shape)}"
        )
    return zeros((batch,), dtype=int64) + astype(found, int64)  # an open size is that of the batch


def _labels(targets: Tensor, counts: Tensor, lengths: Lengths, batch: Size) -> Tensor:
    """The targets as (batch, length)."""
    if not is_integer(targets.dtype):
        raise DTypeError(f"expected class numbers (integers) as targets, got {targets.dtype.name}")
    targets = astype(targets, int64)
    if targets.ndim == 1:
        return _rows(targets, counts, lengths)
    if targets.ndim != 2 or (targets.shape[0] != batch and is_known(targets.shape[0], batch)):
        raise ShapeError(
            f"expected targets ({batch}, length) or (sum of target_lengths,), got "
            f"{show_shape(targets.shape)}"
        )
    return targets


def _rows(targets: Tensor, counts: Tensor, lengths: Lengths) -> Tensor:
    """Targets that stand one after the other, each in a row of its own."""
    width = _longest(lengths, targets.shape[0])
    starts = expand_dims(cumulative_sum(counts) - counts, 1)
    places = where(_first(counts, width), starts + arange(width), 0)
    return take(targets, places) if width != 0 else places


def _longest(lengths: Lengths, total: Size) -> Size:
    """The length of the longest target; of all together where an input of the graph tells it."""
    try:
        known = np.asarray(lengths.numpy() if isinstance(lengths, Tensor) else lengths)
    except (TraceError, UnfedError):
        return total
    if is_known(total) and known.sum() != total:
        raise ShapeError(
            f"expected as many targets as target_lengths say, {known.sum()}, got {total}"
        )
    return int(known.max(initial=0))


def _first(counts: Tensor, width: Size) -> Tensor:
    """(batch, width): whether a place is one of the first counts[i] in row i."""
    return arange(width) < expand_dims(counts, 1)


# ----------------------------------------------------------------------------- the recursion


def _forward(log_p: Tensor, labels: Tensor, counts: Tensor, alive: Tensor, blank: int) -> Tensor:
    """The logarithm of the probability of each target, (batch,), by the forward variables.

    Those are the probabilities of all beginnings of alignments that have read so many labels and
    end with a blank, (batch, labels + 1), or with the last of them, (batch, labels).
    """
    batch, width = labels.shape
    never = full((batch, 1), NEVER, dtype=log_p.dtype)
    # one label follows another without a blank between them, unless both are the same
    follows = labels != _shifted(labels, full((batch, 1), -1, dtype=labels.dtype))
    emitted = maximum(log_p, NEVER)
    said = take_along_axis(emitted, expand_dims(labels, 0), axis=2)

    def step(carry: tuple[Tensor, ...], x: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Any]:
        (quiet, saying), (blank_p, label_p, on) = carry, x
        before = concat([never, saying], axis=1)
        new_quiet = blank_p + _log_sum(quiet, before)
        directly = where(follows, before[:, :-1], NEVER)
        new_saying = label_p + _log_sum(saying, quiet[:, :-1], directly)
        return (where(on, new_quiet, quiet), where(on, new_saying, saying)), ()

    nothing_read = arange(width + 1) == 0
    quiet = broadcast_to(where(nothing_read, 0.0, never), (batch, width + 1))
    saying = full((batch, width), NEVER, dtype=log_p.dtype)
    pauses = emitted[:, :, blank : blank + 1]
    (quiet, saying), _ = scan(step, (quiet, saying), (pauses, said, alive))
    ends = _log_sum(quiet, concat([never, saying], axis=1))
    return sum(where(arange(width + 1) == expand_dims(counts, 1), ends, 0.0), axis=1)


def _shifted(x: Tensor, first: Tensor) -> Tensor:
    """x (batch, n) one place to the right, behind `first` (batch, 1)."""
    return concat([first, x], axis=1)[:, :-1]


def _log_sum(*terms: Tensor) -> Tensor:
    """log(sum of the exponentials), element by element."""
    top = stop_gradient(reduce(maximum, terms))
    result: Tensor = top + log(reduce(add, [exp(x - top) for x in terms]))
    return result


def _as_of_softmax(log_p: Tensor, alive: Tensor) -> Tensor:
    """0 for each sequence, with exp(log_p) as its gradient."""
    p = exp(minimum(where(alive, log_p, NEVER), LARGEST))
    return sum(p - stop_gradient(p), axis=(0, 2))
