"""Packed sequences: what goes wrong, and what PyTorch does not say."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import tree
from tinygraph.errors import DTypeError, ShapeError, TraceError
from tinygraph.nn.utils.rnn import (
    PackedSequence,
    invert_permutation,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)


@pytest.fixture
def parts(rng):
    return [tg.tensor(rng.standard_normal((length, 2))) for length in (2, 4, 4, 1)]


def test_all_ways_to_the_same_and_back(parts):
    padded, lengths = pad_sequence(parts), [2, 4, 4, 1]
    packed = pack_sequence(parts, enforce_sorted=False)
    again = pack_padded_sequence(padded, np.array(lengths, "int32"), enforce_sorted=False)
    for one, other in zip(packed, again, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert packed.batch_sizes.tolist() == [4, 3, 2, 2]
    assert packed.sorted_indices.tolist() == [1, 2, 0, 3]  # equal lengths stay in order
    for found in (unpack_sequence(packed), unpad_sequence(padded, lengths)):
        for one, other in zip(found, parts, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_gradients_reach_each_step_once(parts):
    array = np.zeros((4, 3, 2))
    tg.testing.check_grads(
        lambda x: pack_padded_sequence(x, [4, 2, 1]).data * 2.0, [array], order=2
    )
    data = np.arange(14.0).reshape(7, 2)
    sizes = tg.tensor([3, 2, 1, 1])
    tg.testing.check_grads(
        lambda data: pad_packed_sequence(PackedSequence(data, sizes))[0] ** 2, [data], order=2
    )


def test_a_packed_sequence_is_a_pytree(parts):
    packed = pack_sequence(parts, enforce_sorted=False)
    leaves, structure = tree.flatten(packed)
    assert len(leaves) == 4
    assert isinstance(tree.unflatten(structure, leaves), PackedSequence)
    assert packed.to("float32").data.dtype == "float32"
    assert packed.to("float32").batch_sizes is packed.batch_sizes


def test_indices_are_inverted(parts):
    given = pack_sequence(parts, enforce_sorted=False)
    made = PackedSequence(given.data, given.batch_sizes, given.sorted_indices)
    assert made.unsorted_indices.tolist() == given.unsorted_indices.tolist() == [2, 0, 1, 3]
    assert invert_permutation(None) is None


def test_padding_takes_any_iterable(parts):
    stacked = tg.stack([part[:1] for part in parts])
    whole = pad_sequence(stacked, batch_first=True)
    np.testing.assert_array_equal(whole.numpy(), stacked.numpy())
    assert pad_sequence(part for part in parts).shape == (4, 4, 2)
    assert pad_sequence([tg.zeros((0, 3)), tg.zeros((0, 3))]).shape == (0, 2, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pack_padded_sequence(tg.zeros(3), [1]), ShapeError,
         r"pack_padded_sequence: expected an input \(length, batch, ...\), got \(3,\)"),
        (lambda: pack_padded_sequence(tg.zeros((4, 0)), np.zeros(0, int)), ShapeError,
         "at least one; got 0 lengths for 0 sequences"),
        (lambda: pack_padded_sequence(tg.zeros((4, 2)), [5, 1]), ShapeError,
         r"expected lengths from 1 to 4, got \[5, 1\]"),
        (lambda: pack_padded_sequence(tg.zeros((4, 2)), [2.0, 1.0]), DTypeError,
         r"expected lengths to be integers in one dimension, got float64 of shape \(2,\)"),
        (lambda: pack_padded_sequence(tg.placeholder((None, 2), name="x"), [2, 1]), TraceError,
         "has to know the size"),
        (lambda: pad_packed_sequence(tg.zeros((4, 2))), DTypeError,
         "expected a PackedSequence, got a Tensor"),
        (lambda: pad_packed_sequence(pack_sequence([tg.zeros(3)]), total_length=2), ValueError,
         "expected a total_length of at least 3, .* got 2"),
        (lambda: pad_sequence([]), ShapeError, "expected at least one sequence"),
        (lambda: pad_sequence([tg.tensor(1.0)]), ShapeError, r"of shape \(L, ...\), got \[\(\)\]"),
        (lambda: pad_sequence(3), TypeError, "expected a list of Tensors, got a int"),
        (lambda: pad_sequence([tg.zeros((2, 3)), tg.zeros((2, 2))]), ShapeError,
         r"\(2, 3\) and \(2, 2\)"),
        (lambda: pad_sequence([tg.zeros(2)], padding_side="top"), ValueError,
         "expected a padding_side of 'left' or 'right', got 'top'"),
        (lambda: pack_sequence([tg.zeros(2), tg.zeros(3)]), ShapeError, "expected falling lengths"),
        (lambda: unpad_sequence(tg.zeros((4, 2)), [1, 2, 3]), ShapeError,
         "got 3 lengths for 2 sequences"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
