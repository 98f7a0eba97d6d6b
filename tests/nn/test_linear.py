"""Linear and bilinear maps, distances, shuffles and borders, without PyTorch beside them."""

import numpy as np
import pytest
from fused import count, count_with_gradient, kernels, tape_of

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F


def test_dense_is_linear():
    assert nn.Dense is nn.Linear


def test_bilinear_by_its_definition(rng):
    x, y, w = (rng.standard_normal(shape) for shape in ((5, 3), (5, 4), (2, 3, 4)))
    expected = np.stack([np.diag(x @ w[k] @ y.T) for k in range(2)], 1) + [1.0, 2.0]
    got = F.bilinear(tg.tensor(x), tg.tensor(y), tg.tensor(w), tg.tensor([1.0, 2.0]))
    np.testing.assert_allclose(got.numpy(), expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.linear(tg.ones((2, 3)), tg.ones((4, 2))), "weight of shape .out, in., got .2"),
        (lambda: F.linear(tg.ones((2, 3)), tg.ones((4, 3)), tg.ones(3)), "a bias of shape .4,., g"),
        (lambda: F.linear(tg.ones((2, 3)), tg.ones((4, 3)), tg.ones((2, 4))), "bias of shape .4"),
        (lambda: F.bilinear(tg.ones((2, 3)), tg.ones((3, 4)), tg.ones((5, 3, 4))), "in1. and .*i"),
        (lambda: F.bilinear(tg.ones(3), tg.ones(4), tg.ones((5, 3, 3))), "got .3,., .4,. and .5"),
        (lambda: nn.Linear(-1, 3), "Linear: expected in_features to be an integer from 0, got -1"),
        (lambda: nn.Bilinear(0, 3, 4), "Bilinear: expected in1_features to be an integer from 1"),
        (lambda: nn.Unflatten(1, (5, -1))(tg.ones((2, 12))), "12"),
        (lambda: F.pixel_shuffle(tg.ones((6, 2, 2)), 2), "channels that divide by 4, got 6"),
        (lambda: F.pixel_unshuffle(tg.ones((6, 2, 3)), 2), "columns that divide by 2, got 3"),
        (lambda: F.pixel_unshuffle(tg.ones((2, 2)), 2), "expected .*channel, height, width., got"),
        (lambda: F.channel_shuffle(tg.ones((1, 6, 2)), 4), "expected channels that divide by 4"),
        (lambda: F.channel_shuffle(tg.ones((1, 6)), 2), "expected .batch, channel, .size., got"),
        (lambda: nn.PixelShuffle(0), "PixelShuffle: expected upscale_factor to be an integer fro"),
        (lambda: F.pixel_shuffle(tg.ones((4, 1, 1)), 0), "expected upscale_factor of at least 1"),
        (lambda: F.pdist(tg.ones(3)), "expected .n, features., got shape .3,."),
        (lambda: F.cosine_similarity(tg.ones((2, 3)), tg.ones((2, 2))), "broadcast"),
        (lambda: F.cosine_similarity(tg.ones(3), tg.ones(3)), "axis 1"),
        (lambda: nn.ZeroPad2d((1, 2, 3)), "expected padding to be an integer or 4 of them"),
        (lambda: nn.ReflectionPad2d(1)(tg.ones((4, 4))), "ReflectionPad2d: expected .batch, chan"),
        (lambda: F.pad(tg.ones((2, 2)), (1, 1, 1)), "expected a pair of widths"),
        (lambda: F.pad(tg.ones((2, 2)), (-2, -1)), "has not enough elements to cut"),
        (lambda: F.pad(tg.ones((2, 2)), (2, 0), "reflect"), "at most 1 on a side"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit(call, message):
    with pytest.raises(ShapeError, match=message):
        call()


def test_other_errors():
    with pytest.raises(DTypeError, match="expected unflattened_size to be a tuple, got 4"):
        nn.Unflatten(1, 4)
    with pytest.raises(DTypeError, match=r"upscale_factor to be an integer, got 1.5"):
        F.pixel_shuffle(tg.ones((4, 1, 1)), 1.5)
    with pytest.raises(ValueError, match="pdist: expected a p from 0, got -1"):
        F.pdist(tg.ones((2, 2)), p=-1)
    with pytest.raises(ValueError, match="expected a mode out of constant, reflect, replicate, ci"):
        F.pad(tg.ones((2, 2)), (1, 1), "mirror")
    with pytest.raises(ValueError, match="mode 'reflect' takes no value, got 3"):
        F.pad(tg.ones((2, 2)), (1, 1), "reflect", 3)


def test_vectors_too_short_or_long_for_their_squares():
    """The product of both lengths would overflow, or be 0, where each of them is not."""
    for scale in (1e-18, 1e18):
        x = tg.tensor(np.array([[scale, scale]], np.float32))
        found = F.cosine_similarity(x, x, eps=1e-30).item()
        assert found == pytest.approx(1.0, rel=1e-5)
    half = tg.tensor(np.full((1, 100), 200.0, np.float16))
    assert F.cosine_similarity(half, half).item() == pytest.approx(1.0, rel=1e-3)
    assert F.cosine_similarity(half, half).dtype == np.float16
    assert F.pairwise_distance(half, -half).item() == 4000.0


def test_gradients(rng):
    x, y = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    tg.testing.check_grads(lambda x, y: F.cosine_similarity(x, y), [x, y], order=2)
    tg.testing.check_grads(lambda x, y: F.pairwise_distance(x, y, 3.0), [x, y], order=2)
    tg.testing.check_grads(lambda x: F.pdist(x), [x], order=2)
    w = rng.standard_normal((2, 4, 4))
    tg.testing.check_grads(lambda x, y, w: F.bilinear(x, y, w), [x, y, w], order=2)
    image = rng.standard_normal((1, 4, 3, 2))
    tg.testing.check_grads(lambda x: F.pixel_shuffle(x**2, 2), [image], order=2)
    for mode in ("reflect", "replicate", "circular"):
        tg.testing.check_grads(lambda x, m=mode: F.pad(x**2, (1, 1, -1, 2), m), [image], order=2)


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
@pytest.mark.parametrize("pair", [(-2, 3), (3, -2), (-4, 4), (2, -6)])
def test_a_border_may_show_what_is_cut_off(mode, pair):
    x = np.arange(6)
    numpys = {"reflect": "reflect", "replicate": "edge"}[mode]
    whole = np.pad(x, [max(width, 0) for width in pair], numpys)
    before, after = (max(-width, 0) for width in pair)
    np.testing.assert_array_equal(F.pad(tg.tensor(x), pair, mode).numpy(),
                                  whole[before : len(whole) - after])  # fmt: skip


def test_integers_and_open_sizes():
    x = tg.placeholder((None, 4, None), "int64", name="x")
    run = tg.function([x], [F.pad(x, (1, 2)), F.channel_shuffle(x, 2), F.pad(x, (1, 1), "reflect")])
    for shape in ((1, 4, 3), (2, 4, 5)):
        values = np.arange(np.prod(shape)).reshape(shape)
        padded, shuffled, mirrored = run(values)
        np.testing.assert_array_equal(padded.numpy(), np.pad(values, ((0, 0), (0, 0), (1, 2))))
        np.testing.assert_array_equal(shuffled.numpy(), values[:, [0, 2, 1, 3]])
        np.testing.assert_array_equal(mirrored.numpy(), np.pad(values, ((0, 0), (0, 0), (1, 1)),
                                                               "reflect"))  # fmt: skip


def test_what_becomes_one_kernel():
    """A product with its bias; distances with all that is in them; a change of places."""
    assert count(F.linear, (8, 6), (5, 6), (5,)) == 1
    assert count(F.cosine_similarity, (8, 6), (8, 6)) == 1
    assert count_with_gradient(F.cosine_similarity, (8, 6), (8, 6)) <= 6
    for p in (1.0, 2.0, 3.0, float("inf")):
        assert count(lambda x, y, p=p: F.pairwise_distance(x, y, p), (8, 6), (8, 6)) == 1
        distance = count_with_gradient(
            lambda x, y, p=p: F.pairwise_distance(x, y, p), (8, 6), (8, 6)
        )
        assert distance <= 2
    assert count(lambda x: F.pixel_shuffle(tg.relu(x), 2), (2, 8, 3, 4)) == 1
    assert count(lambda x: F.channel_shuffle(tg.relu(x), 2), (2, 8, 3)) == 1
    assert count(F.bilinear, (8, 6), (8, 4), (5, 6, 4), (5,)) == 2


def test_distances_of_many_rows_need_no_array_of_their_differences():
    n, features = 40, 30
    x = tg.placeholder((n, features), name="x")
    slope = tg.grad(lambda x: tg.sum(F.pdist(x)))(x)
    tape = tape_of(F.pdist(x), slope, inputs=[x])
    assert tape.memory.peak < 4 * 6 * n * n  # bytes: less than features arrays (n, n)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_the_gradient_of_a_border_is_added_where_it_came_from(mode):
    """No array of zeros of the whole size is made and added for each side."""
    x, g = (tg.placeholder(shape, name=name) for shape, name in (((6, 5), "x"), ((6, 9), "g")))
    slope = tg.grad(lambda x: tg.sum(F.pad(x, (2, 2), mode) * g))(x)
    tape = tape_of(slope, inputs=[x, g])
    assert not kernels(tape, "scatter")
    assert len(tape) <= 8


def test_products_of_bilinear_may_be_larger_than_16_bits_hold():
    def full(shape, value):
        return tg.full(shape, value, dtype="float16")

    y = F.bilinear(full((2, 3), 300.0), full((2, 3), 0.001), full((4, 3, 3), 100.0))
    assert y.dtype == "float16"
    np.testing.assert_allclose(y.numpy(), np.full((2, 4), 270.0), rtol=2e-3)
