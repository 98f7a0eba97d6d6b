"""Random numbers within loops: no two steps, examples or rounds see the same by accident."""

import numpy as np
import pytest

import tinygraph as tg


def drawn(function):
    """What `function` draws from the same seed in lazy, eager and jit mode, which agree."""
    values = []
    for run in (function, tg.jit(function)):
        tg.manual_seed(5)
        values.append(run().numpy())
    with tg.eager():
        tg.manual_seed(5)
        values.append(function().numpy())
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])
    return values[0]


def all_differ(values):
    return len(np.unique(values)) == values.size


@pytest.mark.parametrize("reverse", [False, True])
def test_each_step_of_a_scan_draws_its_own(reverse):
    def steps():
        return tg.scan(lambda c, x: (c, x * tg.rand(3)), 0.0, tg.ones((50, 3)), reverse=reverse)[1]

    assert all_differ(drawn(steps))


def test_scans_within_scans_draw_their_own():
    def inner(c, x):
        return c, tg.rand(())

    def table():
        return tg.scan(lambda c, x: (c, tg.scan(inner, 0.0, length=20)[1]), 0.0, length=20)[1]

    assert all_differ(drawn(table))


def test_each_example_under_vmap_draws_its_own():
    assert all_differ(drawn(lambda: tg.vmap(lambda x: x + tg.rand(2))(tg.zeros(40))))


def test_two_draws_in_one_step_differ():
    pairs = drawn(lambda: tg.scan(
        lambda c, x: (c, tg.stack([tg.rand(()), tg.rand(())])), 0.0, length=30
    )[1])  # fmt: skip
    assert all_differ(pairs)


def test_a_gradient_sees_the_numbers_of_the_forward_pass():
    def loss(x):
        kept = tg.scan(lambda c, v: (c, v * (tg.rand(()) > 0.5)), 0.0, x)[1]
        return tg.sum(kept)

    tg.manual_seed(1)
    x = tg.ones(64)
    value, slope = tg.value_and_grad(loss)(x)
    tg.realize(value, slope)
    assert float(value) == float(tg.sum(slope))
    assert 10 < float(value) < 54


def test_a_while_loop_refuses_to_draw():
    with pytest.raises(tg.errors.GraphError, match="every round would draw the same"):
        tg.while_loop(lambda x: x < 3.0, lambda x: x + tg.rand(()), tg.tensor(0.0))


def test_a_scan_without_random_numbers_counts_no_steps():
    _, ys = tg.scan(lambda c, x: (c + x, c), tg.tensor(0.0), tg.ones(4))
    assert len(ys.node.inputs[0].inputs) == 2
