"""LSTM against a loop over its formulas."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def one_direction(x, layer, end, h, c):
    w, u = (layer.state_dict()[f"weight_{kind}_{end}"] for kind in ("ih", "hh"))
    b = sum(layer.state_dict().get(f"bias_{kind}_{end}", 0) for kind in ("ih", "hh"))
    results = []
    for row in x:
        i, f, g, o = np.split(row @ w.T + h @ u.T + b, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        results.append(h)
    return np.stack(results), h, c


def naive(x, layer, hx):
    last = []
    for number in range(layer.num_layers):
        sides = []
        for end in ("", "_reverse") if layer.bidirectional else ("",):
            h, c = hx[0][len(last)], hx[1][len(last)]
            seen = x[::-1] if end else x
            out, h, c = one_direction(seen, layer, f"l{number}{end}", h, c)
            sides.append(out[::-1] if end else out)
            last.append((h, c))
        x = np.concatenate(sides, axis=-1)
    return x, np.stack([h for h, _ in last]), np.stack([c for _, c in last])


@pytest.mark.parametrize(
    "options",
    [{}, {"bias": False}, {"num_layers": 2, "batch_first": True},
     {"num_layers": 2, "bidirectional": True}],
    ids=str,
)  # fmt: skip
def test_values(options, rng):
    layer = nn.LSTM(3, 4, **options).to("float64")
    states = layer.num_layers * (2 if layer.bidirectional else 1)
    x, hx = rng.standard_normal((5, 2, 3)), rng.standard_normal((2, states, 2, 4))
    given = np.swapaxes(x, 0, 1) if layer.batch_first else x
    output, (h, c) = layer(tg.tensor(given), tuple(map(tg.tensor, hx)))
    expected = naive(x, layer, hx)
    got = output.numpy()
    got = np.swapaxes(got, 0, 1) if layer.batch_first else got
    for value, wanted in zip((got, h.numpy(), c.numpy()), expected, strict=True):
        np.testing.assert_allclose(value, wanted)
    single, _ = layer(tg.tensor(x[:, 0]))
    np.testing.assert_allclose(single.numpy(), naive(x, layer, hx * 0)[0][:, 0])


def test_parameters_bear_pytorchs_names():
    layer = nn.LSTM(3, 4, num_layers=2)
    assert {name: value.shape for name, value in layer.state_dict().items()} == {
        "weight_ih_l0": (16, 3), "weight_hh_l0": (16, 4), "bias_ih_l0": (16,),
        "bias_hh_l0": (16,), "weight_ih_l1": (16, 4), "weight_hh_l1": (16, 4),
        "bias_ih_l1": (16,), "bias_hh_l1": (16,),
    }  # fmt: skip


def test_gradients_through_time(rng):
    layer = nn.LSTM(2, 3).to("float64")
    tg.testing.check_grads(lambda x: layer(x)[0], [rng.standard_normal((4, 2, 2))])
    tg.sum(layer(tg.tensor(rng.standard_normal((4, 2, 2))))[0]).backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())


def test_errors():
    with pytest.raises(ShapeError, match=r"LSTM: expected an input \(length, batch, 3\)"):
        nn.LSTM(3, 4)(tg.ones((5, 2, 2)))
    with pytest.raises(ShapeError, match=r"LSTM: expected h of shape \(1, 2, 4\), got \(1, 5, 4\)"):
        nn.LSTM(3, 4)(tg.ones((5, 2, 3)), (tg.ones((1, 5, 4)), tg.ones((1, 5, 4))))
    with pytest.raises(ValueError, match="LSTM: expected dropout from 0 to 1, got 2"):
        nn.LSTM(3, 4, dropout=2)
    with pytest.raises(DTypeError, match="LSTM: expected an input of floats, got int64"):
        nn.LSTM(3, 4)(tg.ones((5, 2, 3), dtype="int64"))
    with pytest.raises(TypeError, match="LSTM: expected h to be a Tensor, got a int"):
        nn.LSTM(3, 4)(tg.ones((5, 2, 3)), (1, 2))
    with pytest.raises(TypeError, match=r"LSTM: expected hx to be a pair .* got a Tensor"):
        nn.LSTM(3, 4)(tg.ones((5, 2, 3)), tg.ones((1, 2, 4)))
