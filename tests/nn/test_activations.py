"""Activations against their formulas, and what the field's notes say of them."""

import numpy as np
import pytest
from fused import count, count_with_gradient
from scipy import special

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F

X = np.array([-30.0, -4.0, -1.5, -0.7, -0.2, 0.0, 0.3, 0.6, 2.0, 30.0])
TANH_GELU = 0.5 * X * (1 + np.tanh(np.sqrt(2 / np.pi) * (X + 0.044715 * X**3)))
SELU = (1.0507009873554805, 1.6732632423543772)


def elu(x, alpha=1.0, inner=1.0):
    return np.where(x > 0, x, alpha * np.expm1(inner * np.minimum(x, 0)))


def softmax(x, axis=-1):
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


A, B = np.split(X, 2)

CASES = [
    (nn.Step(), np.heaviside(X, 1.0)),
    (nn.BipolarStep(), 2 * np.heaviside(X, 1.0) - 1),
    (nn.Identity(), X),
    (nn.ReLU(), np.maximum(X, 0)),
    (nn.ReLU6(), np.clip(X, 0, 6)),
    (nn.LeakyReLU(0.1), np.where(X > 0, X, 0.1 * X)),
    (nn.PReLU(init=0.3).to("float64"), np.where(X > 0, X, 0.3 * X)),
    (nn.RReLU(0.1, 0.3).eval(), np.where(X > 0, X, 0.2 * X)),
    (nn.Tanh(), np.tanh(X)),
    (nn.Sigmoid(), special.expit(X)),
    (nn.LogSigmoid(), np.log(special.expit(X))),
    (nn.SiLU(), X * special.expit(X)),
    (nn.Swish(2.0), X * special.expit(2 * X)),
    (nn.Swish(-1.5, learnable=True).to("float64"), X * special.expit(-1.5 * X)),
    (nn.Mish(), X * np.tanh(np.logaddexp(X, 0))),
    (nn.GELU(), X * special.ndtr(X)),
    (nn.GELU("tanh"), TANH_GELU),
    (nn.ELU(2.0), elu(X, 2.0)),
    (nn.CELU(2.0), elu(X, 2.0, 0.5)),
    (nn.SELU(), SELU[0] * elu(X, SELU[1])),
    (nn.Softplus(), np.logaddexp(X, 0)),
    (nn.Softplus(2.0), np.logaddexp(2 * X, 0) / 2),
    (nn.Softsign(), X / (1 + abs(X))),
    (nn.Tanhshrink(), X - np.tanh(X)),
    (nn.Hardtanh(-2.0, 0.5), np.clip(X, -2.0, 0.5)),
    (nn.Hardsigmoid(), np.clip(X / 6 + 0.5, 0, 1)),
    (nn.Hardswish(), X * np.clip(X / 6 + 0.5, 0, 1)),
    (nn.Hardshrink(0.4), np.where(abs(X) > 0.4, X, 0)),
    (nn.Softshrink(0.4), np.sign(X) * np.maximum(abs(X) - 0.4, 0)),
    (nn.Threshold(0.4, 7.0), np.where(X > 0.4, X, 7.0)),
    (nn.Softmax(dim=0), softmax(X, 0)),
    (nn.Softmin(dim=None), softmax(-X)),
    (nn.LogSoftmax(dim=0), np.log(softmax(X, 0))),
    (nn.GLU(), A * special.expit(B)),
    (nn.SwiGLU(), A * B * special.expit(B)),
    (nn.GeGLU(), A * B * special.ndtr(B)),
    (nn.ReGLU(), A * np.maximum(B, 0)),
    (nn.Maxout(5), X.reshape(2, 5).max(1)),
]


@pytest.mark.parametrize(("layer", "expected"), CASES, ids=lambda case: repr(case)[:30])
def test_values_and_gradients(layer, expected):
    np.testing.assert_allclose(layer(tg.tensor(X)).numpy(), expected, rtol=1e-7, atol=1e-12)
    smooth = X * 0.3 + 0.033  # at no kink
    tg.testing.check_grads(layer, [smooth], order=2)


SMOOTH = [
    F.sigmoid, F.tanh, F.logsigmoid, F.softplus, F.silu, F.mish, F.gelu, F.elu, F.celu, F.selu,
    F.softsign, F.tanhshrink, F.hardswish, F.swish, lambda x: F.gelu(x, "tanh"),
]  # fmt: skip


@pytest.mark.parametrize("function", SMOOTH, ids=lambda f: f.__name__)
def test_slopes_of_extremes_are_finite(function):
    """To second order, where an exponential overflows in 32 bits."""
    x = tg.tensor([-1e4, -100.0, -89.0, 89.0, 100.0, 1e4])
    slope = tg.grad(lambda x: tg.sum(function(x)))
    for result in (function(x), slope(x), tg.grad(lambda x: tg.sum(slope(x)))(x)):
        assert np.isfinite(result.numpy()).all()


def test_slopes_at_zero_are_those_of_the_field():
    slopes = {F.relu: 0.0, F.leaky_relu: 0.01, F.elu: 1.0, F.gelu: 0.5, F.silu: 0.5, F.step: 0.0}
    for function, slope in slopes.items():
        assert tg.grad(function)(tg.tensor(0.0)).item() == pytest.approx(slope)


def test_elu_has_a_finite_slope_where_its_exponential_overflows():
    x = tg.tensor([1000.0, -1000.0], requires_grad=True)
    tg.sum(F.elu(x)).backward()
    assert x.grad.tolist() == [1.0, 0.0]


def test_integers_become_floats():
    x = np.array([-2, 0, 5])
    for function in (F.elu, F.step, F.softsign, F.leaky_relu, F.hardshrink, F.softmin):
        assert function(tg.tensor(x)).dtype == np.float32
    assert F.relu(tg.tensor(x)).tolist() == [0, 0, 5]


# ---------------------------------------------------------------------------- what the notes say


def test_the_step_is_one_at_exactly_zero():
    x = tg.tensor([-1.0, -1e-30, -0.0, 0.0, 1e-30, np.inf, np.nan], requires_grad=True)
    assert F.step(x).tolist()[:-1] == [0, 0, 1, 1, 1, 1]
    assert F.bipolar_step(x).tolist()[:-1] == [-1, -1, 1, 1, 1, 1]
    assert np.isnan(F.step(x).numpy()[-1])
    (F.step(x) + F.bipolar_step(x)).sum().backward()
    assert x.grad.tolist()[:-1] == [0.0] * 6


def test_the_sigmoid_and_its_slope():
    x = tg.tensor(np.linspace(-8, 8, 101))
    s = F.sigmoid(x)
    slope = tg.grad(lambda x: tg.sum(F.sigmoid(x)))(x).numpy()
    np.testing.assert_allclose(slope, (s * (1 - s)).numpy(), rtol=1e-9)
    assert slope.max() == slope[50] == 0.25
    assert s.numpy()[50] == 0.5
    assert F.sigmoid(tg.tensor([-1000.0, 1000.0])).tolist() == [0.0, 1.0]


def test_tanh_and_its_slope():
    x = tg.tensor(np.linspace(-8, 8, 101))
    slope = tg.grad(lambda x: tg.sum(F.tanh(x)))(x).numpy()
    np.testing.assert_allclose(slope, 1 - np.tanh(x.numpy()) ** 2, rtol=1e-7, atol=1e-15)
    assert slope.max() == slope[50] == 1.0
    assert F.tanh(tg.tensor([-1000.0, 1000.0])).tolist() == [-1.0, 1.0]


def test_tanh_is_zero_centred_and_the_sigmoid_is_not(rng):
    x = np.linspace(-3, 3, 1001)
    assert F.tanh(tg.tensor(x)).mean().item() == pytest.approx(0, abs=1e-12)
    assert F.sigmoid(tg.tensor(x)).mean().item() == pytest.approx(0.5)

    def signs(function):
        fed = function(tg.tensor(rng.standard_normal((1, 50))))
        slope = tg.grad(lambda w: tg.sum(fed @ w))(tg.tensor(rng.standard_normal(50)))
        return set(np.sign(slope.numpy()))

    # so the weights of a neuron that sigmoids feed get gradients of one sign
    assert signs(F.sigmoid) == {1.0}
    assert signs(F.tanh) == {-1.0, 1.0}


def test_a_leaky_relu_is_the_larger_of_two_lines():
    for alpha in (0.0, 0.01, 0.9):
        np.testing.assert_array_equal(
            F.leaky_relu(tg.tensor(X), alpha).numpy(), np.maximum(alpha * X, X)
        )


def test_prelu_learns_its_slope():
    layer = nn.PReLU(2, init=0.1)
    assert list(layer.state_dict()) == ["weight"]
    assert layer(tg.tensor([[-2.0, -3.0], [4.0, 5.0]])).sum().backward() is None
    assert layer.weight.grad.tolist() == [-2.0, -3.0]
    layer.weight.assign(tg.tensor([3.0, 3.0]))
    layer.reset_parameters()
    assert layer.weight.tolist() == pytest.approx([0.1, 0.1])


def test_swish_with_a_beta_of_its_own():
    x = tg.tensor(X)
    np.testing.assert_array_equal(F.swish(x).numpy(), F.silu(x).numpy())
    np.testing.assert_allclose(F.swish(x, 1e4).numpy(), np.maximum(X, 0), atol=1e-12)
    np.testing.assert_allclose(F.swish(x, 0.0).numpy(), X / 2)
    tg.testing.check_grads(F.swish, [X * 0.1, np.array(0.7)], order=2)
    tg.testing.check_grads(F.swish, [X.reshape(5, 2) * 0.1, np.array([0.7, -0.2])], order=2)
    layer = nn.Swish(1.5, learnable=True)
    assert {name: p.shape for name, p in layer.named_parameters()} == {"beta": ()}
    assert list(nn.Swish(1.5).parameters()) == []
    assert repr(layer) == "Swish(beta=1.5, learnable=True)"
    layer.beta.assign(tg.tensor(9.0))
    layer.reset_parameters()
    assert layer.beta.item() == 1.5


def test_elu_is_differentiable_at_zero_for_an_alpha_of_one_alone():
    def slopes(alpha):
        return [tg.grad(lambda x: F.elu(x, alpha))(tg.tensor(x)).item() for x in (-1e-9, 1e-9)]

    assert slopes(1.0) == pytest.approx([1.0, 1.0])
    assert slopes(0.5) == pytest.approx([0.5, 1.0])
    assert tg.grad(lambda x: F.celu(x, 0.5))(tg.tensor(-1e-9)).item() == pytest.approx(1.0)


def test_gelu_weighs_by_the_normal_distribution(rng):
    draws = rng.standard_normal(200_000)
    for x in (-1.0, 0.5, 2.0):  # x times how often a normal number is below x
        assert F.gelu(tg.tensor(x)).item() == pytest.approx(x * (draws < x).mean(), abs=0.01)


def test_selu_keeps_mean_and_variance(rng):
    tg.manual_seed(0)
    x = tg.tensor(rng.standard_normal((500, 300)))
    for _ in range(20):
        x = F.selu(x @ (rng.standard_normal((300, 300)) / np.sqrt(300)))
    assert x.mean().item() == pytest.approx(0, abs=0.1)
    assert x.var().item() == pytest.approx(1, abs=0.2)


def test_softmax_makes_probabilities(rng):
    z = rng.standard_normal((4, 6)) * 5
    s = F.softmax(tg.tensor(z)).numpy()
    assert (s > 0).all()
    np.testing.assert_allclose(s.sum(-1), 1)
    np.testing.assert_allclose(F.softmax(tg.tensor(z + 1000)).numpy(), s)
    np.testing.assert_allclose(np.log(s), F.log_softmax(tg.tensor(z)).numpy())


def test_the_jacobian_of_softmax(rng):
    z = rng.standard_normal(5)
    s = softmax(z)
    jacobian = tg.jacobian(F.softmax)(tg.tensor(z)).numpy()
    np.testing.assert_allclose(jacobian, np.diag(s) - np.outer(s, s), atol=1e-12)


def test_softmax_of_two_is_the_sigmoid():
    z = np.linspace(-20, 20, 41)
    pairs = np.stack([z, np.zeros_like(z)], axis=1)
    s = special.expit(z)
    np.testing.assert_allclose(F.softmax(tg.tensor(pairs)).numpy(), np.stack([s, 1 - s], 1))


def test_log_softmax_is_finite_for_any_logits():
    x = tg.tensor([[1e30, -1e30, 0.0], [-3e38, -3e38, -3e38]])
    assert np.isfinite(F.log_softmax(x).numpy()[:, 0]).all()
    assert F.log_softmax(tg.tensor([0.0, 5000.0])).tolist() == [-5000.0, 0.0]


@pytest.mark.parametrize("function", [F.softmax, F.softmin, F.log_softmax, F.sparsemax, tg.softmax])
def test_distributions_over_nothing_are_empty(function):
    x = tg.zeros((3, 0), requires_grad=True)
    result = function(x)
    result.sum().backward()
    assert result.shape == x.grad.shape == (3, 0)
    assert function(tg.zeros((0, 3))).shape == (0, 3)


def test_the_linear_activation_changes_nothing():
    x = tg.tensor(X)
    assert F.identity(x) is x
    assert nn.Identity()(x) is x


def test_without_an_activation_two_layers_are_one(rng):
    first, second = nn.Linear(4, 7).to("float64"), nn.Linear(7, 3).to("float64")
    w1, b1, w2, b2 = (p.numpy() for layer in (first, second) for p in layer.parameters())
    x = rng.standard_normal((5, 4))
    one = x @ (w2 @ w1).T + (w2 @ b1 + b2)
    np.testing.assert_allclose(nn.Sequential(first, second)(tg.tensor(x)).numpy(), one)
    bent = nn.Sequential(first, nn.ReLU(), second)(tg.tensor(x)).numpy()
    assert not np.allclose(bent, one, atol=0.01)


# ------------------------------------------------------------------------ the log of a sigmoid


@pytest.mark.parametrize(
    ("loss", "slopes"),
    [
        (lambda z: -tg.log(tg.sigmoid(z)), [-1.0, -0.5, 0.0]),
        (lambda z: -tg.log(1 - tg.sigmoid(z)), [0.0, 0.5, 1.0]),
        (
            lambda z: -(0.3 * tg.log(tg.sigmoid(z)) + 0.7 * tg.log(1 - tg.sigmoid(z))),
            [-0.3, 0.2, 0.7],
        ),
        (lambda z: -F.logsigmoid(z), [-1.0, -0.5, 0.0]),
    ],
    ids=["positive", "negative", "both", "logsigmoid"],
)
def test_the_log_of_a_sigmoid_has_its_slope_where_the_sigmoid_is_zero(loss, slopes):
    z = tg.tensor([-1000.0, 0.0, 1000.0], requires_grad=True)
    value = loss(z)
    value.sum().backward()
    assert np.isfinite(value.numpy()).all()
    np.testing.assert_allclose(z.grad.numpy(), slopes, rtol=1e-6)


# ---------------------------------------------------------------------------------- rrelu


def test_rrelu_draws_a_slope_for_each_element():
    tg.manual_seed(1)
    x = tg.tensor(-np.ones((200, 100), "float32"), requires_grad=True)
    layer = nn.RReLU(0.2, 0.6)
    y = layer(x)
    y.sum().backward()
    slopes = x.grad.numpy()
    np.testing.assert_array_equal(y.numpy(), -slopes)
    assert 0.2 <= slopes.min() < 0.201
    assert 0.599 < slopes.max() < 0.6
    assert slopes.mean() == pytest.approx(0.4, abs=0.005)
    assert (layer(x).numpy() != y.numpy()).any()
    np.testing.assert_array_equal(layer(-x).numpy(), -x.numpy())
    np.testing.assert_allclose(layer.eval()(x).numpy(), np.full((200, 100), -0.4), rtol=1e-6)


# ---------------------------------------------------------------------------------- sparsemax


def simplex(z):
    """The nearest point of the probability simplex, by bisection for t."""
    low, high = z.max() - 1, z.max()
    for _ in range(100):
        t = (low + high) / 2
        low, high = (t, high) if np.maximum(z - t, 0).sum() > 1 else (low, t)
    return np.maximum(z - low, 0)


def test_sparsemax_is_the_nearest_point_of_the_simplex(rng):
    z = rng.standard_normal((40, 7)) * rng.uniform(0.1, 5, (40, 1))
    p = F.sparsemax(tg.tensor(z)).numpy()
    np.testing.assert_allclose(p, np.stack([simplex(row) for row in z]), atol=1e-12)
    assert 1 < (p > 0).sum(1).mean() < 6
    columns = F.sparsemax(tg.tensor(z.T), dim=0).numpy()
    np.testing.assert_allclose(columns.T, p)
    np.testing.assert_allclose(nn.Sparsemax()(tg.tensor(z + 1e6)).numpy(), p, atol=1e-9)


def test_the_jacobian_of_sparsemax(rng):
    z = np.array([1.0, 0.8, 0.1, -2.0])
    s = (simplex(z) > 0).astype(float)
    jacobian = tg.jacobian(F.sparsemax)(tg.tensor(z)).numpy()
    np.testing.assert_allclose(jacobian, np.diag(s) - np.outer(s, s) / s.sum(), atol=1e-12)
    tg.testing.check_grads(F.sparsemax, [rng.standard_normal((5, 6))], order=2)


def test_sparsemax_of_odd_inputs():
    def of(*values, dtype="float32"):
        return F.sparsemax(tg.tensor(np.array(values, dtype))).tolist()

    assert of(2.0, 2.0, 2.0, 2.0) == [0.25] * 4
    assert of(5.0) == [1.0]
    assert of(1e30, 0.0, -np.inf) == [1.0, 0.0, 0.0]
    assert of(0.25, 0.75, dtype="float16") == [0.25, 0.75]
    assert np.isnan(of(-np.inf, -np.inf)).all()
    assert F.sparsemax(tg.zeros((3, 0))).shape == (3, 0)
    assert F.sparsemax(tg.tensor([2, 0])).tolist() == [1.0, 0.0]
    rows = tg.placeholder((None, 3), name="rows")
    run = tg.function([rows], F.sparsemax(rows))
    np.testing.assert_allclose(run(np.eye(3, dtype="float32")[:2]).numpy(), np.eye(3)[:2])


def test_sparsemax_of_an_open_number_of_classes():
    scores = tg.placeholder((2, None), name="scores")
    run = tg.function([scores], F.sparsemax(scores))
    for size in (1, 4):
        z = np.random.default_rng(size).standard_normal((2, size)).astype("float32")
        np.testing.assert_allclose(run(z).numpy(), [simplex(row) for row in z], atol=1e-6)


# ------------------------------------------------------------------------------ gumbel-softmax

LOGITS = np.array([0.0, 1.0, -1.0, 2.0], "float32")


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax_draws_with_the_probabilities_of_softmax(hard):
    tg.manual_seed(2)
    many = tg.tensor(np.broadcast_to(LOGITS, (100_000, 4)))
    drawn = F.gumbel_softmax(many, tau=0.5, hard=hard).numpy()
    np.testing.assert_allclose(drawn.sum(1), 1, rtol=1e-5)
    often = np.bincount(drawn.argmax(1), minlength=4) / 100_000
    np.testing.assert_allclose(often, softmax(LOGITS), atol=0.01)
    if hard:
        assert set(np.unique(drawn)) == {0.0, 1.0}


def test_gumbel_softmax_of_temperatures():
    x = tg.tensor(np.broadcast_to(LOGITS, (1000, 4)))
    assert F.gumbel_softmax(x, tau=100.0).numpy().max() < 0.35
    assert np.median(F.gumbel_softmax(x, tau=0.01).numpy().max(1)) > 0.999


def test_a_hard_draw_has_the_gradient_of_the_soft_one(rng):
    weights = rng.standard_normal((3, 4)).astype("float32")

    def slope(hard):
        tg.manual_seed(3)
        x = tg.tensor(LOGITS + np.zeros((3, 1), "float32"), requires_grad=True)
        result = F.gumbel_softmax(x, 0.7, hard, dim=0)
        tg.sum(result * weights).backward()
        return result.numpy(), x.grad.numpy()

    (soft, of_soft), (hard, of_hard) = slope(False), slope(True)
    np.testing.assert_array_equal(hard.argmax(0), soft.argmax(0))
    np.testing.assert_array_equal(hard.sum(0), np.ones(4))
    np.testing.assert_allclose(of_hard, of_soft, rtol=1e-5, atol=1e-7)
    assert abs(of_soft).max() > 0.01


def test_the_same_seed_draws_the_same_in_all_modes():
    def run():
        tg.manual_seed(5)
        return F.gumbel_softmax(tg.tensor(LOGITS)).numpy()

    first = run()
    np.testing.assert_array_equal(first, run())
    with tg.eager():
        np.testing.assert_allclose(run(), first, rtol=1e-5)
    tg.manual_seed(5)
    np.testing.assert_allclose(
        tg.jit(F.gumbel_softmax)(tg.tensor(LOGITS)).numpy(), first, rtol=1e-5
    )


def test_gumbel_numbers():
    tg.manual_seed(0)
    draws = tg.random.gumbel((200, 1000)).numpy()
    assert np.isfinite(draws).all()
    assert draws.mean() == pytest.approx(np.euler_gamma, abs=0.01)
    assert draws.var() == pytest.approx(np.pi**2 / 6, rel=0.02)
    assert tg.random.gumbel(dtype="float64").dtype == np.float64


# ------------------------------------------------------------------------------------- maxout


def test_a_layer_of_maxout_units(rng):
    linear = nn.Linear(5, 6).to("float64")
    x = rng.standard_normal((4, 5))
    pieces = x @ linear.weight.numpy().T + linear.bias.numpy()
    units = nn.Sequential(linear, nn.Maxout(3))(tg.tensor(x)).numpy()
    np.testing.assert_allclose(units, pieces.reshape(4, 2, 3).max(2))
    images = rng.standard_normal((2, 6, 3, 3))
    channels = F.maxout(tg.tensor(images), 2, dim=1).numpy()
    np.testing.assert_array_equal(channels, np.maximum(images[:, ::2], images[:, 1::2]))


def test_gates_of_open_sizes():
    x = tg.placeholder((None, 6), name="x")
    run = tg.function([x], [F.glu(x), F.maxout(x, 2), F.prelu(x, tg.tensor([0.5])), F.step(x)])
    for rows in (0, 3):
        shapes = [result.shape for result in run(np.ones((rows, 6), "float32"))]
        assert shapes == [(rows, 3), (rows, 3), (rows, 6), (rows, 6)]


# ----------------------------------------------------------------------------------- bad input

BAD = [
    (lambda: F.gelu(tg.ones(1), "fast"), ValueError, "expected approximate 'none' or 'tanh', got"),
    (lambda: F.glu(tg.ones((2, 3))), ShapeError, r"glu: expected an even size to halve, got 3 in"),
    (lambda: F.swiglu(tg.tensor(1.0)), ShapeError, r"swiglu: expected a dimension to halve, got"),
    (lambda: F.glu(tg.ones(4), 2), ShapeError, "glu: "),
    (lambda: F.maxout(tg.ones(4), 3), ShapeError, "maxout: expected groups to divide the 4 of"),
    (lambda: F.maxout(tg.ones(4), 0), ShapeError, "maxout: expected groups to divide the 4 of"),
    (lambda: nn.Maxout(0), ShapeError, "Maxout: expected groups to be an integer from 1, got 0"),
    (lambda: F.softmax2d(tg.ones((2, 2))), ShapeError, "softmax2d: expected an input with 3 or 4"),
    (lambda: F.prelu(tg.ones((2, 3)), tg.ones(2)), ShapeError, "one for each of the 3 channels"),
    (lambda: F.prelu(tg.ones((2, 3)), tg.ones((1, 3))), ShapeError, "of at most one dimension"),
    (lambda: nn.PReLU(-1), ShapeError, "PReLU: expected num_parameters to be an integer from 0"),
    (lambda: F.hardtanh(tg.ones(1), 2, 1), ValueError, "expected min_val <= max_val, got 2 and 1"),
    (lambda: nn.Hardtanh(1.0, 1.0), ValueError, "Hardtanh: expected min_val < max_val, got 1.0"),
    (lambda: F.softshrink(tg.ones(1), -1), ValueError, "softshrink: expected lambd from 0, got -1"),
    (lambda: F.rrelu(tg.ones(1), 0.5, 0.1), ValueError, "rrelu: expected lower <= upper, got 0.5"),
    (lambda: F.celu(tg.ones(1), 0), ValueError, "celu: expected alpha other than 0, got 0"),
    (lambda: F.softmax(tg.ones(3), 1), ShapeError, "softmax: "),
    (lambda: F.sparsemax(tg.tensor(1.0)), ShapeError, "sparsemax: "),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD, ids=[row[2][:20] for row in BAD])
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


# -------------------------------------------------------------------------------------- fusion

POINTWISE = [
    "step", "bipolar_step", "sigmoid", "tanh", "relu", "leaky_relu", "relu6", "elu", "celu",
    "selu", "gelu", "silu", "swish", "mish", "softplus", "softsign", "hardswish", "hardsigmoid",
    "hardtanh", "hardshrink", "softshrink", "tanhshrink", "logsigmoid", "rrelu", "glu",
    "swiglu", "geglu", "reglu", "softmax", "softmin", "log_softmax",
]  # fmt: skip


@pytest.mark.parametrize("name", POINTWISE)
def test_one_kernel_each_way(name):
    function = getattr(F, name)
    assert count(function, (64, 48)) == 1
    rows = "softmax" in name or name == "softmin"  # forward and backward in one go through a row
    assert count_with_gradient(function, (64, 48)) == (1 if rows else 2)


@pytest.mark.parametrize(
    ("function", "forward", "both"),
    [
        (lambda x: F.threshold(x, 0.1, 2.0), 1, 2),
        (lambda x: F.gelu(x, "tanh"), 1, 2),
        (lambda x: F.maxout(x, 4), 1, 2),
        (F.sparsemax, 4, 4),  # a sort, running sums, t and the result
    ],
    ids=["threshold", "gelu", "maxout", "sparsemax"],
)
def test_kernels_of_others(function, forward, both):
    assert count(function, (64, 48)) == forward
    assert count_with_gradient(function, (64, 48)) == both


@pytest.mark.parametrize(
    ("function", "shapes"),
    [(F.prelu, [(64, 48), (48,)]), (F.prelu, [(8, 6, 5), (1,)]), (F.swish, [(64, 48), ()])],
)
def test_a_learned_number_costs_the_sum_of_its_gradient(function, shapes):
    assert count(function, *shapes) == 1
    assert count_with_gradient(function, *shapes) == 3
