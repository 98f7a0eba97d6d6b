"""Data sets: indexing, cutting, joining, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygraph import config
from tinygraph.data import ConcatDataset, Dataset, Subset, TensorDataset, random_split
from tinygraph.errors import ShapeError


class FakeTensor:
    def numpy(self):
        return np.arange(3)


def test_tensor_dataset_gives_rows():
    images = np.arange(24.0).reshape(3, 2, 4)
    dataset = TensorDataset(images, [7, 8, 9], FakeTensor())
    assert len(dataset) == 3
    image, label, number = dataset[1]
    np.testing.assert_array_equal(image, images[1])
    assert (label, number) == (8, 1)
    assert dataset[-1][1] == 9
    assert len(list(dataset)) == 3


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((), "at least one array, got none"),
        ((np.zeros((3, 2)), np.zeros(4)), r"got shapes \(3, 2\), \(4,\)"),
        ((np.zeros(3), np.float32(1)), r"got shapes \(3,\), \(\)"),
    ],
)
def test_tensor_dataset_refuses_arrays_that_do_not_fit(arrays, message):
    with pytest.raises(ShapeError, match=message):
        TensorDataset(*arrays)


def test_anything_with_length_and_items_is_a_dataset():
    assert isinstance([1, 2], Dataset)
    assert isinstance(np.zeros(3), Dataset)
    assert not isinstance(iter([1]), Dataset)


def test_a_dataset_of_ones_own_must_have_both_methods():
    class Half(Dataset):
        def __len__(self):
            return 1

    with pytest.raises(TypeError, match="__getitem__"):
        Half()


def test_subset_of_a_subset():
    inner = Subset(list("abcdef"), [5, 3, 3, 0])
    assert list(inner) == ["f", "d", "d", "a"]
    assert list(Subset(inner, np.array([0, 3]))) == ["f", "a"]
    assert len(Subset(inner, [])) == 0


@pytest.mark.parametrize("index", [3, -1])
def test_subset_refuses_an_index_outside(index):
    with pytest.raises(IndexError, match=f"index {index} is outside a data set of 3 samples"):
        Subset("abc", [0, index])


@pytest.mark.parametrize("indices", [[True, False], [0.5], [[0]]])
def test_subset_refuses_what_is_no_list_of_integers(indices):
    with pytest.raises(TypeError, match="expected a list of integers"):
        Subset("abc", indices)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_concat_is_one_list_after_another(sizes):
    parts = [[(part, i) for i in range(size)] for part, size in enumerate(sizes)]
    flat = [sample for part in parts for sample in part]
    joined = ConcatDataset(parts)
    assert len(joined) == len(flat)
    assert list(joined) == flat
    assert [joined[i - len(flat)] for i in range(len(flat))] == flat


def test_concat_refuses_what_is_outside():
    joined = ConcatDataset(["ab", "c"])
    for index in (3, -4):
        with pytest.raises(IndexError, match=f"index {index} is outside"):
            joined[index]
    with pytest.raises(ValueError, match="at least one data set"):
        ConcatDataset([])


@given(st.integers(0, 40), st.integers(1, 5), st.integers(0, 2**64 - 1))
def test_random_split_cuts_into_disjoint_parts(size, count, seed):
    sizes = [size // count] * (count - 1)
    sizes.append(size - sum(sizes))
    parts = random_split(range(size), sizes, seed=seed)
    assert [len(part) for part in parts] == sizes
    assert sorted(sample for part in parts for sample in part) == list(range(size))


def test_random_split_by_fractions_leaves_no_sample_out():
    parts = random_split(range(10), [0.5, 0.25, 0.25], seed=0)
    assert [len(part) for part in parts] == [6, 2, 2]
    assert [len(part) for part in random_split(range(7), [1.0])] == [7]


def test_random_split_follows_the_seed():
    def parts(seed=None):
        return [list(part) for part in random_split(range(20), [15, 5], seed)]

    assert parts(3) == parts(3) != parts(4)
    with config.override("SEED", 3):
        assert parts() == parts(3)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([5, 4], "add up to 9, but the data set has 10 samples"),
        ([0.5, 0.4], "which add up to 0.9"),
        ([11, -1], "must not be negative"),
        ([], "add up to 0"),
    ],
)
def test_random_split_refuses_lengths_that_do_not_add_up(lengths, message):
    with pytest.raises(ValueError, match=message):
        random_split(range(10), lengths)


@pytest.mark.parametrize("lengths", [10, ["a"], None])
def test_lengths_that_are_no_numbers_in_a_list_are_refused(lengths):
    with pytest.raises(TypeError, match="random_split: expected a list of sizes or fractions"):
        random_split(range(10), lengths)


def test_what_is_no_data_set_is_not_split():
    with pytest.raises(TypeError, match=r"expected a data set .*, got int"):
        random_split(10, [5, 5])


def test_repr_says_what_is_in_it():
    pairs = TensorDataset(np.zeros((3, 8)), np.arange(3))
    assert repr(pairs) == "TensorDataset(float64 (3, 8), int64 (3,))"
