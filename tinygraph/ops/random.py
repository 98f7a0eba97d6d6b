"""Random bits by counting, and the distributions made of them.

Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
2011) turns a 128-bit counter and a 64-bit key into four 32-bit words. Nothing is carried from
number to number: the same state gives the same numbers in any order, on any backend.

A state is uint64[2]: the seed, which is the key, and the draw, which is the upper half of the
counter. The lower half counts the blocks of four words within the draw. Whoever draws raises
the draw by one for the next time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygraph import dtypes as dt
from tinygraph.dtypes import DType, float32, float64, int64, uint32, uint64
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.graph.dim import Size, is_known
from tinygraph.graph.node import Aval, Node, Shape
from tinygraph.ops import elementwise as e
from tinygraph.ops import logic
from tinygraph.ops.define import stored
from tinygraph.ops.movement import concat, reshape, slice_, stop_gradient, take_range
from tinygraph.ops.reduce import argmax
from tinygraph.ops.registry import Bad, Op, Sample, cast, const, register
from tinygraph.ops.rules import broadcast_shapes, normalize_axis, product, show_shape
from tinygraph.ops.sort import argsort

# ------------------------------------------------------------------------------ random_bits

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # the golden ratio and the square root of 3, less 1
ROUNDS = 10
_LOW = 0xFFFFFFFF
_PART = 1 << 14  # blocks at once: five arrays of them stay in the cache


def philox_words(xp: Any, block: Any, draw: Any, seed: Any) -> tuple[Any, ...]:
    """The four words of each block of a draw, for uint64 `block`, as 32 bits in uint64 arrays.
    Draw and seed are numbers, or arrays of the shape of `block`."""
    low, shift = xp.uint64(_LOW), xp.uint64(32)
    first, second = (xp.uint64(factor) for factor in MULTIPLIERS)
    keys = [seed & _LOW, seed >> 32]
    # words of 32 bits in numbers of 64, so that a product is there whole
    c0, c1 = block & low, block >> shift
    c2, c3 = (xp.zeros(block.shape, np.uint64) + word for word in (draw & _LOW, draw >> 32))
    for _ in range(ROUNDS):
        c0 *= first
        c2 *= second
        c1 ^= xp.asarray(keys[0], np.uint64)
        c1 ^= c2 >> shift
        c3 ^= xp.asarray(keys[1], np.uint64)
        c3 ^= c0 >> shift
        c0 &= low
        c2 &= low
        c0, c1, c2, c3 = c1, c2, c3, c0
        keys = [(key + step) & _LOW for key, step in zip(keys, KEY_STEPS, strict=True)]
    return c0, c1, c2, c3


def _word_eval(xp: Any, seed: Any, draw: Any, index: Any, out: Any = None) -> Any:
    four = xp.uint64(4)
    seed, draw, index = xp.broadcast_arrays(seed, draw, index)
    words = philox_words(xp, index // four, draw, seed)
    place = (index % four).astype(int64)
    return stored(xp.choose(place, words).astype(uint32), out)


def _word_infer(seed: Any, draw: Any, index: Any) -> Aval:
    for x in (seed, draw, index):
        if x.dtype != uint64:
            raise DTypeError(f"seed, draw and index are uint64, got {x.dtype.name}")
    return Aval(broadcast_shapes(seed.shape, draw.shape, index.shape), uint32)


def _word_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    zero, index = np.array(0, np.uint64), np.arange(6, dtype=np.uint64)
    known = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]  # as for `random_bits`
    return [
        Sample((zero, zero, index[:4]), expected=np.array(known)),
        Sample((zero + np.uint64(2**64 - 1), index[:, None] << np.uint64(40), index)),
        Sample((zero, zero, index[:0])),
        Bad((zero, zero, np.array([1])), {}, DTypeError, "are uint64, got int64"),
    ]


philox: Op = register(Op(
    name="philox", kind="elementwise", infer=_word_infer, eval=_word_eval, into=True,
    scalar="philox(a, b, c)", differentiable=False, samples=_word_samples,
    doc="Element `index` of the `random_bits` of a state (seed, draw), all uint64: what a kernel "
    "computes where it draws random numbers on the spot.",
))  # fmt: skip


def _bits_infer(state: Any, *, shape: Shape) -> Aval:
    if state.dtype != uint64:
        raise DTypeError(f"a random state is uint64, got {state.dtype.name}")
    if state.shape != (2,):
        raise ShapeError(f"a random state is (seed, draw), got shape {show_shape(state.shape)}")
    return Aval(shape, uint32)


def _bits_eval(xp: Any, state: Any, *, shape: tuple[int, ...], out: Any = None) -> Any:
    seed, draw = int(state[0]), int(state[1])
    if out is None:
        out = xp.empty(shape, uint32)
    flat = out.reshape(-1) if out.flags.c_contiguous else xp.empty(out.size, uint32)
    blocks = -(-out.size // 4)
    part = _PART if xp is np else max(1, blocks)
    for start in range(0, blocks, part):
        block = xp.arange(start, min(start + part, blocks), dtype=np.uint64)
        here = flat[4 * start : 4 * (start + part)]
        words = xp.stack(philox_words(xp, block, draw, seed), axis=1)
        here[...] = words.reshape(-1)[: len(here)]
    if not out.flags.c_contiguous:
        out[...] = flat.reshape(shape)
    return out


def _bits_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    # the answer published with the reference implementation for a counter and a key of zeros
    zero = np.array([0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8])
    state = np.array([0, 0], np.uint64)
    return [
        Sample((state,), {"shape": (4,)}, expected=zero),
        Sample((state,), {"shape": (3, 1)}, expected=zero[:3, None]),
        Sample((state,), {"shape": ()}, expected=zero[0]),
        Sample((np.array([2**64 - 1, 2**40], np.uint64),), {"shape": (3, 5)}),
        Sample((state,), {"shape": (0, 3)}),
        Bad((state.astype("int64"),), {"shape": (4,)}, DTypeError, "is uint64, got int64"),
        Bad((state[:1],), {"shape": (4,)}, ShapeError, "(seed, draw), got shape (1,)"),
    ]  # fmt: skip


random_bits = register(Op(
    name="random_bits", kind="random", infer=_bits_infer, eval=_bits_eval, extents=("shape",),
    into=True, differentiable=False, samples=_bits_samples,
    doc="Random uint32 of a shape by Philox4x32-10. Element i of the flattened result is word "
    "i % 4 of block i // 4, under the seed and the draw that the state (uint64[2]) holds.",
))  # fmt: skip

# ---------------------------------------------------------------------------- distributions


_PRECISION = {dt.float16: 11, dt.bfloat16: 8, float32: 24, float64: 53}  # bits of significand


def fold_in(state: Node, step: Node) -> Node:
    """Another state for each `step` (uint64, no dimensions), as far from the others as from any.

    The step takes the upper half of the draw number, which no count of draws reaches; the random
    words there are the new seed and draw. So steps within steps do not meet either.
    """
    draw = _part(state, 1) + logic.bitwise_left_shift(step, 32)
    place = concat(reshape(_part(state, 0), shape=(1,)), reshape(draw, shape=(1,)), axis=0)
    return _words64(place, (2,))


def uniform(state: Node, shape: Shape, dtype: DType) -> Node:
    """Evenly spread in [0, 1): each number a multiple of 2^-p, p the precision of `dtype`."""
    _working(dtype)
    return _fraction(state, shape, dtype, odd=False)


def _working(dtype: DType) -> DType:
    """The float in which a distribution of `dtype` is computed."""
    if not dt.is_float(dtype):
        raise DTypeError(f"random numbers of this distribution are floats, not {dtype.name}")
    return float64 if dtype == float64 else float32


def _fraction(state: Node, shape: Shape, dtype: DType, odd: bool) -> Node:
    """k / 2^p with k random in 0 ... 2^p - 1; with `odd`, k is odd: so neither 0 nor 1 is near."""
    bits = _PRECISION[dtype]
    if dtype == float64:
        words = random_bits(state, shape=(2, *shape))
        upper = logic.bitwise_right_shift(_part(words, 0), 5)
        lower = logic.bitwise_right_shift(_part(words, 1), 6)
        lower = logic.bitwise_or(lower, 1) if odd else lower
        whole = cast(upper, dtype=dtype) * 2.0**26 + cast(lower, dtype=dtype)
    else:
        word = logic.bitwise_right_shift(random_bits(state, shape=shape), 32 - bits)
        whole = cast(logic.bitwise_or(word, 1) if odd else word, dtype=dtype)
    return whole * 2.0**-bits


def _part(x: Node, index: int) -> Node:
    """x[index]."""
    return reshape(take_range(x, 0, index, 1), shape=x.shape[1:])


def normal(state: Node, shape: Shape, dtype: DType) -> Node:
    """Of mean 0 and deviation 1, by Box and Muller: sqrt(-2 log u) times cos and sin of an angle.

    Always finite: in float32 no number is further from 0 than 5.77, in float64 than 8.58.
    """
    count = product(shape)
    half = (count + 1) // 2
    pair = _fraction(state, (2, half), _working(dtype), odd=True)
    radius = e.sqrt(e.log(_part(pair, 0)) * -2)
    angle = _part(pair, 1) * (2 * math.pi)
    both = concat(radius * e.cos(angle), radius * e.sin(angle), axis=0)
    return cast(reshape(slice_(both, slices=((0, count, 1),)), shape=shape), dtype=dtype)


def bernoulli(state: Node, p: Node) -> Node:
    """True with probability p, element by element: bool of the shape of p."""
    return logic.less(uniform(state, p.shape, _working(p.dtype)), p)


def _words64(state: Node, shape: Shape) -> Node:
    """Random uint64, of two words each."""
    words = random_bits(state, shape=(2, *shape))
    upper, lower = (cast(_part(words, index), dtype=uint64) for index in (0, 1))
    return logic.bitwise_or(logic.bitwise_left_shift(upper, 32), lower)


def randint(state: Node, shape: Shape, low: Size, high: Size, dtype: DType) -> Node:
    """Integers from `low` to `high` - 1.

    The remainder of 64 random bits: no value is likelier than another by more than one part
    in 2^64 / (high - low).
    """
    if not dt.is_integer(dtype):
        raise DTypeError(f"randint: draws integers, not {dtype.name}")
    if is_known(low, high):
        if low >= high:
            raise ShapeError(f"randint: no integer lies from {low} to below {high}")
        limits = np.iinfo(dtype)
        if low < limits.min or high - 1 > limits.max:
            raise DTypeError(f"randint: {low} to {high} does not fit in {dtype.name}")
    words = _words64(state, shape)
    if high - low != 2**64:
        words = e.remainder(words, const(high - low, uint64))
    # in two's complement the sum comes out right even where it wraps
    wide = uint64 if dtype in dt.UNSIGNED else int64
    return cast(cast(words, dtype=wide) + const(low, wide), dtype=dtype)


def permutation(state: Node, n: Size) -> Node:
    """The numbers 0 ... n - 1 in random order: int64 (n,).

    The order of n random 64-bit keys. Keys that are equal (one chance in 2^65 / n^2) leave
    their numbers in ascending order.
    """
    return argsort(_words64(state, (n,)), axis=0, descending=False)


def gumbel(state: Node, shape: Shape, dtype: DType) -> Node:
    """-log(-log u): what is added to log probabilities so that the largest is a draw from them.
    Always finite."""
    u = _fraction(state, shape, _working(dtype), odd=True)
    return cast(-e.log(-e.log(u)), dtype=dtype)


def categorical(state: Node, logits: Node, axis: int) -> Node:
    """Indices along `axis`, each drawn with probability softmax(logits).

    The index of the largest logits + gumbel (the Gumbel-max trick). A logit of -inf is never
    drawn unless all are.
    """
    dtype = _working(logits.dtype)
    noise = gumbel(state, logits.shape, dtype)
    return argmax(
        cast(logits, dtype=dtype) + noise, axis=normalize_axis(axis, logits.ndim), keepdims=False
    )


PROPOSALS = 8  # that all of them are refused happens once in 10^10 numbers, at most


def gamma(state: Node, shape: Node) -> Node:
    """From the gamma distribution of this shape parameter and scale 1; no gradient reaches it.

    Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables" (2000): of several
    proposals the first that is not refused. Below 1 the number for shape + 1 is scaled down.
    """
    dtype = _working(shape.dtype)
    a = cast(stop_gradient(shape), dtype=dtype)
    small = e.less(a, 1)
    d = e.where(small, a + 1, a) - 1 / 3
    x = normal(fold_in(state, const(0, uint64)), (PROPOSALS, *a.shape), dtype)
    u = _fraction(fold_in(state, const(1, uint64)), (PROPOSALS, *a.shape), dtype, odd=True)
    root = 1 + x * e.rsqrt(d * 9)
    v = e.where(e.greater(root, 0), root * root * root, 1)
    bound = x * x * 0.5 + d * (1 - v + e.log(v))
    taken = logic.logical_and(e.greater(root, 0), e.less(e.log(u), bound))
    result = _part(v, PROPOSALS - 1)
    for number in reversed(range(PROPOSALS - 1)):
        result = e.where(_part(taken, number), _part(v, number), result)
    lower = _fraction(fold_in(state, const(2, uint64)), a.shape, dtype, odd=True)
    scaled = e.where(small, e.pow(lower, 1 / e.where(small, a, 1)), 1)
    return cast(d * result * scaled, dtype=shape.dtype)
