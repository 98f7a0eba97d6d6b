"""Philox against its published answers, and the distributions against their mathematics."""

import math

import naive
import numpy as np
import pytest
from scipy import stats

from tinygraph.dtypes import canonical
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Dim
from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.ops import random
from tinygraph.ops.registry import PLACEHOLDER
from tinygraph.ops.rules import full
from tinygraph.runtime.interpret import interpret

# Known answers of Random123 for philox4x32-10: counter, key, result.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def joined(low, high):
    return low | high << 32


def leaf(array):
    return Node(PLACEHOLDER, (), {"name": "x"}, Aval(array.shape, array.dtype))


def draw(build, *arrays, seed=3, number=0):
    """The value of `build(state node, *nodes)` for a seed and the number of a draw."""
    arrays = (np.array([seed, number], np.uint64), *map(np.asarray, arrays))
    nodes = [leaf(a) for a in arrays]
    out = build(*nodes)
    (value,) = interpret(Graph(nodes, [out]), dict(zip(nodes, arrays, strict=True)), np)
    assert value.shape == out.shape
    assert value.dtype == out.dtype
    return value


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_gives_the_published_answers(counter, key, expected):
    block = np.array([joined(*counter[:2])], np.uint64)
    words = np.stack(random.philox_words(np, block, joined(*counter[2:]), joined(*key)), axis=1)
    assert words.dtype == np.uint64
    assert words.tolist() == [list(expected)]
    assert naive.philox(counter, key) == expected


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1])
@pytest.mark.parametrize("number", [0, 7, 2**40 + 1])
def test_bits_equal_the_plain_loop(seed, number):
    bits = draw(lambda s: random.random_bits(s, shape=(3, 7)), seed=seed, number=number)
    np.testing.assert_array_equal(bits.reshape(-1), naive.random_bits(seed, number, 21))


def test_bits_do_not_depend_on_how_many_are_drawn_nor_on_parts():
    many = draw(lambda s: random.random_bits(s, shape=(300_000,)))
    few = draw(lambda s: random.random_bits(s, shape=(5, 2)))
    np.testing.assert_array_equal(many[:10], few.reshape(-1))
    block = np.arange(70_000, 70_003, dtype=np.uint64)
    np.testing.assert_array_equal(
        many[280_000:280_012], np.stack(random.philox_words(np, block, 0, 3), axis=1).reshape(-1)
    )


@pytest.mark.parametrize("shape", [(6,), (2, 3), ()])
def test_bits_can_be_written_where_they_are_wanted(shape):
    state = np.array([3, 0], np.uint64)
    expected = random.random_bits.eval(np, state, shape=shape)
    whole, gaps = np.empty(shape, np.uint32), np.empty((*shape, 2), np.uint32)[..., 0]
    for out in (whole, gaps):
        assert random.random_bits.eval(np, state, shape=shape, out=out) is out
        np.testing.assert_array_equal(out, expected)


def test_an_open_size_is_taken_when_it_is_known():
    out = random.normal(leaf(np.zeros(2, np.uint64)), (Dim.symbol("n"), 3), canonical("float32"))
    assert out.shape == (Dim.symbol("n"), 3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_uniform_lies_in_its_interval_and_is_even(dtype):
    dtype = canonical(dtype)
    u = draw(lambda s: random.uniform(s, (200, 500), dtype)).astype("float64").reshape(-1)
    assert u.min() >= 0
    assert u.max() < 1
    counts = np.bincount((u * 64).astype(int), minlength=64)
    assert stats.chisquare(counts).pvalue > 1e-3
    steps = 2.0 ** {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}[dtype.name]
    np.testing.assert_array_equal(u * steps, np.floor(u * steps))


def test_uniform_in_64_bits_uses_all_its_bits():
    u = draw(lambda s: random.uniform(s, (1000,), canonical("float64")))
    assert len(np.unique(u * 2**24 % 1)) == 1000


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("count", [100_000, 99_999])
def test_normal_is_finite_and_normal(dtype, count):
    z = draw(lambda s: random.normal(s, (count,), canonical(dtype))).astype("float64")
    assert np.isfinite(z).all()
    assert abs(z.mean()) < 4 / math.sqrt(count)
    assert abs(z.var() - 1) < 4 * math.sqrt(2 / count)
    if dtype in ("float32", "float64"):
        assert stats.kstest(z, "norm").pvalue > 1e-3
        assert abs(np.corrcoef(z[: count // 2], z[-(count // 2) :])[0, 1]) < 0.02
        assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 0.02


@pytest.mark.parametrize("word", [0, 2**32 - 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_most_extreme_bits_give_finite_numbers(monkeypatch, word, dtype):
    def constant(state, *, shape):
        return full(shape, word, np.dtype("uint32"))

    monkeypatch.setattr(random, "random_bits", constant)
    z = draw(lambda s: random.normal(s, (3,), canonical(dtype)))
    assert np.isfinite(z).all()
    logits = np.array([0.0, -np.inf, 1.0], dtype)
    assert draw(lambda s, x: random.categorical(s, x, 0), logits) == 2


def test_bernoulli_follows_its_probabilities():
    p = np.repeat([0.0, 0.1, 0.5, 1.0], 50_000).reshape(4, -1)
    hits = draw(random.bernoulli, p).mean(axis=1)
    assert hits[0] == 0
    assert hits[3] == 1
    np.testing.assert_allclose(hits[1:3], [0.1, 0.5], atol=0.01)
    assert draw(random.bernoulli, np.full((2, 3), 0.5, "float32")).dtype == bool


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [(0, 10, "int64"), (-5, 5, "int8"), (250, 256, "uint8"), (7, 8, "int32")],
)
def test_randint_covers_its_range_evenly(low, high, dtype):
    values = draw(lambda s: random.randint(s, (60_000,), low, high, canonical(dtype)))
    counts = np.bincount(values.astype(int) - low)
    assert len(counts) == high - low
    assert high - low == 1 or stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [(-(2**63), 2**63, "int64"), (0, 2**64, "uint64"), (-(2**63), 2**63 - 1, "int64")],
)
def test_randint_over_every_integer_of_a_type(low, high, dtype):
    values = draw(lambda s: random.randint(s, (4000,), low, high, canonical(dtype)))
    middle = (low + high) // 2
    assert abs(np.mean(values >= values.dtype.type(middle)) - 0.5) < 0.05


def test_randint_says_what_is_wrong():
    state = leaf(np.zeros(2, np.uint64))
    with pytest.raises(ShapeError, match="no integer lies from 3 to below 3"):
        random.randint(state, (2,), 3, 3, canonical("int64"))
    with pytest.raises(DTypeError, match="0 to 300 does not fit in uint8"):
        random.randint(state, (2,), 0, 300, canonical("uint8"))
    with pytest.raises(DTypeError, match="draws integers, not float32"):
        random.randint(state, (2,), 0, 3, canonical("float32"))
    with pytest.raises(DTypeError, match="are floats, not int64"):
        random.uniform(state, (2,), canonical("int64"))


def test_permutations_are_all_equally_likely():
    assert sorted(draw(lambda s: random.permutation(s, 1000))) == list(range(1000))
    seen = [tuple(draw(lambda s: random.permutation(s, 3), number=i)) for i in range(1200)]
    _, counts = np.unique(seen, axis=0, return_counts=True)
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 1e-3


def test_categorical_follows_the_softmax_of_its_logits():
    logits = np.log([0.2, 0.5, 0.3, 0.0001])
    logits[3] = -np.inf
    rows = np.broadcast_to(logits, (30_000, 4))
    for picked in (
        draw(lambda s, x: random.categorical(s, x, -1), rows),
        draw(lambda s, x: random.categorical(s, x, 0), rows.T.astype("float32")),
    ):
        assert picked.dtype == np.int64
        np.testing.assert_allclose(np.bincount(picked) / 30_000, [0.2, 0.5, 0.3], atol=0.015)


def test_draws_and_seeds_differ():
    def first(seed, number):
        return draw(lambda s: random.random_bits(s, shape=(4,)), seed=seed, number=number).tolist()

    assert len({tuple(first(s, n)) for s in range(4) for n in range(4)}) == 16
