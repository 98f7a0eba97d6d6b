"""Activations against their formulas."""

import numpy as np
import pytest
from scipy import special

import tinygraph as tg
from tinygraph import nn
from tinygraph.nn import functional as F

X = np.array([-30.0, -1.5, -0.2, 0.0, 0.3, 2.0, 30.0])
TANH_GELU = 0.5 * X * (1 + np.tanh(np.sqrt(2 / np.pi) * (X + 0.044715 * X**3)))


def softmax(x, axis):
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


CASES = [
    (nn.ReLU(), np.maximum(X, 0)),
    (nn.Tanh(), np.tanh(X)),
    (nn.Sigmoid(), special.expit(X)),
    (nn.SiLU(), X * special.expit(X)),
    (nn.GELU(), X * special.ndtr(X)),
    (nn.GELU("tanh"), TANH_GELU),
    (nn.LeakyReLU(0.1), np.where(X > 0, X, 0.1 * X)),
    (nn.ELU(2.0), np.where(X > 0, X, 2 * np.expm1(np.minimum(X, 0)))),
    (nn.Softplus(), np.logaddexp(X, 0)),
    (nn.Softplus(2.0), np.logaddexp(2 * X, 0) / 2),
    (nn.Softmax(dim=0), softmax(X, 0)),
    (nn.LogSoftmax(dim=0), np.log(softmax(X, 0))),
]


@pytest.mark.parametrize(("layer", "expected"), CASES, ids=lambda case: repr(case)[:30])
def test_values_and_gradients(layer, expected):
    np.testing.assert_allclose(layer(tg.tensor(X)).numpy(), expected, rtol=1e-7, atol=1e-12)
    smooth = X[X != 0] * 0.3
    tg.testing.check_grads(layer, [smooth], order=2)


def test_slopes_at_zero_are_those_of_the_field():
    slopes = {F.relu: 0.0, F.leaky_relu: 0.01, F.elu: 1.0, F.gelu: 0.5, F.silu: 0.5}
    for function, slope in slopes.items():
        assert tg.grad(function)(tg.tensor(0.0)).item() == pytest.approx(slope)


def test_elu_has_a_finite_slope_where_its_exponential_overflows():
    x = tg.tensor([1000.0, -1000.0], requires_grad=True)
    tg.sum(F.elu(x)).backward()
    assert x.grad.tolist() == [1.0, 0.0]


def test_gelu_wants_a_known_form():
    with pytest.raises(ValueError, match="expected approximate 'none' or 'tanh', got 'fast'"):
        F.gelu(tg.tensor(1.0), "fast")
