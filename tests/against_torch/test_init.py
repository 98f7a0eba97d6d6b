"""Initializers: what is fixed is PyTorch's to the bit, what is drawn is distributed as there."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
from scipy import stats

import tinygraph as tg
from tinygraph import nn

SHAPES = [(200, 300), (40, 20, 5, 5), (300, 40, 3)]
FIXED = {
    "zeros_": [((3, 2), {})],
    "ones_": [((3,), {})],
    "constant_": [((3, 2), {"val": 0.3})],
    "eye_": [((3, 5), {}), ((5, 3), {})],
    "dirac_": [
        (shape, {"groups": groups})
        for shape in [(4, 2, 3), (4, 4, 3, 4), (2, 4, 3, 3, 3)]
        for groups in (1, 2)
    ],
}
DRAWN = {
    "uniform_": [{}, {"a": -3.0, "b": 5.0}],
    "normal_": [{}, {"mean": 2.0, "std": 3.0}],
    "trunc_normal_": [{}, {"mean": 1.0, "std": 2.0, "a": 0.0, "b": 1.5}],
    "xavier_uniform_": [{}, {"gain": 2.5}],
    "xavier_normal_": [{}, {"gain": 2.5}],
    "kaiming_uniform_": [
        {},
        {"a": 0.3, "mode": "fan_out"},
        {"nonlinearity": "relu"},
        {"nonlinearity": "tanh", "mode": "fan_out"},
    ],
    "kaiming_normal_": [{}, {"a": 0.3, "mode": "fan_out"}, {"nonlinearity": "selu"}],
    "orthogonal_": [{}, {"gain": 2.0}],
}


@pytest.mark.parametrize("name", FIXED)
def test_the_same_values(name):
    for shape, options in FIXED[name]:
        mine = getattr(nn.init, name)(nn.Parameter(tg.ones(shape)), **options).numpy()
        yours = getattr(torch.nn.init, name)(torch.ones(shape), **options).numpy()
        np.testing.assert_array_equal(mine, yours)


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_distribution(name, shape):
    tg.manual_seed(0)
    torch.manual_seed(0)
    for options in DRAWN[name]:
        mine = getattr(nn.init, name)(nn.Parameter(tg.zeros(shape)), **options).numpy()
        yours = getattr(torch.nn.init, name)(torch.zeros(shape), **options).numpy()
        assert stats.ks_2samp(mine.ravel(), yours.ravel()).pvalue > 1e-4, options


def test_sparse():
    mine = nn.init.sparse_(nn.Parameter(tg.zeros((50, 30))), 0.33, std=2.0).numpy()
    yours = torch.nn.init.sparse_(torch.zeros(50, 30), 0.33, std=2.0).numpy()
    np.testing.assert_array_equal((mine == 0).sum(0), (yours == 0).sum(0))


GAINS = [
    ("linear", None), ("conv1d", None), ("conv_transpose3d", None), ("sigmoid", None),
    ("tanh", None), ("relu", None), ("leaky_relu", None), ("leaky_relu", 0.3), ("selu", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "param"), GAINS)
def test_gains(name, param):
    assert nn.init.calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)


def test_what_one_side_refuses_the_other_refuses():
    for name, shape in [("eye_", (3,)), ("dirac_", (3, 3)), ("xavier_normal_", (3,)),
                        ("orthogonal_", (3,)), ("sparse_", (2, 2, 2))]:  # fmt: skip
        options = {"sparsity": 0.1} if name == "sparse_" else {}
        with pytest.raises(ValueError):  # noqa: PT011 - each side has words of its own
            getattr(torch.nn.init, name)(torch.zeros(shape), **options)
        with pytest.raises(ValueError):  # noqa: PT011
            getattr(nn.init, name)(nn.Parameter(tg.zeros(shape)), **options)
