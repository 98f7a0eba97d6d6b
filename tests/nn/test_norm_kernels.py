"""How many kernels each normalization becomes, with its weights: forward, and with gradients."""

import pytest
from fused import count

import tinygraph as tg
from tinygraph.nn import functional as F


def with_gradients(function, *shapes):
    """Kernels of the result and the gradients for all inputs, that of the result being given."""

    def run(*arrays):
        *inputs, slope = arrays
        slopes = tg.grad(lambda *xs: tg.sum(function(*xs) * slope), tuple(range(len(inputs))))
        return [function(*inputs), *slopes(*inputs)]

    return count(run, *shapes, shapes[0])


@pytest.mark.parametrize("shape", [(8, 16), (4, 8, 16), (4, 6, 5, 5)])
def test_of_a_sample(shape):
    last, channels = (shape[-1],), (shape[1],)
    for function, *shapes in (
        (lambda x, w, b: F.layer_norm(x, last, w, b), shape, last, last),
        (lambda x, w, b: F.layer_norm(x, shape[1:], w, b), shape, shape[1:], shape[1:]),
        (lambda x, w: F.rms_norm(x, last, w), shape, last),
        (lambda x, w, b: F.group_norm(x, 2, w, b), shape, channels, channels),
    ):
        assert count(function, *shapes) == 1
        assert with_gradients(function, *shapes) <= 3


@pytest.mark.parametrize("shape", [(4, 8, 16), (4, 6, 5, 5)])
def test_of_channels_with_places(shape):
    channels = shape[1:2]
    for function in (
        lambda x, w, b: F.instance_norm(x, None, None, w, b),
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
    ):
        assert count(function, shape, channels, channels) == 1
        assert with_gradients(function, shape, channels, channels) <= 3


def evaluation(x, mean, var, w, b):
    return F.batch_norm(x, mean, var * var, w, b)


def test_of_columns():
    """A batch (n, channel) is normalized by columns: their sums, their mean, the sums of squared
    deviations, the factors, and the result are loops of their own. Backwards there are three more:
    the sums that the gradients need, what the columns share of them, and the gradients."""
    shape, channels = (32, 16), (16,)

    def training(x, w, b):
        return F.batch_norm(x, None, None, w, b, training=True)

    assert count(training, shape, channels, channels) == 5
    assert with_gradients(training, shape, channels, channels) <= 8


def test_by_averages():
    assert count(evaluation, (32, 16), *[(16,)] * 4) <= 2  # the factors, and the result
    assert count(evaluation, (4, 6, 5, 5), *[(6,)] * 4) == 1


def test_over_windows_of_channels():
    def function(x):
        return F.local_response_norm(x, 5)

    assert count(function, (4, 6, 8)) <= 4  # squares, their border, sums, result
    assert with_gradients(function, (4, 6, 8)) <= 6
