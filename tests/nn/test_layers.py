"""Linear, Flatten, Dropout, borders."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F


def test_linear(rng):
    layer = nn.Linear(3, 2).to("float64")
    x = rng.standard_normal((4, 5, 3))
    w, b = layer.weight.numpy(), layer.bias.numpy()
    np.testing.assert_allclose(layer(tg.tensor(x)).numpy(), x @ w.T + b)
    np.testing.assert_allclose(layer(tg.tensor(x[0, 0])).numpy(), w @ x[0, 0] + b)
    assert repr(layer) == "Linear(in_features=3, out_features=2, bias=True)"
    assert list(nn.Linear(3, 2, bias=False).state_dict()) == ["weight"]
    tg.testing.check_grads(F.linear, [x, w, b], order=2)
    with pytest.raises(ShapeError, match=r"linear: expected .* got \(4, 2\) and \(2, 3\)"):
        layer(tg.ones((4, 2)))
    with pytest.raises(ShapeError, match="Linear: expected in_features to be an integer from 0"):
        nn.Linear(-1, 2)


def test_layers_start_with_pytorchs_values():
    tg.manual_seed(0)
    for layer, bound in [(nn.Linear(64, 400), 1 / 8), (nn.Conv2d(8, 60, 4, groups=2), 1 / 8)]:
        for parameter in layer.parameters():
            values = parameter.numpy()
            assert abs(values).max() <= bound
            assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.15)
    table = nn.Embedding(100, 50, padding_idx=-1)
    assert table.weight.numpy().std() == pytest.approx(1, rel=0.05)
    assert not table.weight.numpy()[99].any()


def test_flatten_and_identity():
    x = tg.ones((2, 3, 4, 5))
    assert nn.Flatten()(x).shape == (2, 60)
    assert nn.Flatten(0, 1)(x).shape == (6, 4, 5)
    assert nn.Identity("anything", a=1)(x) is x
    batch = tg.placeholder((None, 3, 4), name="x")
    assert nn.Flatten()(batch).shape == (batch.shape[0], 12)


def test_dropout_in_training_and_evaluation():
    tg.manual_seed(0)
    x = tg.ones((100, 100), requires_grad=True)
    layer = nn.Dropout(0.25)
    result = layer(x)
    tg.sum(result).backward()
    values = result.numpy()
    assert set(np.unique(values)) == {np.float32(0), np.float32(1 / 0.75)}
    assert (values == 0).mean() == pytest.approx(0.25, abs=0.02)
    np.testing.assert_array_equal(x.grad.numpy(), values)
    assert (layer(x).numpy() != values).any()
    assert layer.eval()(x) is x
    assert not F.dropout(x, 1.0).numpy().any()
    assert F.dropout(x, 0.0) is x
    with pytest.raises(ValueError, match=r"Dropout: expected p from 0 to 1, got 1.5"):
        nn.Dropout(1.5)


def test_the_same_seed_drops_the_same():
    def run():
        tg.manual_seed(3)
        return F.dropout(tg.ones(50)).numpy()

    first = run()
    np.testing.assert_array_equal(first, run())
    with tg.eager():
        np.testing.assert_array_equal(first, run())


def test_pad_names_the_last_dimension_first():
    x = np.arange(6.0).reshape(2, 3)
    got = F.pad(tg.tensor(x), (1, 0, 0, 2), value=7.0)
    expected = np.pad(x, ((0, 2), (1, 0)), constant_values=7.0)
    np.testing.assert_array_equal(got.numpy(), expected)
    with pytest.raises(ShapeError, match=r"a pair of widths .* got 3 widths \(1, 2, 3\)"):
        F.pad(tg.tensor(x), (1, 2, 3))
