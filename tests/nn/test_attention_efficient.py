"""Attention that is cheaper than n x n: exact where it says so, near where it says so."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F

N = 21


@pytest.fixture
def qkv(rng):
    return [rng.standard_normal((2, 3, N, size)) for size in (5, 5, 4)]


@pytest.fixture
def seen(rng):
    """Which keys take part; of the first sequence none."""
    mask = rng.random((2, 1, N)) < 0.7
    mask[0] = False
    return mask


def softmax_attention(q, k, v, mask=True):
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    mask = np.broadcast_to(mask, scores.shape)
    weights = np.where(mask, np.exp(scores - scores.max(-1, keepdims=True)), 0.0)
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total, total, 1.0) @ v


def causal(is_causal):
    return np.tril(np.ones((N, N), bool)) if is_causal else np.ones((N, N), bool)


def check(got, want, rtol=1e-9):
    np.testing.assert_allclose(got.numpy(), want, rtol=rtol, atol=1e-12)


# --------------------------------------------------------------------------- local, sparse


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("window", [0, 1, 4, N - 1, 3 * N])
def test_local_attention_is_that_with_a_window_mask(qkv, seen, window, is_causal):
    tensors = list(map(tg.tensor, qkv))
    mask = F.sliding_window_mask(N, window, is_causal=is_causal).numpy()
    check(F.local_attention(*tensors, window, is_causal), softmax_attention(*qkv, mask))
    got = F.local_attention(*tensors, window, is_causal, key_mask=tg.tensor(seen))
    check(got, softmax_attention(*qkv, mask & seen[:, :, None]))
    check(F.local_attention(*tensors, window, is_causal, scale=5**-0.5),
          softmax_attention(*qkv, mask))  # fmt: skip


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("places", [0, 1, 3, [2, 17, 5]])
@pytest.mark.parametrize("window", [0, 2, N])
def test_sparse_attention_adds_global_tokens(qkv, seen, window, places, is_causal):
    mask = F.sliding_window_mask(N, window).numpy()
    chosen = list(range(places)) if isinstance(places, int) else places
    mask[chosen], mask[:, chosen] = True, True
    mask &= causal(is_causal)
    tensors = list(map(tg.tensor, qkv))
    check(F.sparse_attention(*tensors, window, places, is_causal), softmax_attention(*qkv, mask))
    got = F.sparse_attention(*tensors, window, places, is_causal, key_mask=tg.tensor(seen))
    check(got, softmax_attention(*qkv, mask & seen[:, :, None]))


def test_wrong_windows_and_places(qkv):
    q, k, v = map(tg.tensor, qkv)
    with pytest.raises(ShapeError, match="local_attention: expected window to be an integer"):
        F.local_attention(q, k, v, 1.5)
    with pytest.raises(ShapeError, match="expected as many queries as keys"):
        F.local_attention(q[..., :3, :], k, v, 1)
    for places in (N + 1, [N], [-1], [2, 2]):
        with pytest.raises(ShapeError, match="different places within the 21 tokens"):
            F.sparse_attention(q, k, v, 1, places)
    with pytest.raises(DTypeError, match="expected key_mask of bool, got float32"):
        F.local_attention(q, k, v, 1, key_mask=tg.ones(N))
    with pytest.raises(ShapeError, match=r"expected key_mask of shape \(..., 21\), got \(3,\)"):
        F.local_attention(q, k, v, 1, key_mask=tg.ones(3, dtype=bool))


# -------------------------------------------------------- linear, Performer, Linformer


def kernel_attention(phi, q, k, v, mask):
    weights = phi(q) @ np.swapaxes(phi(k), -1, -2) * mask
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total, total, 1.0) @ v


def elu_plus_one(x):
    return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))


@pytest.mark.parametrize("is_causal", [False, True])
def test_linear_attention(qkv, seen, is_causal, monkeypatch):
    monkeypatch.setattr("tinygraph.nn.functional.efficient.CHUNK", 8)
    tensors = list(map(tg.tensor, qkv))
    got = F.linear_attention(*tensors, is_causal)
    check(got, kernel_attention(elu_plus_one, *qkv, causal(is_causal)))
    masked = F.linear_attention(*tensors, is_causal, key_mask=tg.tensor(seen))
    want = kernel_attention(elu_plus_one, *qkv, causal(is_causal) & seen[:, :, None])
    check(masked, want)
    squares = F.linear_attention(*tensors, is_causal, feature_map=lambda x: x * x)
    check(squares, kernel_attention(np.square, *qkv, causal(is_causal)))


def test_linear_attention_where_the_features_are_tiny(qkv):
    q, k, v = qkv
    got = F.linear_attention(*map(tg.tensor, (q - 60.0, k - 60.0, v)))
    check(got, kernel_attention(np.exp, q - 60.0, k - 60.0, v, 1.0))
    low = [tg.tensor(x.astype("float32"), requires_grad=True) for x in (q - 200, k - 200, v)]
    nothing = F.linear_attention(*low)  # all features are 0
    (nothing * nothing).sum().backward()
    assert not nothing.numpy().any()
    assert all(np.isfinite(x.grad.numpy()).all() for x in low)


@pytest.mark.parametrize("is_causal", [False, True])
def test_performer_comes_nearer_with_more_features(qkv, seen, is_causal):
    gentle = [0.5 * x for x in qkv]  # the spread of the estimate grows with exp(|q + k|²)
    tensors = list(map(tg.tensor, gentle))
    want = softmax_attention(*gentle, causal(is_causal) & seen[:, :, None])

    def error(features):
        generator = tg.random.Generator(1)
        results = [
            F.performer_attention(*tensors, features, is_causal, key_mask=tg.tensor(seen),
                                  generator=generator).numpy()
            for _ in range(4)
        ]  # fmt: skip
        return np.mean([abs(result - want).mean() for result in results])

    few, some, many = (error(features) for features in (16, 256, 4096))
    assert many < some / 2 < few / 4
    assert many < 0.01


def test_performer_does_not_overflow_and_repeats(qkv):
    q, k, v = (tg.tensor((30 * x).astype("float32")) for x in qkv)
    results = [
        F.performer_attention(q, k, v, 32, generator=tg.random.Generator(seed)).numpy()
        for seed in (1, 1, 2)
    ]
    assert np.isfinite(results).all()
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()
    w = F.random_features(32, 5, generator=tg.random.Generator(1))
    np.testing.assert_array_equal(F.performer_attention(q, k, v, projection=w).numpy(), results[0])
    with pytest.raises(ShapeError, match=r"expected a projection \(features, 5\), got shape"):
        F.performer_attention(q, k, v, projection=w[:, :3])
    with pytest.raises(ShapeError, match="expected num_features and size from 1, got 0 and 5"):
        F.performer_attention(q, k, v, 0)


def test_random_features_are_normal_and_at_right_angles():
    w = F.random_features(4000, 4, generator=tg.random.Generator(3)).numpy().astype("float64")
    assert abs(w.mean(0)).max() < 0.06
    np.testing.assert_allclose(w.T @ w / len(w), np.eye(4), atol=0.06)
    square = w[:4] / np.linalg.norm(w[:4], axis=1, keepdims=True)
    np.testing.assert_allclose(square @ square.T, np.eye(4), atol=1e-5)


def test_linformer(qkv, rng, seen):
    q, k, v = qkv
    e, f = rng.standard_normal((2, 6, N)) / 5
    tensors = list(map(tg.tensor, qkv))
    check(F.linformer_attention(*tensors, tg.tensor(e), tg.tensor(f)),
          softmax_attention(q, e @ k, f @ v))  # fmt: skip
    check(F.linformer_attention(*tensors, tg.tensor(e)), softmax_attention(q, e @ k, e @ v))
    column = seen[..., None]
    got = F.linformer_attention(*tensors, tg.tensor(e), key_mask=tg.tensor(seen))
    check(got, softmax_attention(q, e @ (k * column), e @ (v * column)))
    exact = F.linformer_attention(*tensors, tg.eye(N, dtype="float64"))
    check(exact, softmax_attention(*qkv))
    with pytest.raises(ShapeError, match=r"expected f of shape \(length, 21\), got \(21, 6\)"):
        F.linformer_attention(*tensors, tg.tensor(e), tg.tensor(f.T))


# ------------------------------------------------------------------------------------ tiled


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("size", [1, 4, 7, N, 64])
def test_tiled_attention_is_exact(qkv, seen, size, is_causal):
    tensors = list(map(tg.tensor, qkv))
    got = F.flash_attention(*tensors, is_causal, block_size=size)
    check(got, softmax_attention(*qkv, causal(is_causal)))
    got = F.flash_attention(*tensors, is_causal, key_mask=tg.tensor(seen), block_size=size)
    check(got, softmax_attention(*qkv, causal(is_causal) & seen[:, :, None]))


def test_tiled_attention_of_other_shapes(rng):
    for lead, rows, keys in (((), 3, 10), ((2,), 10, 3), ((0,), 3, 3), ((2,), 3, 0)):
        q, k = rng.standard_normal((*lead, rows, 5)), rng.standard_normal((2, 1, keys, 5))
        got = F.flash_attention(tg.tensor(q), tg.tensor(k), tg.tensor(k[0]), block_size=4)
        want = F.scaled_dot_product_attention(tg.tensor(q), tg.tensor(k), tg.tensor(k[0]))
        check(got, want.numpy())
    with pytest.raises(ShapeError, match="expected block_size to be an integer from 1, got 0"):
        F.flash_attention(tg.tensor(q), tg.tensor(k), tg.tensor(k), block_size=0)


def test_tiled_attention_of_large_and_of_short_numbers(qkv):
    q, k, v = (tg.tensor(x.astype("float16")) for x in qkv)
    got = F.flash_attention(q, k, v, block_size=4)
    assert got.dtype == "float16"
    np.testing.assert_allclose(got.numpy(), softmax_attention(*qkv), rtol=1e-2, atol=1e-2)
    q, k, v = (tg.tensor(1e4 * x.astype("float32")) for x in qkv)
    got = F.flash_attention(q, k, v, block_size=4).numpy()
    np.testing.assert_allclose(got, F.scaled_dot_product_attention(q, k, v).numpy(), rtol=1e-5)


def gradients(function, tensors):
    return tg.grad(lambda *x: (function(*x) ** 2).sum(), (0, 1, 2))(*tensors)


@pytest.mark.parametrize("is_causal", [False, True])
def test_the_gradient_of_tiled_attention(qkv, seen, is_causal):
    tensors = list(map(tg.tensor, qkv))
    mask = tg.tensor(causal(is_causal) & seen[:, :, None])
    tiled = gradients(
        lambda q, k, v: F.flash_attention(q, k, v, is_causal, None, tg.tensor(seen), 4), tensors
    )
    plain = gradients(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask), tensors)
    for mine, want in zip(tiled, plain, strict=True):
        check(mine, want.numpy())


def sizes(graph):
    """The number of elements of every value in a graph and in the bodies of its loops."""
    for node in graph.nodes:
        for aval in node.outs or (node.aval,):
            yield int(np.prod(aval.shape))
        if "body" in node.params:
            yield from sizes(node.params["body"])


def test_tiled_attention_and_its_gradient_have_no_square_matrix():
    peaks = []
    for length in (256, 512, 1024):
        inputs = [tg.placeholder((length, 8), name=name) for name in "qkv"]
        step = tg.function(inputs, gradients(F.flash_attention, inputs))
        assert max(sizes(step.graph)) <= length * 128
        peaks.append(step.tape().memory.peak)
    assert peaks[2] - peaks[1] == pytest.approx(2 * (peaks[1] - peaks[0]), rel=0.05)  # linear
    step = tg.function(inputs, gradients(F.scaled_dot_product_attention, inputs))
    assert max(sizes(step.graph)) == length * length  # which the measure does see


@pytest.mark.parametrize("name", ["local causal", "sparse", "linear", "linear causal", "performer"])
def test_the_cost_grows_with_the_length_and_not_its_square(name):
    largest = []
    for length in (512, 1024, 2048):
        inputs = [tg.placeholder((length, 8), name=letter) for letter in "qkv"]
        step = tg.function(inputs, gradients(ALL[name], inputs))
        largest.append(max(sizes(step.graph)))
    assert largest[1] <= 2.1 * largest[0]
    assert largest[2] <= 2.1 * largest[1]
    assert largest[2] < 2048 * 2048 / 8


# ---------------------------------------------------------------------------- all of them

ALL = {
    "local": lambda q, k, v: F.local_attention(q, k, v, 2),
    "local causal": lambda q, k, v: F.local_attention(q, k, v, 2, True),
    "sparse": lambda q, k, v: F.sparse_attention(q, k, v, 2, 2, True),
    "linear": lambda q, k, v: F.linear_attention(q, k, v),
    "linear causal": lambda q, k, v: F.linear_attention(q, k, v, True),
    "performer": lambda q, k, v: F.performer_attention(
        q, k, v, 8, generator=tg.random.Generator(0)
    ),
    "linformer": lambda q, k, v: F.linformer_attention(q, k, v, tg.ones((3, 7)) / 7),
    "flash": lambda q, k, v: F.flash_attention(q, k, v, True, block_size=3),
}


@pytest.mark.parametrize("name", ALL)
def test_gradients(rng, name):
    arrays = [rng.standard_normal((7, size)) for size in (3, 3, 2)]
    modes = ("rev",) if name == "flash" else ("rev", "fwd")
    tg.testing.check_grads(ALL[name], arrays, order=2, modes=modes)


@pytest.mark.parametrize("name", ALL)
def test_modes_and_backends(rng, name):
    arrays = [rng.standard_normal((2, 7, size)).astype("float32") for size in (3, 3, 2)]
    tensors = list(map(tg.tensor, arrays))
    with tg.backend("numpy"):
        want = [x.numpy() for x in (ALL[name](*tensors), *gradients(ALL[name], tensors))]
    with tg.eager():
        eager = [ALL[name](*tensors), *gradients(ALL[name], tensors)]
    lazy = [ALL[name](*tensors), *gradients(ALL[name], tensors)]
    jitted = [tg.jit(ALL[name])(*tensors)]
    for results in (eager, lazy, jitted):
        for got, expected in zip(results, want):
            np.testing.assert_allclose(got.numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in ALL if name != "linformer"])
def test_lengths_may_be_open(rng, name):
    inputs = [tg.placeholder((None, None, 3), name=letter) for letter in "qkv"]
    q = inputs[0]
    step = tg.function([q], ALL[name](q, q, q))
    for length in (1, 7, 130):
        x = rng.standard_normal((2, length, 3)).astype("float32")
        if name == "sparse" and length < 2:
            continue
        want = ALL[name](*[tg.tensor(x)] * 3)
        np.testing.assert_allclose(step(x).numpy(), want.numpy(), rtol=1e-4, atol=1e-5)
