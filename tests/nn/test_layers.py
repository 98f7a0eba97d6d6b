"""Linear, Flatten, Embedding, Dropout, borders."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
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


def test_embedding(rng):
    table = nn.Embedding(5, 3, padding_idx=1)
    rows = tg.tensor([[0, 1], [4, 1]])
    np.testing.assert_array_equal(table(rows).numpy(), table.weight.numpy()[rows.numpy()])
    tg.sum(table(rows)).backward()
    np.testing.assert_array_equal(table.weight.grad.numpy().sum(1), [3, 0, 0, 0, 3])
    for wrong in (5, -1):
        with pytest.raises(IndexError, match=f"row {wrong} is out of range: expected 0 to 4"):
            table(tg.tensor([wrong])).numpy()
    with pytest.raises(DTypeError, match="embedding: expected integers as input, got float32"):
        table(tg.ones(2))
    with pytest.raises(ShapeError, match="Embedding: expected a padding_idx within the 5 rows"):
        nn.Embedding(5, 3, padding_idx=5)


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


def test_a_padding_row_counted_from_the_end_of_a_table_of_any_size(rng):
    table = tg.placeholder((None, 2), "float64", name="table")
    chosen = tg.nn.functional.embedding(tg.tensor([0, 2, 2]), table, padding_idx=-1)
    slope = tg.function([table], tg.grad(lambda t: tg.sum(F.embedding(
        tg.tensor([0, 2, 2]), t, padding_idx=-1)))(table))  # fmt: skip
    assert chosen.shape == (3, 2)
    np.testing.assert_array_equal(slope(np.ones((3, 2))), [[1, 1], [0, 0], [0, 0]])
    np.testing.assert_array_equal(slope(np.ones((4, 2))), [[1, 1], [0, 0], [2, 2], [0, 0]])
