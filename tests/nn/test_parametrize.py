"""Parameters that are computed from others."""

import copy

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    def forward(self, x):
        return tg.triu(x) + tg.triu(x, 1).T

    def right_inverse(self, x):
        return tg.triu(x)


class Double(nn.Module):
    def forward(self, x):
        return 2.0 * x


def test_a_parameter_is_computed_each_time():
    layer = nn.Linear(3, 3)
    weight, before = layer.weight, layer.weight.numpy()
    parametrize.register_parametrization(layer, "weight", Symmetric())
    upper = np.triu(before)
    np.testing.assert_array_equal(layer.weight.numpy(), upper + np.triu(before, 1).T)
    assert layer.parametrizations.weight.original is weight  # an optimizer goes on knowing it
    assert [name for name, _ in layer.named_parameters()] == [
        "bias", "parametrizations.weight.original"
    ]  # fmt: skip
    weight.assign(tg.ones((3, 3)))
    np.testing.assert_array_equal(layer.weight.numpy(), np.ones((3, 3)))
    layer(tg.ones((2, 3))).sum().backward()
    np.testing.assert_array_equal(
        weight.grad.numpy(), 2 * np.triu(np.full((3, 3), 2)) - 2 * np.eye(3)
    )


def test_one_after_the_other_and_back():
    layer = nn.Linear(3, 3)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    symmetric = layer.weight.numpy()
    parametrize.register_parametrization(layer, "weight", Double())
    np.testing.assert_allclose(layer.weight.numpy(), 2 * symmetric)
    assert isinstance(layer, nn.Linear)
    assert type(layer).__name__ == "ParametrizedLinear"
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    assert parametrize.is_parametrized(layer)
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    assert parametrize.remove_parametrizations(layer, "weight") is layer
    assert type(layer) is nn.Linear
    assert not parametrize.is_parametrized(layer)
    np.testing.assert_allclose(layer.weight.numpy(), 2 * symmetric)
    assert set(layer.state_dict()) == {"weight", "bias"}


def test_the_original_comes_back():
    layer = nn.Linear(2, 2)
    before = layer.weight
    parametrize.register_parametrization(layer, "weight", Double())
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight is before


def test_what_is_assigned_goes_through_the_inverse():
    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    layer.weight = tg.tensor([[1.0, 2.0], [2.0, 3.0]])
    assert layer.parametrizations.weight.original.tolist() == [[1.0, 2.0], [0.0, 3.0]]
    assert layer.weight.tolist() == [[1.0, 2.0], [2.0, 3.0]]
    parametrizations.weight_norm(layer, "bias", dim=None)
    layer.bias = tg.tensor([3.0, 4.0])
    assert layer.parametrizations.bias.original0.item() == 5.0
    parametrize.register_parametrization(layer, "weight", Double())
    with pytest.raises(NotImplementedError, match="Double has no method `right_inverse`"):
        layer.weight = tg.ones((2, 2))


def test_a_buffer_stays_a_buffer():
    layer = nn.BatchNorm1d(3)
    parametrize.register_parametrization(layer, "running_var", Double())
    assert layer.running_var.tolist() == [2.0, 2.0, 2.0]
    assert "parametrizations.running_var.original" in dict(layer.named_buffers())
    parametrize.remove_parametrizations(layer, "running_var")
    assert dict(layer.named_buffers())["running_var"].tolist() == [2.0, 2.0, 2.0]


def test_each_is_computed_once_within_cached():
    layer = parametrizations.weight_norm(nn.Linear(3, 2))
    assert layer.weight is not layer.weight
    with parametrize.cached():
        first = layer.weight
        with parametrize.cached():
            assert layer.weight is first
        assert layer.weight is first
    assert layer.weight is not first


def test_a_copy_is_one_of_its_own():
    layer = parametrizations.spectral_norm(nn.Linear(3, 2)).eval()
    other = copy.deepcopy(layer)
    np.testing.assert_array_equal(other.weight.numpy(), layer.weight.numpy())
    parametrize.remove_parametrizations(other, "weight")
    other.weight.assign(tg.zeros((2, 3)))
    assert parametrize.is_parametrized(layer, "weight")
    assert np.linalg.norm(layer.weight.numpy(), 2) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (lambda m: parametrize.register_parametrization(m, "wait", Double()), ValueError,
         "Linear has no parameter or buffer 'wait'"),
        (lambda m: parametrize.register_parametrization(m, "weight", nn.Flatten(0)), ValueError,
         "with unsafe=True it may give another"),
        (lambda m: parametrize.remove_parametrizations(m, "weight"), ValueError,
         "Linear has no parametrization of 'weight'"),
        (lambda m: parametrize.remove_parametrizations(parametrizations.weight_norm(m), "weight",
                                                       leave_parametrized=False),
         ValueError, "has 2 Tensors: expected leave_parametrized=True"),
        (lambda m: parametrizations.spectral_norm(m, n_power_iterations=0), ValueError,
         "expected n_power_iterations from 1, got 0"),
        (lambda m: parametrizations.spectral_norm(m, dim=2), IndexError, "got 2"),
        (lambda m: nn.utils.remove_weight_norm(m), ValueError, "is not normalized so"),
        (lambda m: nn.utils.weight_norm(nn.utils.weight_norm(m)), RuntimeError, "already"),
    ],
)  # fmt: skip
def test_errors(act, kind, message):
    layer = nn.Linear(3, 2)
    with pytest.raises(kind, match=message):
        act(layer)


def test_weight_norm_by_its_formula(rng):
    """g v / |v| for each output; at the beginning that is the weight."""
    layer = nn.Conv2d(2, 3, 3)
    before = layer.weight.numpy()
    parametrizations.weight_norm(layer)
    np.testing.assert_allclose(layer.weight.numpy(), before, rtol=1e-6)
    held = layer.parametrizations.weight
    held.original0.assign(tg.ones((3, 1, 1, 1)))
    held.original1.assign(7.0 * held.original1)
    lengths = np.sqrt((layer.weight.numpy() ** 2).sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(lengths, np.ones(3), rtol=1e-6)


def test_spectral_norm_finds_the_largest_singular_value(rng):
    layer = nn.Conv2d(4, 6, 3)
    before = layer.weight.numpy().reshape(6, -1)
    parametrizations.spectral_norm(layer, n_power_iterations=5)
    for _ in range(30):
        layer(tg.ones((1, 4, 3, 3))).numpy()
    want = before / np.linalg.svd(before)[1][0]
    np.testing.assert_allclose(
        layer.eval().weight.numpy().reshape(6, -1), want, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("sizes", [(4, 4), (3, 5), (5, 3)])
def test_weights_stay_orthogonal_while_they_are_learned(kind, sizes, rng):
    layer = parametrizations.orthogonal(nn.Linear(*sizes), orthogonal_map=kind)
    before = layer.weight.numpy()
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    x = tg.tensor(rng.standard_normal((6, sizes[0])).astype("float32"))
    target = tg.tensor(rng.standard_normal((6, sizes[1])).astype("float32"))
    for _ in range(5):
        ((layer(x) - target) ** 2).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    weight = layer.weight.numpy()
    assert np.abs(weight - before).max() > 0.1
    short = weight.T if weight.shape[0] > weight.shape[1] else weight
    np.testing.assert_allclose(short @ short.T, np.eye(len(short)), atol=1e-5)


def test_the_first_weight_is_the_given_one_if_it_is_orthogonal(rng):
    layer = nn.Linear(4, 4)
    given = np.linalg.qr(rng.standard_normal((4, 4)))[0].astype("float32")
    layer.weight.assign(given)
    parametrizations.orthogonal(layer)
    np.testing.assert_allclose(layer.weight.numpy(), given, atol=1e-6)
    with pytest.raises(ValueError, match="expected orthogonal_map out of matrix_exp, cayley, hou"):
        parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="qr")
    with pytest.raises(ValueError, match=r"expected .*m, n., got .3,."):
        parametrizations.orthogonal(nn.BatchNorm1d(3))


@pytest.mark.parametrize("change", [parametrizations.spectral_norm, nn.utils.spectral_norm])
def test_evaluation_leaves_the_vectors(change):
    layer = change(nn.Linear(3, 2)).eval()
    before = layer.state_dict()
    layer(tg.ones((1, 3))).numpy()
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("training", [True, False])
def test_a_graph_without_updates_leaves_the_vectors(training):
    layer = parametrizations.spectral_norm(nn.Linear(3, 2)).train(training)
    x = tg.placeholder((None, 3), name="x")
    run = tg.function([x], layer(x))
    before = layer.state_dict()
    first = run(np.ones((1, 3), np.float32)).numpy()
    np.testing.assert_array_equal(run(np.ones((1, 3), np.float32)).numpy(), first)
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_recurrent_layer_learns_with_normalized_weights(rng):
    layer = parametrizations.weight_norm(nn.GRU(3, 4), "weight_hh_l0")
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    x = tg.tensor(rng.standard_normal((5, 2, 3)).astype("float32"))

    @tg.jit
    def step(x):
        loss = (layer(x)[0] ** 2).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    losses = [step(x).item() for _ in range(5)]
    assert losses[-1] < losses[0]
    assert step.traces == 1
