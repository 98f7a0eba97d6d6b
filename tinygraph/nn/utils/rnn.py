"""Sequences of several lengths as one array: padded to the longest, or packed without padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygraph.array.api import api
from tinygraph.array.convert import to_tensor
from tinygraph.array.creation import full
from tinygraph.array.elementwise import where
from tinygraph.array.join import concat, unstack
from tinygraph.array.select import take
from tinygraph.array.shape import swapaxes
from tinygraph.array.sizes import known
from tinygraph.array.sort import argsort
from tinygraph.errors import DTypeError, ShapeError, TraceError, UnfedError
from tinygraph.ops.rules import show_shape
from tinygraph.tensor import Tensor, tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

Lengths = Tensor | np.ndarray | Sequence[int]


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Sequences of several lengths without padding: all first steps, then all second ones, ...

    data: (sum of the lengths, ...), where the longest sequence comes first within each step.
    batch_sizes: how many sequences have a step 0, 1, ... sorted_indices: the sequences by
    falling length, None where they came so; unsorted_indices: its inverse, which is found where
    it is not given.

    Made by `pack_padded_sequence` and `pack_sequence`; recurrent layers take one and give one.

    >>> import tinygraph as tg
    >>> packed = tg.nn.utils.rnn.pack_sequence([tg.tensor([1, 2, 3]), tg.tensor([4, 5])])
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 5, 3]), tensor([2, 2, 1]))
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, dtype: Any) -> PackedSequence:
        """The same with `data` cast to `dtype`."""
        return self._replace(data=self.data.astype(dtype))


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The inverse of a permutation p: result[p[i]] = i; None of None.

    >>> import tinygraph as tg
    >>> tg.nn.utils.rnn.invert_permutation(tg.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    return None if permutation is None else argsort(permutation)


# ------------------------------------------------------------------------------------- packed


@api
def pack_padded_sequence(
    input: Tensor, lengths: Lengths, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The steps of padded sequences as a `PackedSequence`, which has no padding.

    input: (length, batch, ...), or (batch, length, ...) with `batch_first`. lengths: one number
    from 1 for each sequence, known now: where a graph gets them as an input, hand them to the
    layer as `lengths=` instead. enforce_sorted: expect falling lengths, else ShapeError;
    without it the sequences are sorted here.

    >>> import tinygraph as tg
    >>> x = tg.tensor([[1, 2, 0], [3, 0, 0], [4, 5, 6]])
    >>> packed = tg.nn.utils.rnn.pack_padded_sequence(x, [2, 1, 3], True, enforce_sorted=False)
    >>> packed.data, packed.sorted_indices
    (tensor([4, 1, 3, 5, 2, 6]), tensor([2, 0, 1]))
    """
    x, counts = to_tensor(input), _values(lengths, "lengths")
    if x.ndim < 2:
        raise ShapeError(f"expected an input (length, batch, ...), got {show_shape(x.shape)}")
    batch, steps = (known(size) for size in (x.shape[:2] if batch_first else x.shape[1::-1]))
    _check_lengths(counts, batch, steps)
    if not enforce_sorted:
        order = np.argsort(-counts, kind="stable")
    elif np.any(np.diff(counts) > 0):
        raise ShapeError(
            f"expected falling lengths, got {counts.tolist()}; give enforce_sorted=False to have "
            "the sequences sorted"
        )
    else:
        order = np.arange(batch)
    sizes = _within(counts, counts.max()).sum(axis=1)
    data = _picked(x, counts[order], order, batch_first)
    return PackedSequence(data, tensor(sizes), None if enforce_sorted else tensor(order))


def _check_lengths(counts: np.ndarray, batch: int, steps: int) -> None:
    if counts.size != batch or not batch:
        raise ShapeError(
            f"expected a length for each sequence, of which there is at least one; got "
            f"{counts.size} lengths for {batch} sequences"
        )
    if counts.min() < 1 or counts.max() > steps:
        raise ShapeError(f"expected lengths from 1 to {steps}, got {counts.tolist()}")


def _picked(x: Tensor, falling: np.ndarray, order: np.ndarray, batch_first: bool) -> Tensor:
    """Step by step, the rows of padded `x` within the sequences `order`, of falling lengths."""
    step, place = np.nonzero(_within(falling, falling[0]))
    batch = order[place]
    width = known(x.shape[1])
    row = batch * width + step if batch_first else step * width + batch
    result: Tensor = take(x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]), row, axis=0)
    return result


def repack(padded: Tensor, packed: PackedSequence) -> PackedSequence:
    """`padded` (length, batch, ...), packed as `packed` is."""
    falling, order = _falling_lengths(packed), packed.sorted_indices
    places = np.arange(falling.size) if order is None else order.numpy()
    return packed._replace(data=_picked(padded, falling, places, False))


def _falling_lengths(packed: PackedSequence) -> np.ndarray:
    sizes = _values(packed.batch_sizes, "batch_sizes")
    counts: np.ndarray = _within(sizes, sizes[0]).sum(axis=1)  # the steps that sequence i is in
    return counts


@api
def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The inverse of `pack_padded_sequence`: padded sequences, in their old order, and lengths.

    padding_value: what stands behind the end of a sequence. total_length: the length to pad to,
    at least that of the longest sequence, which is meant by None. Returns (length, batch, ...),
    or (batch, length, ...) with `batch_first`, and lengths (batch,).

    >>> import tinygraph as tg
    >>> packed = tg.nn.utils.rnn.pack_sequence([tg.tensor([1, 2, 3]), tg.tensor([4, 5])])
    >>> tg.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    (tensor([[1, 2, 3],
            [4, 5, 0]]), tensor([3, 2]))
    """
    if not isinstance(sequence, PackedSequence):
        raise DTypeError(f"expected a PackedSequence, got a {type(sequence).__name__}")
    counts = _falling_lengths(sequence)
    longest = int(counts.max())
    steps = longest if total_length is None else total_length
    if steps < longest:
        raise ShapeError(
            f"expected a total_length of at least {longest}, the length of the longest sequence; "
            f"got {total_length}"
        )
    within = _within(counts, steps)
    places = _numbered(within)
    if sequence.unsorted_indices is not None:
        order = sequence.unsorted_indices.numpy()
        within, places, counts = within[:, order], places[:, order], counts[order]
    if batch_first:
        within, places = within.T, places.T
    return _spread(sequence.data, places, within, padding_value), tensor(counts)


# ------------------------------------------------------------------------------------- padded


@api
def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (L, ...) of several lengths L as one array, padded to the longest.

    sequences: equal in dtype and in all sizes but the first. padding_side: "right", behind the
    end, or "left", before the start. Returns (length, batch, ...), or (batch, length, ...) with
    `batch_first`.

    >>> import tinygraph as tg
    >>> parts = [tg.tensor([1, 2, 3]), tg.tensor([4, 5])]
    >>> tg.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_side="left")
    tensor([[1, 2, 3],
            [0, 4, 5]])
    """
    parts = _parts(sequences)
    if padding_side not in ("left", "right"):
        raise ValueError(
            f"pad_sequence: expected a padding_side of 'left' or 'right', got {padding_side!r}"
        )
    counts = np.array([known(part.shape[0]) for part in parts])
    within = _within(counts, counts.max()).T
    if padding_side == "left":
        within = within[:, ::-1]
    places = _numbered(within)
    if not batch_first:
        within, places = within.T, places.T
    return _spread(concat(parts, axis=0), places, within, padding_value)


def _parts(sequences: Tensor | Iterable[Tensor]) -> list[Tensor]:
    if isinstance(sequences, Tensor):
        return list(unstack(sequences))
    if not isinstance(sequences, Iterable):
        raise DTypeError(f"expected a list of Tensors, got a {type(sequences).__name__}")
    parts = [to_tensor(part) for part in sequences]
    if not parts or any(part.ndim == 0 for part in parts):
        shapes = [part.shape for part in parts]
        raise ShapeError(f"expected at least one sequence, each of shape (L, ...), got {shapes}")
    return parts


@api
def unpad_sequence(
    padded_sequences: Tensor, lengths: Lengths, batch_first: bool = False
) -> list[Tensor]:
    """The inverse of `pad_sequence`: the first lengths[i] steps of each sequence i, as a list.

    padded_sequences: (length, batch, ...), or (batch, length, ...) with `batch_first`.

    >>> import tinygraph as tg
    >>> tg.nn.utils.rnn.unpad_sequence(tg.tensor([[1, 2], [3, 0]]), [2, 1], batch_first=True)
    [tensor([1, 2]), tensor([3])]
    """
    x, counts = to_tensor(padded_sequences), _values(lengths, "lengths")
    rows = unstack(x if batch_first else swapaxes(x, 0, 1))
    if len(rows) != counts.size:
        raise ShapeError(f"got {counts.size} lengths for {len(rows)} sequences")
    return [row[: int(count)] for row, count in zip(rows, counts, strict=True)]


@api
def pack_sequence(sequences: Iterable[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (L, ...) of several lengths L as a `PackedSequence`.

    enforce_sorted: as for `pack_padded_sequence`.

    >>> import tinygraph as tg
    >>> parts = [tg.tensor([1]), tg.tensor([2, 3])]
    >>> tg.nn.utils.rnn.pack_sequence(parts, enforce_sorted=False).data
    tensor([2, 1, 3])
    """
    parts = _parts(sequences)
    lengths = [known(part.shape[0]) for part in parts]
    packed: PackedSequence = pack_padded_sequence(
        pad_sequence(parts), lengths, enforce_sorted=enforce_sorted
    )
    return packed


@api
def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The inverse of `pack_sequence`: the sequences of a `PackedSequence`, in their old order.

    >>> import tinygraph as tg
    >>> packed = tg.nn.utils.rnn.pack_sequence([tg.tensor([1, 2]), tg.tensor([3])])
    >>> tg.nn.utils.rnn.unpack_sequence(packed)
    [tensor([1, 2]), tensor([3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    parts: list[Tensor] = unpad_sequence(padded, lengths, batch_first=True)
    return parts


# ------------------------------------------------------------------------------------- places


def _values(numbers: Lengths, what: str) -> np.ndarray:
    """Integers that have to be known now. TraceError where a graph has yet to be given them."""
    try:
        found = numbers.numpy() if isinstance(numbers, Tensor) else np.asarray(numbers)
    except (TraceError, UnfedError):
        raise TraceError(
            f"needs the values of {what} while the graph is built, and they are an input of it; "
            "hand padded sequences and their lengths to the layer, as in layer(x, lengths=lengths)"
        ) from None
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise DTypeError(
            f"expected {what} to be integers in one dimension, got {found.dtype} of shape "
            f"{found.shape}"
        )
    return found.astype(np.int64)


def _within(counts: np.ndarray, steps: int) -> np.ndarray:
    """(steps, sequences): whether a step is one of the first counts[i] of a sequence i."""
    within: np.ndarray = np.arange(steps)[:, None] < counts
    return within


def _numbered(within: np.ndarray) -> np.ndarray:
    """The places that hold, numbered from 0; the others have numbers that are not too large."""
    number: np.ndarray = np.maximum(np.cumsum(within) - 1, 0)
    return number.reshape(within.shape)


def _spread(rows: Tensor, places: np.ndarray, within: np.ndarray, value: float) -> Tensor:
    """`rows` at their places, `value` wherever `within` does not hold."""
    held = within.reshape(*within.shape, *[1] * (rows.ndim - 1))
    result: Tensor = where(held, take(rows, places, axis=0), full((), value, dtype=rows.dtype))
    return result
