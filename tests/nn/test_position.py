"""Sinusoids, learned positions, rotations and linear biases against their formulas."""

import math

import numpy as np
import pytest
from fused import count, count_with_gradient

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F


def sinusoids(length, d, start=0, base=10000.0):
    """The formula of the paper, number by number."""
    table = np.zeros((length, d))
    for position in range(length):
        for i in range(d // 2):
            angle = (start + position) / base ** (2 * i / d)
            table[position, 2 * i] = math.sin(angle)
            table[position, 2 * i + 1] = math.cos(angle)
    return table


def turned(x, positions, interleaved=True, base=10000.0):
    """Each pair of features turned by the angle of its position, number by number."""
    result, d = x.copy(), x.shape[-1]
    for place in np.ndindex(x.shape[:-1]):
        for i in range(d // 2):
            angle = positions[place[-1]] / base ** (2 * i / d)
            a, b = (2 * i, 2 * i + 1) if interleaved else (i, i + d // 2)
            u, v = x[place][[a, b]]
            result[place][a] = u * math.cos(angle) - v * math.sin(angle)
            result[place][b] = u * math.sin(angle) + v * math.cos(angle)
    return result


def everywhere(function, x, rtol=1e-5):
    """The result on each backend, eagerly and as a graph for any length, which agree."""
    with tg.backend("numpy"):
        expected = function(tg.tensor(x)).numpy()
    open_x = tg.placeholder((*x.shape[:-2], None, x.shape[-1]), x.dtype, name="x")
    ways = [
        lambda: function(tg.tensor(x)),
        lambda: tg.function([open_x], function(open_x))(x),
        lambda: tg.jit(function)(tg.tensor(x)),
    ]
    with tg.eager():
        np.testing.assert_allclose(function(tg.tensor(x)).numpy(), expected, rtol, 1e-6)
    for way in ways:
        np.testing.assert_allclose(way().numpy(), expected, rtol, 1e-6)
    return expected


# --------------------------------------------------------------------------------- sinusoids


@pytest.mark.parametrize(("length", "d"), [(1, 2), (7, 6), (0, 4), (300, 64)])
def test_sinusoidal_positions(length, d):
    table = F.sinusoidal_positions(length, d)
    assert table.dtype == "float32"
    np.testing.assert_allclose(table.numpy(), sinusoids(length, d), atol=1e-7)
    shifted = F.sinusoidal_positions(length, d, offset=5, base=100.0, dtype="float64")
    np.testing.assert_allclose(shifted.numpy(), sinusoids(length, d, 5, 100.0), atol=1e-12)
    assert (np.abs(table.numpy()) <= 1).all()


def test_positions_far_from_the_first_are_exact_in_32_bits():
    table = F.sinusoidal_positions(2, 4, offset=10**6).numpy()
    np.testing.assert_allclose(table, sinusoids(2, 4, 10**6), atol=1e-7)


@pytest.mark.parametrize("k", [1, 3, 50])
def test_the_encoding_of_a_later_position_is_a_linear_function_of_that_of_the_former(k):
    """One matrix, which depends on k alone, takes PE[p] to PE[p + k] for every p."""
    d, positions = 8, F.sinusoidal_positions(200, 8, dtype="float64").numpy()
    matrix = np.zeros((d, d))
    for i in range(d // 2):
        angle = k / 10000 ** (2 * i / d)
        c, s = math.cos(angle), math.sin(angle)
        matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[c, s], [-s, c]]
    np.testing.assert_allclose(positions[:-k] @ matrix.T, positions[k:], atol=1e-12)
    products = positions @ positions.T  # so they depend on the distance alone
    np.testing.assert_allclose(np.diagonal(products, k), products[0, k], atol=1e-12)


@pytest.mark.parametrize("length", [5, 10, 15])  # within max_len, all of it, and beyond
@pytest.mark.parametrize("offset", [0, 3])
def test_sinusoidal_encoding(length, offset, rng):
    layer = nn.SinusoidalPositionalEncoding(6, max_len=10)
    x = rng.standard_normal((2, 3, length, 6)).astype("float32")
    got = everywhere(lambda x: layer(x, offset), x)
    np.testing.assert_allclose(got, x + sinusoids(length, 6, offset), rtol=1e-5, atol=1e-6)
    later = layer(tg.tensor(x), tg.tensor(offset)).numpy()
    np.testing.assert_allclose(later, got, rtol=1e-6)
    assert not layer.state_dict()
    assert not list(layer.parameters())


def test_sinusoidal_encoding_keeps_the_dtype_and_is_exact_in_it(rng):
    x = rng.standard_normal((4, 6))
    for layer in (nn.SinusoidalPositionalEncoding(6), nn.SinusoidalPositionalEncoding(6, 2)):
        layer.to("float64")
        np.testing.assert_allclose(layer(tg.tensor(x)).numpy(), x + sinusoids(4, 6), rtol=1e-12)
        assert layer(tg.tensor(x, "float16")).dtype == "float16"


def test_sequences_that_begin_at_different_positions():
    starts = tg.tensor([[0], [7], [2]])
    got = F.sinusoidal_positions(4, 6, offset=starts).numpy()
    np.testing.assert_allclose(got, [sinusoids(4, 6, s) for s in (0, 7, 2)], atol=1e-7)


# ----------------------------------------------------------------------------------- learned


def test_learned_positions(rng):
    layer = nn.LearnedPositionalEmbedding(4, 10)
    assert layer.weight.shape == (10, 4)
    x = rng.standard_normal((2, 5, 4)).astype("float32")
    got = everywhere(lambda x: layer(x, 2), x)
    np.testing.assert_allclose(got, x + layer.weight.numpy()[2:7], rtol=1e-6)
    for offset in (2, tg.tensor(2)):
        layer.zero_grad()
        tg.sum(layer(tg.tensor(x), offset)).backward()
        expected = np.zeros((10, 4))
        expected[2:7] = 2
        np.testing.assert_array_equal(layer.weight.grad.numpy(), expected)
    with pytest.raises(ShapeError, match="expected at most max_len=10 positions, got 11"):
        layer(tg.ones((11, 4)))
    with pytest.raises(ShapeError, match=r"at most max_len=10 positions, got 12: .* position 7"):
        layer(tg.ones((5, 4)), 7)
    with pytest.raises(IndexError, match="row 10 is out of range"):
        layer(tg.ones((5, 4)), tg.tensor(6)).numpy()


def test_learned_positions_start_small():
    tg.manual_seed(0)
    values = nn.LearnedPositionalEmbedding(64, 100).weight.numpy()
    assert values.std() == pytest.approx(0.02, rel=0.05)


# ---------------------------------------------------------------------------------- rotation


@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 5, 6), (1, 2), (2, 0, 4), (0, 5, 4)])
def test_rotary_embedding(shape, interleaved, rng):
    x = rng.standard_normal(shape)
    places = np.arange(shape[-2])

    def rotate(x, offset=0):
        return F.rotary_embedding(x, offset, base=100.0, interleaved=interleaved)

    for offset in (0, 3):
        expected = turned(x, places + offset, interleaved, 100.0)
        np.testing.assert_allclose(rotate(tg.tensor(x), offset).numpy(), expected, atol=1e-12)
        got = rotate(tg.tensor(x), tg.tensor(offset)).numpy()
        np.testing.assert_allclose(got, expected, atol=1e-12)
    if x.size:
        everywhere(rotate, x.astype("float32"))
        tg.testing.check_grads(rotate, [x], order=2)


@pytest.mark.parametrize("interleaved", [True, False])
def test_products_of_turned_queries_and_keys_depend_on_their_distance_alone(interleaved, rng):
    q, k = rng.standard_normal((2, 1, 8))

    def product(i, j):
        a, b = (
            F.rotary_embedding(tg.tensor(x), at, interleaved=interleaved).numpy()
            for x, at in ((q, i), (k, j))
        )
        return (a * b).sum()

    for distance in (0, 1, 17):
        for start in (0, 4, 1000):
            assert product(start + distance, start) == pytest.approx(product(distance, 0))
    assert product(1, 0) != pytest.approx(product(0, 1))  # which is before which, counts


def test_a_rotation_leaves_lengths_alone(rng):
    x = rng.standard_normal((3, 7, 8))
    got = F.rotary_embedding(tg.tensor(x)).numpy()
    np.testing.assert_allclose(np.linalg.norm(got, axis=-1), np.linalg.norm(x, axis=-1))


def test_decoding_with_a_cache_is_the_whole_at_once(rng):
    rope, x = nn.RotaryPositionalEmbedding(6), rng.standard_normal((2, 4, 9, 6))
    whole = rope(tg.tensor(x)).numpy()
    step = tg.jit(lambda token, place: rope(token, place))
    for place in range(9):
        token = step(tg.tensor(x[:, :, place : place + 1]), tg.tensor(place)).numpy()
        np.testing.assert_allclose(token[:, :, 0], whole[:, :, place], atol=1e-12)


def test_the_two_layouts_differ_by_the_order_of_features(rng):
    x, order = rng.standard_normal((5, 8)), [0, 2, 4, 6, 1, 3, 5, 7]
    halves = F.rotary_embedding(tg.tensor(x[:, order]), interleaved=False).numpy()
    np.testing.assert_allclose(halves, F.rotary_embedding(tg.tensor(x)).numpy()[:, order])


def test_some_features_alone_are_turned(rng):
    x = rng.standard_normal((2, 5, 10))
    for interleaved in (True, False):
        got = nn.RoPE(4, interleaved=interleaved)(tg.tensor(x)).numpy()
        np.testing.assert_allclose(got[..., :4], turned(x[..., :4], np.arange(5), interleaved))
        np.testing.assert_array_equal(got[..., 4:], x[..., 4:])


def test_positions_of_packed_sequences(rng):
    x, places = rng.standard_normal((5, 4)), np.array([0, 1, 0, 1, 2])
    got = F.rotary_embedding(tg.tensor(x), positions=tg.tensor(places)).numpy()
    np.testing.assert_allclose(got, turned(x, places))


def test_the_layout_of_torchtune(rng):
    x = rng.standard_normal((2, 5, 3, 4))  # batch, length, heads, features
    layer = nn.RotaryPositionalEmbeddings(4, max_seq_len=10)
    expected = turned(x.swapaxes(1, 2), np.arange(5)).swapaxes(1, 2)
    np.testing.assert_allclose(layer(tg.tensor(x)).numpy(), expected)
    places = np.array([[0, 1, 2, 3, 4], [0, 0, 7, 1, 2]])
    got = layer(tg.tensor(x), input_pos=tg.tensor(places)).numpy()
    for sample, at in enumerate(places):
        expected = turned(x[sample].swapaxes(0, 1), at).swapaxes(0, 1)
        np.testing.assert_allclose(got[sample], expected, atol=1e-12)


def test_16_bit_floats_are_turned_in_32(rng):
    x = rng.standard_normal((4, 6)).astype("float16")
    got = F.rotary_embedding(tg.tensor(x))
    assert got.dtype == "float16"
    np.testing.assert_allclose(
        got.numpy(), turned(x.astype("float64"), np.arange(4)), rtol=1e-3, atol=1e-4
    )


# ------------------------------------------------------------------------------------- ALiBi


def test_slopes_of_alibi():
    np.testing.assert_allclose(F.alibi_slopes(8).numpy(), [2.0**-i for i in range(1, 9)])
    np.testing.assert_allclose(F.alibi_slopes(16).numpy(), [2 ** (-i / 2) for i in range(1, 17)])
    # the authors' example of a number that is no power of two
    expected = [2.0**-i for i in range(1, 9)] + [2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]
    np.testing.assert_allclose(F.alibi_slopes(12).numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(F.alibi_slopes(1).numpy(), [2.0**-8])
    np.testing.assert_allclose(F.alibi_slopes(3).numpy(), [2.0**-4, 2.0**-8, 2.0**-2])


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize(("queries", "keys"), [(4, None), (2, 5), (1, 3)])
def test_bias_of_alibi(queries, keys, is_causal):
    heads, many = 4, keys or queries
    expected = np.zeros((heads, queries, many))
    for head, i, j in np.ndindex(expected.shape):
        ahead = j - (i + many - queries)
        expected[head, i, j] = -(2.0 ** (-2 * (head + 1))) * abs(ahead)
        if ahead > 0 and is_causal:
            expected[head, i, j] = -np.inf
    got = F.alibi_bias(heads, queries, keys, is_causal)
    np.testing.assert_allclose(got.numpy(), expected)
    x = tg.placeholder((None, queries), name="x")
    call = tg.function([x], F.alibi_bias(heads, x.shape[0], keys, is_causal))
    if keys is None:
        np.testing.assert_allclose(call(np.zeros((4, queries), "float32")).numpy(), expected)


def test_alibi_goes_with_attention(rng):
    q, k, v = rng.standard_normal((3, 2, 4, 5, 8))
    bias = F.alibi_bias(4, 5, dtype="float64")
    padding = tg.tensor(np.where(np.arange(5) == 3, -np.inf, 0.0))  # nobody sees key 3
    got = F.scaled_dot_product_attention(*map(tg.tensor, (q, k, v)), bias + padding).numpy()
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(8) + bias.numpy() + padding.numpy()
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    np.testing.assert_allclose(got, weights / weights.sum(-1, keepdims=True) @ v)


# ------------------------------------------------------------------------- errors and kernels


def test_errors():
    for d in (5, 0, 2.0):
        with pytest.raises(ShapeError, match=f"expected d_model to be an even integer .* got {d}"):
            F.sinusoidal_positions(3, d)
    with pytest.raises(ShapeError, match="expected d_model to be an even integer from 2, got 7"):
        nn.SinusoidalPositionalEncoding(7)
    with pytest.raises(ShapeError, match=r"expected an input \(..., length, 6\), got \(3, 4\)"):
        nn.SinusoidalPositionalEncoding(6)(tg.ones((3, 4)))
    with pytest.raises(ShapeError, match=r"expected an input \(..., length, 6\), got \(6,\)"):
        nn.LearnedPositionalEmbedding(6, 3)(tg.ones(6))
    with pytest.raises(ShapeError, match=r"number of features to be an even integer .* got 5"):
        F.rotary_embedding(tg.ones((3, 5)))
    with pytest.raises(ShapeError, match="expected a rotary_dim of at most 4, got 6"):
        nn.RoPE(6)(tg.ones((3, 4)))
    with pytest.raises(ShapeError, match="RotaryPositionalEmbedding: expected an even dim, got 5"):
        nn.RotaryPositionalEmbedding(5)
    with pytest.raises(ShapeError, match="expected an input of floats"):
        F.rotary_embedding(tg.ones((3, 4), dtype="int64"))
    with pytest.raises(DTypeError, match="expected integers as positions, got float32"):
        F.rotary_embedding(tg.ones((3, 4)), positions=tg.ones(3))
    with pytest.raises(DTypeError, match="expected integers as positions, got float32"):
        F.sinusoidal_positions(3, 4, offset=0.5)
    with pytest.raises(ShapeError, match="expected num_heads to be an integer from 1, got 0"):
        F.alibi_slopes(0)


def test_kernels():
    layer = nn.SinusoidalPositionalEncoding(8)
    assert count(layer, (2, 5, 8)) <= 2
    for interleaved in (True, False):

        def rotate(x, interleaved=interleaved):
            return F.rotary_embedding(x, interleaved=interleaved)

        # the table of cosines and sines, both halves, and their joint array
        assert count(rotate, (2, 5, 8)) <= 3
        assert count_with_gradient(rotate, (2, 5, 8)) <= 7


def test_layers_show_their_sizes():
    assert repr(nn.RoPE(8)) == "RotaryPositionalEmbedding(8, base=10000.0, interleaved=True)"
    assert repr(nn.SinusoidalPositionalEncoding(8)) == (
        "SinusoidalPositionalEncoding(8, max_len=5000, base=10000.0)"
    )
    assert repr(nn.LearnedPositionalEmbedding(8, 4)) == "LearnedPositionalEmbedding(8, max_len=4)"
