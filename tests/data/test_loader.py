"""DataLoader: each sample once an epoch, orders that follow the seed, batches that fit."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygraph import config
from tinygraph.data import DataLoader, Subset, TensorDataset, collate
from tinygraph.errors import ShapeError


def numbers(size):
    return TensorDataset(np.arange(size))


def drawn(loader):
    """All that one epoch yields, in order."""
    return [int(i) for (batch,) in loader for i in batch]


@given(st.integers(0, 30), st.integers(1, 8), st.booleans(), st.booleans())
def test_each_sample_comes_once_in_batches_of_the_size_asked_for(size, batch, shuffle, drop_last):
    loader = DataLoader(numbers(size), batch, shuffle, drop_last=drop_last)
    batches = [array for (array,) in loader]
    assert len(batches) == len(loader)
    assert all(len(array) == batch for array in batches[:-1])
    got = sorted(i for array in batches for i in array)
    assert len(got) == (size - size % batch if drop_last else size)
    assert got == sorted(set(got))
    if not drop_last:
        assert got == list(range(size))


def test_without_shuffle_the_order_is_the_data_sets():
    loader = DataLoader(numbers(7), 3)
    assert drawn(loader) == drawn(loader) == list(range(7))


def test_each_epoch_has_its_own_order():
    loader = DataLoader(numbers(20), 4, shuffle=True, seed=1)
    epochs = [drawn(loader) for _ in range(4)]
    assert len({tuple(epoch) for epoch in epochs}) == 4
    again = DataLoader(numbers(20), 5, shuffle=True, seed=1)
    assert [drawn(again) for _ in range(4)] == epochs
    assert drawn(DataLoader(numbers(20), 4, shuffle=True, seed=2)) != epochs[0]


def test_the_seed_is_the_setting_by_default():
    with config.override("SEED", 9):
        got = drawn(DataLoader(numbers(20), shuffle=True))
    assert got == drawn(DataLoader(numbers(20), shuffle=True, seed=9))


def test_epoch_may_be_set_to_go_on():
    first = DataLoader(numbers(9), shuffle=True)
    epochs = [drawn(first) for _ in range(3)]
    second = DataLoader(numbers(9), shuffle=True)
    second.epoch = 2
    assert drawn(second) == epochs[2]


def test_another_process_draws_the_same():
    code = (
        "import numpy as np; from tinygraph.data import *\n"
        "loader = DataLoader(TensorDataset(np.arange(12)), 12, shuffle=True, seed=5)\n"
        "print([int(i) for _ in range(2) for (batch,) in loader for i in batch])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loader = DataLoader(numbers(12), 5, shuffle=True, seed=5)
    assert done.stdout.strip() == str(drawn(loader) + drawn(loader))


def test_loops_at_the_same_time_do_not_disturb_one_another():
    alone = DataLoader(numbers(10), 3, shuffle=True)
    first, second = drawn(alone), drawn(alone)
    together = DataLoader(numbers(10), 3, shuffle=True)
    one, two = iter(together), iter(together)
    pairs = [(a, b) for (b,), (a,) in zip(two, one, strict=True)]
    assert [i for a, _ in pairs for i in a] == first
    assert [i for _, b in pairs for i in b] == second


def test_threads_get_an_epoch_each():
    loader = DataLoader(numbers(50), 4, shuffle=True)
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: tuple(drawn(loader)), range(32)))
    alone = DataLoader(numbers(50), 4, shuffle=True)
    assert sorted(got) == sorted(tuple(drawn(alone)) for _ in range(32))


class Slow(TensorDataset):
    """A derived class whose samples are its own business."""

    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return image + 1, label


def test_the_fast_way_equals_the_slow_way():
    images = np.random.default_rng(0).standard_normal((11, 2, 3)).astype(np.float32)
    labels = np.arange(11)
    picked = Subset(Subset(TensorDataset(images, labels), range(1, 11)), [4, 0, 9, 9])
    fast = list(DataLoader(picked, 3))
    slow = list(DataLoader(Subset(Slow(images - 1, labels), [5, 1, 10, 10]), 3))
    assert isinstance(fast[0], tuple)
    for (x, t), (y, u) in zip(fast, slow, strict=True):
        assert (x.dtype, t.dtype) == (y.dtype, u.dtype) == (np.float32, labels.dtype)
        np.testing.assert_allclose(x, y, rtol=1e-6)
        np.testing.assert_array_equal(t, u)


def test_writing_on_a_batch_leaves_the_data_as_it_is():
    data = np.zeros(6)
    for (batch,) in DataLoader(TensorDataset(data), 2):
        batch += 1
    assert not data.any()


def test_collate_fn_gets_the_samples():
    loader = DataLoader(["a", "bb", "ccc"], 2, collate_fn=lambda texts: max(map(len, texts)))
    assert list(loader) == [2, 3]


@pytest.mark.parametrize("batch_size", [0, -3, 2.0, None])
def test_a_wrong_batch_size_is_refused(batch_size):
    with pytest.raises(ValueError, match=f"at least 1, got {batch_size}"):
        DataLoader([1, 2], batch_size)


@pytest.mark.parametrize("seed", [-1, 2**64, "one"])
def test_a_wrong_seed_is_refused(seed):
    with pytest.raises(ValueError, match="a seed is an integer from 0"):
        DataLoader([1, 2], seed=seed)


def test_what_is_no_data_set_is_refused():
    with pytest.raises(TypeError, match=r"expected a data set .* got list_iterator"):
        DataLoader(iter([1]))


def test_collate_keeps_the_form_of_the_samples():
    samples = [{"x": np.full(2, i, np.int8), "y": (i, 0.5 * i, i > 0), "z": str(i)} for i in (0, 1)]
    batch = collate(samples)
    np.testing.assert_array_equal(batch["x"], np.array([[0, 0], [1, 1]], np.int8), strict=True)
    whole, half, flag = batch["y"]
    np.testing.assert_array_equal(whole, np.array([0, 1]), strict=True)
    np.testing.assert_array_equal(half, np.array([0, 0.5], np.float32), strict=True)
    np.testing.assert_array_equal(flag, np.array([False, True]), strict=True)
    assert batch["z"] == ["0", "1"]


def test_collate_never_rounds_numbers():
    np.testing.assert_array_equal(collate([1, 2.5]), [1, 2.5])
    assert collate([np.float64(1.5)]).dtype == np.float64


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([np.zeros(3), np.zeros(3), np.zeros(2)], r"got shape \(3,\) .* \(2,\) for sample 2"),
        ([(1, 2), (1,)], "got length 2 .* 1 for sample 1"),
    ],
)
def test_collate_refuses_samples_of_different_form(samples, message):
    with pytest.raises(ShapeError, match=message):
        collate(samples)


@pytest.mark.parametrize("samples", [[1, "a"], [(1, 2), 3], [np.ones(2), None], [{"a": 1}, 2]])
def test_collate_refuses_samples_of_different_kinds(samples):
    with pytest.raises(TypeError, match="collate: expected samples of one form"):
        collate(samples)


def test_collate_refuses_mappings_with_different_keys():
    with pytest.raises(ShapeError, match="samples of the same keys"):
        collate([{"a": 1}, {"b": 2}])


def test_repr_says_how_much_comes():
    loader = DataLoader(numbers(7), 3, shuffle=True)
    assert repr(loader) == "DataLoader(7 samples, shuffled, in 3 batches of 3)"
