"""What surprises people about tg.function: inputs, state and memory."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn


def test_state_that_looks_at_another_tensor_is_not_written_over():
    source, w = tg.tensor(np.arange(6.0)), tg.state(np.zeros(3))
    with tg.eager():
        w.assign(source[:3])  # NumPy's slice: the memory of `source`
    step = tg.function([], [], updates={w: w + 1})
    step()
    step()
    assert source.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert w.tolist() == [2.0, 3.0, 4.0]


def test_swapped_and_turned_state():
    a, b = tg.state(np.arange(4.0).reshape(2, 2)), tg.state(np.ones((2, 2)))
    step = tg.function([], [a, b], updates={a: b, b: a.T})
    step()
    assert [x.tolist() for x in step()] == [[[1.0, 1.0], [1.0, 1.0]], [[0.0, 2.0], [1.0, 3.0]]]
    assert a.tolist() == [[0.0, 2.0], [1.0, 3.0]]


def test_integers_that_do_not_fit_are_not_wrapped():
    p = tg.placeholder((2,), "uint8", name="pixels")
    f = tg.function([p], p * 1)
    assert f([0, 255]).tolist() == [0, 255]
    for wrong in ([-1, 0], [0, 256]):
        with pytest.raises(tg.errors.DTypeError, match=r"'pixels' holds uint8, it was fed"):
            f(wrong)


def test_ragged_lists_are_an_error_of_ours():
    p = tg.placeholder((None, 2), name="p")
    with pytest.raises(tg.errors.ShapeError, match="placeholder 'p'"):
        tg.function([p], p)([[1.0, 2.0], [3.0]])
    with pytest.raises(tg.errors.DTypeError, match="cannot make an array"):
        tg.tensor([[1, 2], [3]])


def test_inputs_have_names_of_their_own():
    one, other = tg.placeholder((None,), name="x"), tg.placeholder((None,), name="x")
    with pytest.raises(tg.errors.GraphError, match="'x' has the name of another"):
        tg.function([one, other], one.sum() + other.sum())
    with pytest.raises(tg.errors.GraphError, match="'x' is given twice"):
        tg.function([one, one], one)
    with pytest.raises(TypeError, match="two values for 'x'"):
        tg.function([one], one)([1.0], x=[1.0])


def test_a_model_that_was_cast_does_not_fit_any_more():
    model, x = nn.Linear(2, 1), tg.placeholder((None, 2), name="x")
    f = tg.function([x], model(x))
    model.to("float64")
    with pytest.raises(tg.errors.DTypeError, match="float32 when the function was made"):
        f([[1.0, 2.0]])


def test_a_leaf_that_requires_a_gradient_is_read_at_each_call():
    w, x = tg.tensor([1.0], requires_grad=True), tg.placeholder((1,), name="x")
    f = tg.function([x], w * x)
    with tg.no_grad():
        w += 1
    assert f([3.0]).tolist() == [6.0]


def test_freezing_what_has_no_value_yet():
    w = nn.Parameter([1.0, 2.0])
    w.assign(w + 1)
    w.requires_grad_(False)
    assert w.tolist() == [2.0, 3.0]
