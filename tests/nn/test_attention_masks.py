"""Masks for attention: the makers, and the rules by which they combine."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F


@pytest.mark.parametrize(("rows", "columns"), [(4, None), (3, 5), (5, 3), (1, 1), (0, 4)])
@pytest.mark.parametrize("offset", [0, 2, -1])
def test_causal(rows, columns, offset):
    want = np.tril(np.ones((rows, columns or rows), bool), offset)
    np.testing.assert_array_equal(F.causal_mask(rows, columns, offset).numpy(), want)
    place = F.causal_mask(rows, columns, tg.tensor(offset))  # as in decoding: known when it runs
    np.testing.assert_array_equal(place.numpy(), want)


@pytest.mark.parametrize("window", [0, 1, 3, 10])
@pytest.mark.parametrize("is_causal", [False, True])
def test_sliding_window(window, is_causal):
    i, j = np.arange(6)[:, None], np.arange(4)
    want = (abs(i - j) <= window) & ((j <= i) | (not is_causal))
    got = F.sliding_window_mask(6, window, 4, is_causal)
    np.testing.assert_array_equal(got.numpy(), want)
    with pytest.raises(ShapeError, match="expected window to be an integer from 0, got -1"):
        F.sliding_window_mask(6, -1)


def test_padding_of_tokens_and_of_lengths():
    tokens = tg.tensor([[4, 2, 9, 1], [3, 1, 1, 1]])
    want = [[True, True, True, False], [True, False, False, False]]
    assert F.padding_mask(tokens, 1).tolist() == want
    assert F.padding_mask(lengths=tg.tensor([3, 1]), max_length=4).tolist() == want
    with pytest.raises(ValueError, match="expected tokens or lengths, got neither"):
        F.padding_mask()
    with pytest.raises(ValueError, match="expected tokens or lengths, got both"):
        F.padding_mask(tokens, lengths=tokens)
    with pytest.raises(ValueError, match="expected max_length together with lengths"):
        F.padding_mask(lengths=tokens)
    with pytest.raises(DTypeError, match="expected integers as tokens or lengths, got float32"):
        F.padding_mask(tg.ones(3))


def test_padding_is_ignored(rng):
    x = rng.standard_normal((2, 5, 4))
    mask = F.padding_mask(lengths=tg.tensor([3, 5]), max_length=5)[:, None]
    got = F.scaled_dot_product_attention(*[tg.tensor(x)] * 3, mask)
    short = F.scaled_dot_product_attention(*[tg.tensor(x[0, :3])] * 3)
    np.testing.assert_allclose(got.numpy()[0, :3], short.numpy())
    x[0, 3:] = 1e6
    again = F.scaled_dot_product_attention(tg.tensor(x[:, :3]), *[tg.tensor(x)] * 2, mask)
    np.testing.assert_array_equal(again.numpy()[0], got.numpy()[0, :3])


def test_how_masks_combine(rng):
    a, b = F.causal_mask(3), tg.tensor(rng.random((2, 1, 3)) < 0.5)
    c, d = (tg.tensor(rng.standard_normal((3, 3))) for _ in range(2))
    assert F.combine_masks() is None
    assert F.combine_masks(None, a) is a
    np.testing.assert_array_equal(F.combine_masks(a, None, b).numpy(), a.numpy() & b.numpy())
    np.testing.assert_array_equal(F.combine_masks(c, d).numpy(), c.numpy() + d.numpy())
    want = np.where(a.numpy() & b.numpy(), c.numpy() + d.numpy(), -np.inf)
    np.testing.assert_array_equal(F.combine_masks(c, a, d, b).numpy(), want)
    with pytest.raises(DTypeError, match="expected masks of bool or floats, got int64"):
        F.combine_masks(a, tg.ones((3, 3), dtype="int64"))


def test_sizes_may_be_open():
    x = tg.placeholder((None, None), "int64", name="tokens")
    length = x.shape[1]
    mask = F.combine_masks(F.causal_mask(length), F.padding_mask(x)[:, None])
    step = tg.function([x], mask)
    assert step(np.array([[1, 1, 0]])).numpy().tolist() == [
        [[True, False, False], [True, True, False], [True, True, False]]
    ]
    assert step(np.ones((2, 5), int)).shape == (2, 5, 5)
