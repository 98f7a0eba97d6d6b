"""Copies of the weights that optimizers keep: exact ones, and averages."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_master_weights_follow_float32(dtype):
    """Rounded at each step, the parameters get nowhere; with a master they do, to one rounding."""
    start = np.array([1.0, -0.75, 2.0], "float32")
    plain, kept, exact = (nn.Parameter(start, dtype=d) for d in (dtype, dtype, "float32"))
    optimizers = [
        optim.SGD([plain], lr=1e-4), optim.MasterWeights(optim.SGD([kept], lr=1e-4)),
        optim.SGD([exact], lr=1e-4),
    ]  # fmt: skip
    for _ in range(50):
        for w, optimizer in zip((plain, kept, exact), optimizers, strict=True):
            optimizer.zero_grad()
            tg.sum(w * tg.tensor([1.0, -2.0, 0.5], dtype=w.dtype)).backward()
            optimizer.step()
    np.testing.assert_array_equal(plain.astype("float32").numpy(), start)
    master = optimizers[1].kept[kept]["master"].numpy()
    np.testing.assert_array_equal(master, exact.numpy())
    np.testing.assert_array_equal(kept.numpy(), exact.numpy().astype(kept.dtype))


def test_a_master_takes_over_what_is_set_from_outside():
    w = nn.Parameter([1.0, 1.0], dtype="bfloat16")
    optimizer = optim.MasterWeights(optim.SGD([w], lr=0.001))

    def step():
        optimizer.zero_grad()
        tg.sum(w).backward()
        optimizer.step()

    step()
    w.set([1.0, 4.0])
    step()
    np.testing.assert_allclose(optimizer.kept[w]["master"].numpy(), [0.998, 3.999], rtol=1e-6)


def test_float32_parameters_need_no_master():
    w = nn.Parameter([1.0])
    optimizer = optim.MasterWeights(optim.SGD([w], lr=0.5))
    assert optimizer.kept[w] == {}
    tg.sum(w).backward()
    optimizer.step()
    assert w.item() == 0.5


def test_master_weights_keep_constraints():
    w = nn.Parameter([1.0], dtype="bfloat16")
    w.constraint = lambda value: tg.maximum(value, 0.75)
    optimizer = optim.MasterWeights(optim.SGD([w], lr=1.0))
    tg.sum(w).backward()
    optimizer.step()
    assert (w.item(), optimizer.kept[w]["master"].item()) == (0.75, 0.75)


def test_averages_are_applied_for_a_while_even_if_something_fails():
    w = nn.Parameter([8.0])
    optimizer = optim.EMA(optim.SGD([w], lr=0.25), 0.5)
    with optimizer.applied():  # nothing has been averaged yet
        assert w.item() == 8.0
    for _ in range(2):
        optimizer.zero_grad()
        tg.sum(w * w).backward()
        optimizer.step()
    y = w * 2

    def fails():
        with optimizer.applied():
            assert (w.item(), (w * 2).item(), y.item()) == (3.0, 6.0, 4.0)
            assert w.requires_grad
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert w.item() == 2.0
    optimizer.zero_grad()
    tg.sum(w * w).backward()
    optimizer.step()
    assert w.item() == 1.0


def test_averages_are_applied_to_compiled_functions():
    w, x = nn.Parameter([8.0]), tg.placeholder((1,), name="x")
    optimizer = optim.SWA(optim.SGD([w], lr=0.25))
    predict = tg.function([x], w * x)
    loss = tg.sum(w * w)
    step = tg.function([], loss, updates=optimizer.minimize(loss))
    step(), step()
    with optimizer.applied():
        assert predict([1.0]).item() == 3.0
    assert predict([1.0]).item() == 2.0
    step()
    assert predict([1.0]).item() == 1.0


def test_averaged_constants_and_shares():
    """A mean of one, and no share of the past or of the present."""
    for wrap, expected in (
        (lambda o: optim.EMA(o, 0.0), 1.0), (lambda o: optim.EMA(o, 1.0), 4.0),
        (lambda o: optim.EMA(o, 0.5, start=2), 1.0), (lambda o: optim.EMA(o, 0.5, every=2), 2.5),
        (lambda o: optim.WeightAverage(o, lambda a, new, n: a + new + n), 10.0),
    ):  # fmt: skip
        w = nn.Parameter([8.0])
        optimizer = wrap(optim.SGD([w], lr=0.25))
        for _ in range(3):
            optimizer.zero_grad()
            tg.sum(w * w).backward()
            optimizer.step()
        optimizer.apply()
        assert w.item() == expected
