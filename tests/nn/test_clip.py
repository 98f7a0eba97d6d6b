"""Gradient clipping."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import NonFiniteError


def with_gradients(*gradients):
    params = [nn.Parameter(np.zeros_like(g)) for g in gradients]
    for param, g in zip(params, gradients, strict=True):
        tg.sum(param * tg.tensor(g)).backward()
    return params


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, float("inf")])
def test_by_norm(order, rng):
    gradients = [rng.standard_normal(3), rng.standard_normal((2, 2))]
    total = np.linalg.norm(np.concatenate([g.ravel() for g in gradients]), order)
    for limit in (0.1, 100.0):
        params = with_gradients(*gradients)
        assert nn.utils.clip_grad_norm_(params, limit, order).item() == pytest.approx(total)
        for param, g in zip(params, gradients, strict=True):
            np.testing.assert_allclose(param.grad.numpy(), g * min(1, limit / (total + 1e-6)))


def test_by_value(rng):
    g = rng.standard_normal(5)
    (param,) = with_gradients(g)
    nn.utils.clip_grad_value_(param, 0.5)
    np.testing.assert_array_equal(param.grad.numpy(), np.clip(g, -0.5, 0.5))


def test_what_has_no_gradient_is_passed_over():
    assert nn.utils.clip_grad_norm_([nn.Parameter([1.0])], 1.0).item() == 0.0
    nn.utils.clip_grad_value_(nn.Parameter([1.0]), 1.0)


def test_errors():
    params = with_gradients(np.array([np.inf, 1.0]))
    with pytest.raises(NonFiniteError, match="of the gradients is inf"):
        nn.utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    with pytest.raises(ValueError, match="expected a norm_type above 0, got 0"):
        nn.utils.clip_grad_norm_(params, 1.0, 0)
    with pytest.raises(ValueError, match="expected a value from 0, got -1"):
        nn.utils.clip_grad_value_(params, -1)


def test_the_norm_of_16_bit_gradients_is_made_in_32_bits():
    (param,) = with_gradients(np.full(1000, 300, "float16"))
    assert nn.utils.clip_grad_norm_([param], 1.0).item() == pytest.approx(300 * 1000**0.5)
    np.testing.assert_allclose(param.grad.numpy(), 1000**-0.5, rtol=2e-3)
