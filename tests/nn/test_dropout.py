"""Dropout and noise: what is drawn, how often, and what stays as it is.

Bounds of means are four standard errors or wider, and the seeds are fixed.
"""

import numpy as np
import pytest
from fused import count, count_with_gradient

import tinygraph as tg
from tinygraph import nn
from tinygraph.compiler.compile import make_tape
from tinygraph.errors import ShapeError
from tinygraph.graph.graph import Graph
from tinygraph.nn import functional as F

# each with an input that it takes
RANDOM = {
    "dropout": (F.dropout, (40, 50)),
    "original dropout": (lambda x, p, t: F.dropout(x, p, t, inverted=False), (40, 50)),
    "dropout1d": (F.dropout1d, (40, 50, 3)),
    "dropout2d": (F.dropout2d, (40, 50, 2, 2)),
    "dropout3d": (F.dropout3d, (40, 50, 2, 2, 1)),
    "alpha_dropout": (F.alpha_dropout, (40, 50)),
    "feature_alpha_dropout": (F.feature_alpha_dropout, (40, 50, 2)),
    "drop_path": (F.drop_path, (500, 3)),
    "gaussian_noise": (F.gaussian_noise, (40, 50)),
    "gaussian_dropout": (F.gaussian_dropout, (40, 50)),
}
LAYERS = [
    (nn.Dropout(0.3), (4, 5)), (nn.Dropout1d(0.3), (4, 5, 2)), (nn.Dropout2d(0.3), (4, 5, 2, 2)),
    (nn.Dropout3d(0.3), (4, 5, 2, 2, 2)), (nn.AlphaDropout(0.3), (4, 5)),
    (nn.FeatureAlphaDropout(0.3), (4, 5, 2)), (nn.DropPath(0.3), (40, 5)),
    (nn.GaussianNoise(0.3), (4, 5)), (nn.GaussianDropout(0.3), (4, 5)),
]  # fmt: skip


@pytest.mark.parametrize("name", RANDOM)
def test_the_same_seed_draws_the_same_in_all_modes(name):
    function, shape = RANDOM[name]
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")

    def run(function=function):
        tg.manual_seed(3)
        return function(tg.tensor(x), 0.4, True).numpy()

    first = run()
    assert (first != x).any()
    np.testing.assert_array_equal(run(), first)
    with tg.backend("numpy"):
        np.testing.assert_allclose(run(), first, rtol=1e-5, atol=1e-6)
    with tg.eager():
        np.testing.assert_allclose(run(), first, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(run(tg.jit(lambda x, *_: function(x, 0.4, True))), first, rtol=1e-5,
                               atol=1e-6)  # fmt: skip
    second = function(tg.tensor(x), 0.4, True).numpy()
    assert (second != first).any()  # the next draw is another


@pytest.mark.parametrize("name", RANDOM)
def test_without_training_nothing_changes(name):
    function, shape = RANDOM[name]
    x = tg.ones(shape)
    before = tg.random.get_state()
    if name == "original dropout":
        assert set(np.unique(function(x, 0.25, False).numpy())) == {0.75}
    else:
        assert function(x, 0.25, False) is x
    assert function(x, 0.0, True) is x
    assert tg.random.get_state() == before  # and nothing is drawn


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda x: str(x)[:16])
def test_layers_look_at_training_in_every_mode(layer, shape):
    x = tg.ones(shape)
    compiled = tg.jit(layer.__call__)
    for training in (True, False, True):
        layer.train(training)
        placeholder = tg.placeholder((None, *shape[1:]), name="x")
        graph = tg.function([placeholder], layer(placeholder))
        for run in (layer, compiled, graph):
            assert (run(x).numpy() != 1).any() == training
    assert layer.eval()(x) is x


def test_a_graph_draws_anew_at_each_call():
    x = tg.placeholder((None, 20), name="x")
    run = tg.function([x], F.dropout(x))
    ones = np.ones((10, 20), "float32")
    assert (run(ones).numpy() != run(ones).numpy()).any()


# ------------------------------------------------------------------------------------- dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_zeroes_with_probability_p(p):
    tg.manual_seed(0)
    zeroed = F.dropout(tg.ones((300, 300)), p).numpy() == 0
    error = np.sqrt(p * (1 - p) / zeroed.size)
    assert zeroed.mean() == pytest.approx(p, abs=5 * error)
    # independent of place: neighbours, rows and columns
    both = (zeroed[:, 1:] & zeroed[:, :-1]).mean()
    assert both == pytest.approx(p * p, abs=0.01)
    for axis in (0, 1):
        deviation = zeroed.mean(axis).std()
        assert deviation == pytest.approx(np.sqrt(p * (1 - p) / 300), rel=0.25)


def test_inverted_dropout_scales_in_training():
    tg.manual_seed(0)
    x = tg.tensor(np.full((400, 400), 2.0, "float32"), requires_grad=True)
    layer = nn.Dropout(0.2)
    result = layer(x)
    result.sum().backward()
    values = result.numpy()
    np.testing.assert_allclose(np.unique(values), [0, 2.5])
    assert values.mean() == pytest.approx(2, abs=0.015)
    np.testing.assert_allclose(x.grad.numpy(), values / 2)
    assert layer.eval()(x) is x


def test_original_dropout_scales_at_evaluation():
    tg.manual_seed(0)
    x = tg.tensor(np.full((400, 400), 2.0, "float32"))
    layer = nn.Dropout(0.2, inverted=False)
    assert repr(layer) == "Dropout(p=0.2, inplace=False, inverted=False)"
    values = layer(x).numpy()
    assert set(np.unique(values)) == {0.0, 2.0}
    np.testing.assert_allclose(layer.eval()(x).numpy(), np.full((400, 400), 1.6), rtol=1e-6)
    assert values.mean() == pytest.approx(1.6, abs=0.015)  # the same on average


def test_dropout_is_an_ensemble(rng):
    """The mean of many thinned networks is the whole network's output: so it is of a linear one,
    and behind a softmax it is the geometric mean, of probabilities."""
    tg.manual_seed(0)
    weight = rng.standard_normal((20, 3)).astype("float32")
    x = tg.tensor(np.broadcast_to(rng.standard_normal(20).astype("float32"), (50_000, 20)))
    whole = (x @ weight).numpy()[0]
    for inverted, factor in [(True, 1.0), (False, 0.5)]:
        thinned = F.dropout(x, 0.5, inverted=inverted) @ weight
        spread = thinned.numpy().std(0) / np.sqrt(50_000)
        np.testing.assert_array_less(abs(thinned.numpy().mean(0) - factor * whole), 5 * spread)
    logs = F.log_softmax(F.dropout(x, 0.5, inverted=False) @ weight).numpy().mean(0)
    geometric = np.exp(logs) / np.exp(logs).sum()
    expected = F.softmax(tg.tensor(0.5 * whole)).numpy()
    np.testing.assert_allclose(geometric, expected, atol=0.02)


def test_what_is_dropped_leaves_no_trace():
    x = tg.tensor([np.inf, np.nan, -np.inf], requires_grad=True)
    for inverted in (True, False):
        assert F.dropout(x, 1.0, inverted=inverted).tolist() == [0.0, 0.0, 0.0]


def test_integers_become_floats():
    assert F.dropout(tg.ones((4,), dtype="int64"), 0.5).dtype == np.float32
    assert F.dropout(tg.ones((4,), dtype="float16"), 0.5).dtype == np.float16
    assert F.gaussian_noise(tg.ones((4,), dtype="float64"), 0.5).dtype == np.float64


def test_drop_path_drops_whole_samples():
    tg.manual_seed(0)
    result = F.drop_path(tg.ones((4000, 3, 2)), 0.25).numpy()
    assert (np.ptp(result.reshape(4000, -1), axis=1) == 0).all()
    np.testing.assert_allclose(np.unique(result), [0, 1 / 0.75], rtol=1e-6)
    assert (result[:, 0, 0] == 0).mean() == pytest.approx(0.25, abs=0.03)
    assert repr(nn.DropPath(0.1)) == "DropPath(p=0.1)"


def test_a_residual_block_with_drop_path_is_the_identity_for_some_samples():
    tg.manual_seed(0)
    x = tg.ones((200, 4))
    block = x + nn.DropPath(0.5)(x * 3)
    assert set(np.unique(block.numpy())) == {1.0, 7.0}


# --------------------------------------------------------------------------- mean and variance


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("function", [F.alpha_dropout, F.feature_alpha_dropout])
def test_alpha_dropout_keeps_mean_and_variance(rng, function, p):
    tg.manual_seed(0)
    x = tg.tensor(rng.standard_normal((2000, 200)))
    result = function(x, p, True).numpy()
    assert result.mean() == pytest.approx(0, abs=0.02)
    assert result.var() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_gaussian_dropout_has_the_mean_and_variance_of_dropout(p):
    tg.manual_seed(0)
    x = tg.tensor(np.full((500, 1000), 3.0))
    for function in (F.gaussian_dropout, F.dropout):
        factors = function(x, p).numpy() / 3
        deviation = np.sqrt(p / (1 - p))
        assert factors.mean() == pytest.approx(1, abs=5 * deviation / np.sqrt(factors.size))
        assert factors.var() == pytest.approx(p / (1 - p), rel=0.02)


def test_gaussian_noise_has_its_deviation():
    """Noise on the inputs, in training alone."""
    tg.manual_seed(0)
    x = tg.tensor(np.linspace(-1, 1, 200_000).reshape(400, 500), requires_grad=True)
    layer = nn.GaussianNoise(0.25)
    noise = (layer(x) - x).numpy()
    assert noise.mean() == pytest.approx(0, abs=0.003)
    assert noise.std() == pytest.approx(0.25, rel=0.01)
    assert (abs(noise) < 0.5).mean() == pytest.approx(0.9545, abs=0.003)  # two deviations
    layer(x).sum().backward()
    assert (x.grad.numpy() == 1).all()
    assert layer.eval()(x) is x
    assert repr(layer) == "GaussianNoise(std=0.25)"


def test_the_gradient_of_gaussian_dropout_has_the_factors_of_the_result():
    tg.manual_seed(0)
    x = tg.tensor(np.full((30, 40), 2.0), requires_grad=True)
    result = F.gaussian_dropout(x, 0.3)
    result.sum().backward()
    np.testing.assert_allclose(x.grad.numpy() * 2, result.numpy())


# ----------------------------------------------------------------------------------- bad input

BAD = [
    (lambda: F.dropout(tg.ones(2), 1.5), ValueError, "dropout: expected p from 0 to 1, got 1.5"),
    (lambda: F.dropout(tg.ones(2), float("nan")), ValueError, "dropout: expected p from 0 to 1"),
    (lambda: F.dropout2d(tg.ones((1, 1)), 0.5), ShapeError, "with 3 or 4 dimensions, got shape"),
    (lambda: F.dropout2d(tg.ones(1), 0.5, False), ShapeError, "with 3 or 4 dimensions, got shape"),
    (lambda: F.dropout3d(tg.ones((1, 1, 1)), 0.5), ShapeError, "dropout3d: expected an input with"),
    (lambda: F.drop_path(tg.tensor(1.0), 0.5), ShapeError, "drop_path: expected an input"),
    (lambda: F.drop_path(tg.ones(2), -1), ValueError, "drop_path: expected p from 0 to 1, got -1"),
    (lambda: F.feature_alpha_dropout(tg.ones(2)), ShapeError, r"\(batch, channel, ...\), got"),
    (lambda: F.gaussian_dropout(tg.ones(2), 1.0), ValueError, "expected p from 0 to below 1, got"),
    (lambda: F.gaussian_noise(tg.ones(2), -1.0), ValueError, "expected a finite std from 0, got"),
    (lambda: nn.Dropout(1.5), ValueError, "Dropout: expected p from 0 to 1, got 1.5"),
    (lambda: nn.FeatureAlphaDropout(2), ValueError, "FeatureAlphaDropout: expected p from 0 to 1"),
    (lambda: nn.DropPath(2), ValueError, "DropPath: expected p from 0 to 1, got 2"),
    (lambda: nn.GaussianDropout(1), ValueError, "GaussianDropout: expected p from 0 to below 1"),
    (lambda: nn.GaussianNoise(-1), ValueError, "GaussianNoise: expected a finite std from 0, got"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD, ids=[row[2][:24] for row in BAD])
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


# -------------------------------------------------------------------------------------- fusion


def tape_with_gradient(function, shape):
    x = tg.placeholder(shape, name="x")
    loss, slope = tg.value_and_grad(lambda x: tg.sum(tg.exp(function(x))))(x)
    roots = [loss.node, slope.node]
    leaves = [node for node in Graph([], roots).nodes if node.op.leaf]
    return make_tape(Graph(leaves, roots), fuse=True)


ELEMENTWISE = {
    "dropout": F.dropout,
    "original dropout": lambda x: F.dropout(x, inverted=False),
    "alpha_dropout": lambda x: F.alpha_dropout(x, 0.5, True),
    "rrelu": lambda x: F.rrelu(x, training=True),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_no_mask_is_kept(name):
    """The random bits are drawn again in the backward pass, in the kernel that needs them."""
    tape = tape_with_gradient(ELEMENTWISE[name], (32, 64))
    assert len(tape) == 2
    written = [slot for instruction in tape.instructions for slot in instruction.outputs]
    assert {slot.dtype.name for slot in written} == {"float32"}  # neither bits nor a mask


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (F.dropout2d, (4, 8, 5, 5)),
        (lambda x: F.feature_alpha_dropout(x, 0.5, True), (4, 8, 25)),
        (lambda x: F.drop_path(x, 0.5), (32, 25)),
    ],
    ids=["dropout2d", "feature_alpha_dropout", "drop_path"],
)
def test_of_channels_and_samples_a_bool_each_is_kept(function, shape):
    tape = tape_with_gradient(function, shape)
    assert len(tape) == 3
    masks = [
        slot.view.shape
        for instruction in tape.instructions
        for slot in instruction.outputs
        if slot.dtype.name == "bool"
    ]
    assert masks == [(32,)]


@pytest.mark.parametrize(("function", "both"), [(lambda x: F.gaussian_noise(x, 0.1), 2),
                                                (F.gaussian_dropout, 3)])  # fmt: skip
def test_kernels_of_noise(function, both):
    assert len(tape_with_gradient(function, (32, 64))) == both


def test_without_training_dropout_costs_nothing():
    def thinned(x):
        return tg.exp(F.dropout(x, 0.5, False))

    assert count(thinned, (32, 64)) == count(tg.exp, (32, 64)) == 1
    assert count_with_gradient(thinned, (32, 64)) == 2
