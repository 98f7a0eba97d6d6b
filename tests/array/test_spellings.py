"""Names that come from PyTorch: what they refuse, and how they do in graphs and traces."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.errors import DTypeError, GraphError, ShapeError

X = np.array([[1.5, -2.0], [3.0, 0.25]], "float32")


def test_the_size_is_a_number_and_can_be_called():
    x = tg.zeros(2, 3)
    assert isinstance(x.size, int)
    assert (x.size, x.size(), x.size(0), x.size(-1), x.size(dim=1)) == (6, (2, 3), 2, 3, 3)
    assert x.size * 2 == 12
    assert tg.tensor(1.0).size() == ()
    for wrong in (2, -3):
        with pytest.raises(IndexError, match=f"dimension {wrong} of an array with 2 dimensions"):
            x.size(wrong)


def test_open_sizes_are_called_too():
    x = tg.placeholder((None, 2, 3), name="x")
    assert x.size(1) == 2
    assert x.size() == x.shape
    assert x.size == x.shape[0] * 6
    f = tg.function([x], [x.view(x.size(0), -1).sum(1), x / x.size])
    rows, parts = f(np.ones((4, 2, 3), np.float32))
    assert rows.tolist() == [6.0] * 4
    np.testing.assert_allclose(parts.numpy(), 1 / 24)


def test_data_in_a_traced_function():
    w, average = tg.nn.Parameter([1.0, 2.0]), tg.state([0.0, 0.0])

    @tg.jit
    def step(x):
        loss = (w * x).sum()
        loss.backward()
        w.data.sub_(w.grad, alpha=0.5)
        average.data.mul_(0.5).add_(w.data, alpha=0.5)
        w.grad = None
        return loss

    losses = [step(np.array([2.0, 4.0], np.float32)).item() for _ in range(3)]
    assert losses == [10.0, 0.0, -10.0]
    assert w.tolist() == [-2.0, -4.0]
    assert average.tolist() == [-1.25, -2.5]


def test_writing_to_the_data_of_a_plain_tensor():
    x = tg.tensor(X)
    x.data[0] = 0.0
    x.data.assign(x * 2).set(x.numpy() + 1)
    np.testing.assert_array_equal(x.numpy(), [[1, 1], [7, 1.5]])
    tg.init.ones(x.data)
    assert x.sum().item() == 4.0
    assert x.data.requires_grad_(False).requires_grad is False


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda w: setattr(w, "data", tg.zeros(3)), ShapeError, r"shape \(2, 2\) cannot become"),
        (lambda w: setattr(w, "data", tg.zeros(2, 2, dtype="float64")), DTypeError,
         "data of a Tensor of float32 cannot become float64"),
        (lambda w: (w * 2).data.zero_(), GraphError, "computed with a gradient cannot be written"),
        (lambda w: w.data.requires_grad_(), GraphError, "x.data never requires a gradient"),
        (lambda w: w.div(2, rounding_mode="up"), ValueError, "rounding_mode of None, 'floor'"),
        (lambda w: w.narrow(0, 1, 2), ShapeError, "narrow: 2 slices from 1 do not lie within"),
        (lambda w: w.narrow(2, 0, 1), ShapeError, "narrow: axis 2 is out of range"),
        (lambda w: tg.cdist(w, tg.zeros(3, 5)), ShapeError, r"cdist: expected \(..., n, features"),
        (lambda w: tg.zeros(1, 1, 1).t(), ShapeError, "needs at most 2 dimensions, got 3"),
        (lambda w: w.norm("nuc"), ValueError, "norm: expected a number or 'fro', got 'nuc'"),
        (lambda w: w.select(0, 2), IndexError, "index 2 is out of range for dimension 0"),
        (lambda w: tg.bincount(w), DTypeError, "bincount: expected integers from 0 in one dim"),
        (lambda w: tg.bincount(tg.tensor([-1])), DTypeError, "expected integers from 0"),
        (lambda w: tg.multinomial(w, 3), ShapeError, "3 draws without replacement from 2 places"),
        (lambda w: tg.multinomial(w, 0), ShapeError, "multinomial: expected weights"),
        (lambda w: tg.FloatTensor(3), DTypeError, "expected a list or an array, got the number 3"),
        (lambda w: tg.Tensor(3), TypeError, "Tensor: expected a list or an array, got 3"),
        (lambda w: tg.autograd.grad(w, w), ShapeError, r"shape \(2, 2\) needs its grad_outputs"),
        (lambda w: tg.autograd.grad(w, w, tg.ones(2)), ShapeError, r"grad_outputs has shape \(2,"),
        (lambda w: tg.autograd.grad(w.sum(), tg.zeros(2)), GraphError, "does not require a grad"),
        (lambda w: tg.autograd.grad(w.sum(), tg.arange(2)), DTypeError, "an input of grad"),
        (lambda w: tg.autograd.grad(w.sum(), w, is_grads_batched=True), ValueError, "tg.vmap"),
    ],
)  # fmt: skip
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call(tg.tensor(X, requires_grad=True))


def test_numbers_are_drawn_in_place():
    tg.manual_seed(0)
    w = tg.nn.Parameter(np.zeros((100, 100)))
    assert w.data.normal_(3.0, 2.0).dtype == tg.float64
    assert abs(w.mean().item() - 3) < 0.1
    assert abs(w.std().item() - 2) < 0.1
    w.data.uniform_(-1.0, 0.5)
    assert -1 <= w.min().item() < -0.99
    assert 0.49 < w.max().item() < 0.5
    assert w.requires_grad
    with pytest.raises(GraphError, match="cannot be changed in place"):
        w.normal_()
