"""Lambda, Residual, Parallel; dictionaries of modules; lists and dictionaries of parameters."""

import copy

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import ShapeError


def test_lambda():
    net = nn.Sequential(nn.Lambda(lambda x: x * 2), nn.Lambda(tg.tanh))
    np.testing.assert_allclose(net(tg.tensor([0.5])).numpy(), np.tanh([1.0]), rtol=1e-6)
    assert repr(net[1]) == "Lambda(tanh)"
    with pytest.raises(TypeError, match="Lambda: expected a function, got a int"):
        nn.Lambda(3)


def test_residual_is_the_module_plus_the_identity(rng):
    inner = nn.Linear(3, 3)
    x = tg.tensor(rng.standard_normal((4, 3)).astype("float32"))
    np.testing.assert_allclose(nn.Residual(inner)(x).numpy(), (inner(x) + x).numpy(), rtol=1e-6)


def test_residual_of_nothing_is_the_identity_and_its_gradient_too():
    """With F = 0 the block passes signal and gradient as they are."""
    inner = nn.Linear(2, 2)
    tg.init.zeros(inner.weight)
    tg.init.zeros(inner.bias)
    x = tg.tensor([[1.0, -2.0]], requires_grad=True)
    y = nn.Residual(inner)(x)
    y.sum().backward()
    assert y.tolist() == x.tolist()
    assert x.grad.tolist() == [[1.0, 1.0]]


def test_a_shortcut_changes_the_shape(rng):
    block = nn.Residual(nn.Linear(3, 5), shortcut=nn.Linear(3, 5, bias=False))
    x = tg.tensor(rng.standard_normal((4, 3)).astype("float32"))
    expected = block.module(x) + block.shortcut(x)
    np.testing.assert_allclose(block(x).numpy(), expected.numpy(), rtol=1e-6)
    assert list(block.state_dict()) == ["module.weight", "module.bias", "shortcut.weight"]
    with pytest.raises(ShapeError, match=r"keeps the shape \(4, 3\), got \(4, 1\)"):
        nn.Residual(nn.Linear(3, 1))(x)


MERGES = {
    "concat": lambda a, b: np.concatenate([a, b], 1),
    "stack": lambda a, b: np.stack([a, b], 1),
    "sum": lambda a, b: a + b,
    "mean": lambda a, b: (a + b) / 2,
    "max": np.maximum,
    "product": lambda a, b: a * b,
}


@pytest.mark.parametrize("merge", MERGES)
def test_parallel(merge, rng):
    x = tg.tensor(rng.standard_normal((4, 3)).astype("float32"))
    net = nn.Parallel(nn.Linear(3, 2), nn.Linear(3, 2), merge=merge)
    a, b = (branch(x).numpy() for branch in net.children())
    np.testing.assert_allclose(net(x).numpy(), MERGES[merge](a, b), rtol=1e-6)


def test_parallel_of_one_module_twice_and_other_merges():
    twice = nn.ReLU()
    x = tg.tensor([[1.0, -1.0]])
    assert nn.Parallel(twice, twice, merge="sum")(x).tolist() == [[2.0, 0.0]]
    assert len(nn.Parallel(twice, nn.Tanh(), merge=None)(x)) == 2
    last = nn.Parallel(twice, nn.Identity(), merge=lambda results: results[-1])
    assert last(x).tolist() == x.tolist()
    with pytest.raises(ValueError, match=r"expected merge out of concat, stack, sum.*'add'"):
        nn.Parallel(twice, merge="add")
    with pytest.raises(ValueError, match="expected at least one module"):
        nn.Parallel()


def test_module_dict():
    parts = nn.ModuleDict({"a": nn.Linear(1, 2), "b": nn.ReLU()})
    parts["c"] = nn.Tanh()
    parts.update([("b", nn.Sigmoid())])
    assert list(parts) == list(parts.keys()) == ["a", "b", "c"]
    assert [type(module).__name__ for module in parts.values()] == ["Linear", "Sigmoid", "Tanh"]
    assert list(parts.state_dict()) == ["a.weight", "a.bias"]
    assert parts.pop("a").out_features == 2
    del parts["b"]
    assert [name for name, _ in parts.items()] == ["c"]
    with pytest.raises(KeyError, match="no module 'x'; it has c"):
        parts["x"]
    with pytest.raises(TypeError, match="expected a Module, got int"):
        parts["y"] = 3
    parts.clear()
    assert len(parts) == 0
    with pytest.raises(NotImplementedError):
        parts()


def test_parameter_list():
    weights = nn.ParameterList([tg.ones(2), nn.Parameter([3.0])])
    weights.append(np.zeros(4, "float32"))
    weights[-1] = [5.0]
    assert [w.shape for w in weights] == [(2,), (1,), (1,)]
    assert len(weights[1:]) == 2
    assert weights[1:][0] is weights[1]
    assert all(isinstance(w, nn.Parameter) for w in weights)
    assert repr(weights).splitlines()[1] == "  (0): float32 (2,)"
    assert list(copy.deepcopy(weights).state_dict()) == ["0", "1", "2"]
    with pytest.raises(IndexError, match="index 3 is out of range for 3"):
        weights[3]
    with pytest.raises(NotImplementedError):
        weights()


def test_parameter_dict():
    weights = nn.ParameterDict({"a": tg.ones(2)})
    weights.update([("b", [1.0])])
    assert weights.keys() == ["a", "b"]
    assert [w.shape for w in weights.values()] == [(2,), (1,)]
    assert dict(weights.items())["a"] is weights["a"]
    assert "a" in weights
    assert weights.pop("a").shape == (2,)
    del weights["b"]
    assert len(weights) == 0
    with pytest.raises(KeyError, match="no parameter 'a'; it has none"):
        weights["a"]


class Holder(nn.Module):
    def __init__(self):
        super().__init__()
        self.scales = nn.ParameterList([[1.0], [2.0]])
        self.choices = nn.ModuleDict({"x": nn.Linear(1, 1)})


def test_what_is_in_them_belongs_to_the_module():
    names = [name for name, _ in Holder().named_parameters()]
    assert names == ["scales.0", "scales.1", "choices.x.weight", "choices.x.bias"]
