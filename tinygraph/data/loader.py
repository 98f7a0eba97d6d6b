"""DataLoader: a data set in minibatches, in an order drawn anew for each epoch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygraph.data.dataset import Dataset, Sample, Subset, TensorDataset, as_array
from tinygraph.data.order import EPOCH, checked_seed, permutation
from tinygraph.dtypes import DEFAULT_FLOAT
from tinygraph.errors import ShapeError

Batch = Any


class DataLoader:
    """Iterate over `dataset` in batches of NumPy arrays; each loop over it is one epoch.

    Args:
        dataset: a Dataset. A TensorDataset (or a Subset of one) is indexed a batch at a time,
            which is much faster than sample by sample.
        batch_size: how many samples a batch holds; the last one may hold fewer.
        shuffle: draw a new order for each epoch; otherwise samples come in their own order.
        drop_last: leave out a last batch that is not full.
        seed: of the orders. The same seed gives the same orders in every process; None stands
            for the setting `SEED`.
        collate_fn: makes a batch from a list of samples; by default `collate`.

    Each sample comes exactly once an epoch. Loops may run at the same time, in one thread or in
    many: each has an epoch of its own. `epoch` counts the loops begun; set it to go on with the
    orders where an earlier run stopped.

    Raises TypeError if `dataset` is no Dataset, ValueError if `batch_size` is less than 1.

    >>> loader = DataLoader(TensorDataset(np.arange(5.0), np.arange(5)), batch_size=2)
    >>> [labels.tolist() for _, labels in loader]
    [[0, 1], [2, 3], [4]]
    """

    epoch: int

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        seed: int | None = None,
        collate_fn: Callable[[list[Sample]], Batch] | None = None,
    ) -> None:
        if not isinstance(dataset, Dataset):
            raise TypeError(
                "DataLoader: expected a data set with __len__ and __getitem__, "
                f"got {type(dataset).__name__}"
            )
        if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(
                f"DataLoader: batch_size must be an integer of at least 1, got {batch_size!r}"
            )
        self.dataset = dataset
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.seed = checked_seed(seed)
        self.collate_fn = collate_fn
        self.epoch = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many batches an epoch has."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __repr__(self) -> str:
        order = "shuffled" if self.shuffle else "in order"
        return (
            f"DataLoader({len(self.dataset)} samples, {order}, in {len(self)} batches of "
            f"{self.batch_size})"
        )

    def __iter__(self) -> Iterator[Batch]:
        # The epoch is taken here and not at the first batch, so that loops begun one after
        # another get epochs one after another, whichever of them runs first.
        with self._lock:
            epoch = self.epoch
            self.epoch += 1
        return self._batches(self._order(epoch))

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if self.shuffle:
            return permutation(len(self.dataset), self.seed, EPOCH, epoch)
        return np.arange(len(self.dataset))

    def _batches(self, order: NDArray[np.int64]) -> Iterator[Batch]:
        for number in range(len(self)):
            start = number * self.batch_size
            yield self._batch(order[start : start + self.batch_size])

    def _batch(self, indices: NDArray[np.int64]) -> Batch:
        if self.collate_fn is None:
            batch = _rows(self.dataset, indices)
            if batch is not None:
                return batch
        samples = [self.dataset[index] for index in indices.tolist()]
        return (self.collate_fn or collate)(samples)


def _rows(dataset: Dataset, indices: NDArray[np.int64]) -> tuple[NDArray[Any], ...] | None:
    """Rows `indices` of every array of a TensorDataset, or None if `dataset` is none.

    Classes derived from it go the slow way, since they may have a `__getitem__` of their own.
    """
    while type(dataset) is Subset:
        indices = dataset.indices[indices]
        dataset = dataset.dataset
    if type(dataset) is TensorDataset:
        return tuple(array[indices] for array in dataset.tensors)
    return None


def collate(samples: Sequence[Sample]) -> Batch:
    """One batch from samples of the same form.

    Arrays and numbers become one array with a new first axis; Python numbers take the dtype
    that a Tensor of them would. Tuples and lists become a tuple of batches, mappings a dict of
    batches, and anything else (strings, say) is left as a list.

    Raises ShapeError if arrays differ in shape, tuples in length, or mappings in their keys;
    TypeError if they are not all of one form.

    >>> collate([(np.zeros(3), 1), (np.ones(3), 2)])[1]
    array([1, 2])
    """
    first = samples[0]
    _check_kinds(samples)
    if isinstance(first, Mapping):
        _check_same("keys", [set(sample) for sample in samples])
        return {key: collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        _check_same("length", [len(sample) for sample in samples])
        return tuple(collate(column) for column in zip(*samples, strict=True))
    if isinstance(first, (np.ndarray, np.generic)) or hasattr(first, "numpy"):
        arrays = [as_array(sample) for sample in samples]
        _check_same("shape", [array.shape for array in arrays])
        return np.stack(arrays)
    if isinstance(first, (bool, int, float)):
        array = np.asarray(samples)
        return array.astype(DEFAULT_FLOAT) if array.dtype.kind == "f" else array
    return list(samples)


def _check_kinds(samples: Sequence[Sample]) -> None:
    """TypeError if there are tuples beside arrays, or text beside numbers, and the like."""
    kinds = [_kind(sample) for sample in samples]
    for position, kind in enumerate(kinds):
        if kind != kinds[0]:
            raise TypeError(
                f"collate: expected samples of one form, got {kinds[0]} for the first sample of "
                f"the batch and {kind} for sample {position}"
            )


def _kind(sample: Sample) -> str:
    """Which form of samples, of those that `collate` tells apart, this is one of."""
    if isinstance(sample, Mapping):
        return "mappings"
    if isinstance(sample, (tuple, list)):
        return "tuples"
    number = isinstance(sample, (np.ndarray, np.generic, bool, int, float))
    return "arrays or numbers" if number or hasattr(sample, "numpy") else "other objects"


def _check_same(what: str, values: list[Any]) -> None:
    for position, value in enumerate(values):
        if value != values[0]:
            raise ShapeError(
                f"collate: expected samples of the same {what}, got {what} {values[0]} for the "
                f"first sample of the batch and {value} for sample {position}; "
                "give DataLoader a collate_fn that makes them equal"
            )
