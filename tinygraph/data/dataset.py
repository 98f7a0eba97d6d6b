"""Data sets that are indexed by number, and ways to cut and join them."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import floor, isclose
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygraph.data.order import SPLIT, checked_seed, permutation
from tinygraph.errors import ShapeError

Sample = Any


@runtime_checkable
class Dataset(Protocol):
    """Anything with a length whose samples are reached by `dataset[0]` .. `dataset[n - 1]`.

    A list is one. A class of one's own may derive from Dataset, but need not. For loops to end,
    `__getitem__` raises IndexError outside its range, as lists and arrays do.
    """

    @abstractmethod
    def __len__(self) -> int:
        """How many samples there are."""

    @abstractmethod
    def __getitem__(self, index: int, /) -> Sample:
        """Sample number `index`."""


class TensorDataset(Dataset):
    """Arrays side by side: sample i is the tuple of their rows i.

    Args:
        arrays: arrays or Tensors of shapes (n, ...), all with the same n.

    Raises ShapeError if there is none, or one has no first axis or another size.

    >>> pairs = TensorDataset(np.zeros((3, 8, 8)), [7, 8, 9])
    >>> len(pairs), pairs[1][1]
    (3, np.int64(8))
    """

    tensors: tuple[NDArray[Any], ...]

    def __init__(self, *arrays: ArrayLike) -> None:
        self.tensors = tuple(as_array(array) for array in arrays)
        if not self.tensors:
            raise ShapeError("TensorDataset: expected at least one array, got none")
        shapes = [array.shape for array in self.tensors]
        if () in shapes or len({shape[0] for shape in shapes}) > 1:
            raise ShapeError(
                "TensorDataset: expected arrays with the same size along their first axis, "
                f"got shapes {', '.join(map(str, shapes))}"
            )

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int, /) -> tuple[Any, ...]:
        return tuple(array[index] for array in self.tensors)

    def __repr__(self) -> str:
        parts = (f"{array.dtype} {array.shape}" for array in self.tensors)
        return f"TensorDataset({', '.join(parts)})"


def as_array(value: Any) -> NDArray[Any]:
    """`value` as a NumPy array; a Tensor is computed."""
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


class Subset(Dataset):
    """The samples of `dataset` at `indices`, in that order; a sample may come more than once.

    Raises TypeError if the indices are no integers, IndexError if one is outside the data set.
    """

    dataset: Dataset
    indices: NDArray[np.int64]

    def __init__(self, dataset: Dataset, indices: Sequence[int] | NDArray[Any]) -> None:
        self.dataset = dataset
        self.indices = _checked_indices(indices, len(dataset))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> Sample:
        return self.dataset[int(self.indices[index])]


def _checked_indices(indices: Any, size: int) -> NDArray[np.int64]:
    array = np.asarray(indices)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise TypeError(
            "Subset: expected a list of integers, got an array of "
            f"shape {array.shape} and dtype {array.dtype} (for a mask, use numpy.flatnonzero)"
        )
    wrong = array[(array < 0) | (array >= size)]
    if wrong.size:
        raise IndexError(f"Subset: index {wrong[0]} is outside a data set of {size} samples")
    return array.astype(np.int64)


class ConcatDataset(Dataset):
    """Data sets one after another. Raises ValueError if there is none."""

    datasets: tuple[Dataset, ...]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = tuple(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one data set, got none")
        self.cumulative_sizes = list(accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int, /) -> Sample:
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"index {index} is outside a data set of {len(self)} samples")
        which = bisect_right(self.cumulative_sizes, position)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][position - before]


def random_split(
    dataset: Dataset, lengths: Sequence[int | float], seed: int | None = None
) -> list[Subset]:
    """Cut `dataset` at random into parts that share no sample.

    Args:
        dataset: what to cut.
        lengths: the parts' sizes, which add up to `len(dataset)`; or fractions that add up to
            1, of which each part gets its share rounded down, and the first parts one sample
            more each until none is left.
        seed: the same seed always gives the same parts; None stands for the setting `SEED`.

    Raises ValueError if the sizes or fractions do not add up, TypeError if they are no numbers
    in a list.

    >>> [len(part) for part in random_split(range(10), [0.75, 0.25])]
    [8, 2]
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(
            "random_split: expected a data set with __len__ and __getitem__, got "
            f"{type(dataset).__name__}"
        )
    sizes = _part_sizes(lengths, len(dataset))
    order = permutation(len(dataset), checked_seed(seed), SPLIT)
    ends = list(accumulate(sizes))
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends)]


def _part_sizes(lengths: Sequence[int | float], total: int) -> list[int]:
    if not isinstance(lengths, Iterable) or not all(hasattr(n, "__float__") for n in lengths):
        raise TypeError(
            "random_split: expected a list of sizes or fractions, such as [0.8, 0.2], got "
            f"{lengths!r}"
        )
    if any(length < 0 for length in lengths):
        raise ValueError(f"random_split: lengths must not be negative, got {list(lengths)}")
    if all(isinstance(length, (int, np.integer)) for length in lengths):
        if sum(lengths) != total:
            raise ValueError(
                f"random_split: the sizes {list(lengths)} add up to {sum(lengths)}, "
                f"but the data set has {total} samples"
            )
        return [int(length) for length in lengths]
    if not isclose(sum(lengths), 1):
        raise ValueError(
            f"random_split: expected sizes that add up to {total} or fractions that add up to 1, "
            f"got {list(lengths)}, which add up to {sum(lengths)}"
        )
    sizes = [floor(length * total) for length in lengths]
    for part in range(total - sum(sizes)):
        sizes[part % len(sizes)] += 1
    return sizes
