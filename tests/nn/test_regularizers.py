"""Penalties against their formulas, and what they do to weights."""

import copy

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F
from tinygraph.nn import regularizers

W = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])


def orthogonal(w):
    gram = w @ w.T if len(w) <= w.shape[1] else w.T @ w
    return ((gram - np.eye(len(gram))) ** 2).sum()


def cosines(w):
    unit = w / np.linalg.norm(w, axis=1, keepdims=True)
    return abs((unit @ unit.T)[np.triu_indices(len(w), 1)]).mean()


CASES = {
    "L1": (regularizers.L1(0.3), lambda w: 0.3 * abs(w).sum()),
    "L2": (regularizers.L2(0.3), lambda w: 0.3 * (w**2).sum()),
    "elastic net": (
        regularizers.ElasticNet(0.3, 0.2),
        lambda w: 0.3 * abs(w).sum() + 0.2 * (w**2).sum(),
    ),
    "nothing": (regularizers.ElasticNet(0.0, 0.0), lambda w: 0.0),
    "orthogonal": (regularizers.Orthogonal(0.1), lambda w: 0.1 * orthogonal(w)),
    "orthogonal of Keras": (regularizers.OrthogonalRegularizer(0.1), lambda w: 0.1 * cosines(w)),
    "of columns": (
        regularizers.OrthogonalRegularizer(0.1, "columns"),
        lambda w: 0.1 * cosines(w.T),
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("transposed", [False, True])
def test_the_formula_and_its_gradient(name, transposed):
    regularizer, formula = CASES[name]
    w = W.T if transposed else W
    np.testing.assert_allclose(regularizer(tg.tensor(w)).item(), formula(w), rtol=1e-7)
    smooth = w + 0.1 * (w == 0)
    tg.testing.check_grads(regularizer, [smooth], order=2)


def test_slopes():
    """Those of the textbook: lambda sign(w), and 2 lambda w."""
    w = tg.tensor([2.0, 0.0, -3.0])
    assert tg.grad(regularizers.L1(0.5))(w).tolist() == [0.5, 0.0, -0.5]
    assert tg.grad(regularizers.L2(0.5))(w).tolist() == [2.0, 0.0, -3.0]


def test_several_weights_are_added():
    penalty = regularizers.L2(1.0)
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    expected = sum((value**2).sum() for value in net.state_dict().values())
    np.testing.assert_allclose(penalty(net.parameters()).item(), expected, rtol=1e-6)
    assert penalty([]).item() == 0.0


def test_bad_input():
    with pytest.raises(TypeError, match=r"expected Tensors, got a Linear; say which"):
        regularizers.L1()(nn.Linear(1, 1))
    with pytest.raises(ValueError, match="L2: expected l2 from 0, got -1"):
        regularizers.L2(-1)
    with pytest.raises(ValueError, match="expected mode 'rows' or 'columns', got 'rank'"):
        regularizers.OrthogonalRegularizer(mode="rank")
    with pytest.raises(ShapeError, match=r"at least 2 dimensions, got shape \(3,\)"):
        regularizers.Orthogonal()(tg.ones(3))
    with pytest.raises(TypeError, match="L2: expected Tensors, got a ndarray"):
        regularizers.L2()([np.ones(2)])
    assert repr(regularizers.L1L2(0.1, 0.2)) == "ElasticNet(l1=0.1, l2=0.2)"


def fitted(penalty):
    """Weights of a linear fit to data that depend on the first of four features alone."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 4)).astype("float32")
    y = x[:, :1] * 2.0
    layer = nn.Linear(4, 1, bias=False)
    optimizer = optim.SGD(layer.parameters(), lr=0.05)

    @tg.jit
    def train(x, y):
        loss = F.mse_loss(layer(x), y) + penalty(layer.parameters())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    for _ in range(300):
        train(tg.tensor(x), tg.tensor(y))
    return abs(layer.weight.numpy()[0])


def test_l1_drives_useless_weights_to_zero_and_l2_only_shrinks():
    lasso, ridge = fitted(regularizers.L1(0.5)), fitted(regularizers.L2(0.5))
    assert lasso[0] > 1.0
    assert lasso[1:].max() < 0.03  # within a step of 0
    assert 1.0 < ridge[0] < 1.7


def test_activity_regularization(rng):
    a = rng.standard_normal((5, 3))
    net = nn.Sequential(nn.ActivityRegularization(0.5, 0.25), nn.ActivityRegularization(l2=1.0))
    x = tg.tensor(a)
    assert regularizers.activity(net).item() == 0.0
    assert net(x) is x
    expected = (0.5 * abs(a).sum() + 1.25 * (a**2).sum()) / 5
    np.testing.assert_allclose(regularizers.activity(net).item(), expected)


def test_activity_regularization_is_copied_without_the_penalty_of_a_call():
    net = nn.Sequential(nn.ActivityRegularization(l1=1.0))
    net(tg.placeholder((None, 2), name="x"))
    other = copy.deepcopy(net)
    assert regularizers.activity(other).item() == 0.0
    other(tg.tensor([[1.0, -2.0]]))
    assert regularizers.activity(other).item() == 3.0
    assert net[0].activity_penalty is not None


def test_activity_regularization_in_a_graph():
    layer, net = nn.Linear(2, 2), nn.ActivityRegularization(l1=1.0)
    x = tg.placeholder((None, 2), name="x")
    y = net(layer(x))
    run = tg.function([x], [y, regularizers.activity(net)])
    value, cost = run(np.ones((3, 2), "float32"))
    np.testing.assert_allclose(cost.item(), abs(value.numpy()).sum() / 3, rtol=1e-6)


@pytest.mark.parametrize(
    "penalty", [regularizers.Orthogonal(), regularizers.OrthogonalRegularizer()]
)
def test_a_weight_without_rows_costs_nothing(penalty):
    assert penalty(tg.zeros((0, 3))).item() == 0.0
