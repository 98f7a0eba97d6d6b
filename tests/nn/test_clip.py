"""Norms of gradients, clipping in a loop, and parameters as a vector."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import NonFiniteError, ShapeError


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


def test_by_a_norm_that_is_known(rng):
    gradients = [rng.standard_normal(3), rng.standard_normal((2, 2))]
    whole, parts = with_gradients(*gradients), with_gradients(*gradients)
    nn.utils.clip_grad_norm_(whole, 0.5)
    total = nn.utils.get_total_norm([param.grad for param in parts])
    nn.utils.clip_grads_with_norm_(parts, 0.5, total)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one.grad.numpy(), other.grad.numpy())


def test_by_value(rng):
    g = rng.standard_normal(5)
    (param,) = with_gradients(g)
    nn.utils.clip_grad_value_(param, 0.5)
    np.testing.assert_array_equal(param.grad.numpy(), np.clip(g, -0.5, 0.5))


def test_what_has_no_gradient_is_passed_over():
    assert nn.utils.clip_grad_norm_([nn.Parameter([1.0])], 1.0).item() == 0.0
    nn.utils.clip_grad_value_(nn.Parameter([1.0]), 1.0)
    nn.utils.clip_grads_with_norm_(nn.Parameter([1.0]), 1.0, tg.tensor(3.0))


def test_an_iterator_is_used_up_once():
    params = with_gradients(np.array([3.0]), np.array([4.0]))
    assert nn.utils.clip_grad_norm_(iter(params), 1.0).item() == 5.0
    assert [param.grad.item() for param in params] == pytest.approx([0.6, 0.8])


def test_errors():
    params = with_gradients(np.array([np.inf, 1.0]))
    with pytest.raises(NonFiniteError, match="of the gradients is inf"):
        nn.utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(params[0].grad.numpy(), [np.inf, 1.0])
    with pytest.raises(ValueError, match="expected a number as norm_type, got nan"):
        nn.utils.clip_grad_norm_(params, 1.0, float("nan"))
    with pytest.raises(ValueError, match="expected a value from 0, got -1"):
        nn.utils.clip_grad_value_(params, -1)


def test_the_norm_of_16_bit_gradients_is_made_in_32_bits():
    (param,) = with_gradients(np.full(1000, 300, "float16"))
    assert nn.utils.clip_grad_norm_([param], 1.0).item() == pytest.approx(300 * 1000**0.5)
    np.testing.assert_allclose(param.grad.numpy(), 1000**-0.5, rtol=2e-3)


def test_a_traced_loop_clips():
    w = nn.Parameter([3.0, 4.0])
    optimizer = tg.optim.SGD([w], lr=1.0)

    @tg.jit
    def train():
        tg.sum(w * w).backward()
        norm = nn.utils.clip_grad_norm_(w, 5.0)
        optimizer.step()
        optimizer.zero_grad()
        return norm

    assert train().item() == pytest.approx(10.0)
    np.testing.assert_allclose(w.numpy(), [0.0, 0.0], atol=1e-5)


def test_parameters_as_a_vector(rng):
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    vector = nn.utils.parameters_to_vector(model.parameters())
    expected = np.concatenate([p.numpy().ravel() for p in model.parameters()])
    np.testing.assert_array_equal(vector.numpy(), expected)
    tg.sum(vector * vector).backward()
    np.testing.assert_allclose(model[0].weight.grad.numpy(), 2 * model[0].weight.numpy())
    new = rng.standard_normal(vector.shape).astype("float32")
    nn.utils.vector_to_parameters(tg.tensor(new), model.parameters())
    np.testing.assert_array_equal(nn.utils.parameters_to_vector(model.parameters()).numpy(), new)
    np.testing.assert_array_equal(model[1].bias.numpy(), new[-1:])


def test_vectors_that_do_not_fit():
    w = nn.Parameter([1.0, 2.0])
    for vector in (tg.ones(3), tg.ones((2, 1))):
        with pytest.raises(ShapeError, match=r"expected a vector of shape \(2,\)"):
            nn.utils.vector_to_parameters(vector, [w])
    with pytest.raises(TypeError, match="expected a Tensor, got a list"):
        nn.utils.vector_to_parameters([1.0, 2.0], [w])
    assert w.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("bound", [-1.0, float("nan")])
def test_a_bound_that_is_none(bound):
    w = nn.Parameter([1.0])
    tg.sum(w).backward()
    with pytest.raises(ValueError, match="clip_grad_norm_: expected max_norm from 0"):
        nn.utils.clip_grad_norm_([w], bound)
    assert w.grad.tolist() == [1.0]
