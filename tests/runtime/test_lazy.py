"""Lazy mode: what runs when, what is kept, what is compiled."""

import gc
import weakref

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import optim
from tinygraph.compiler.compile import TAPES
from tinygraph.graph.node import Node


def loop(steps, seen=None):
    w = tg.state(np.ones(3, "float32"), name="w").requires_grad_()
    x = np.arange(6, dtype="float32").reshape(2, 3)
    for _ in range(steps):
        loss = tg.sum((tg.tensor(x) * w - 1.0) ** 2)
        loss.backward()
        w.assign(w - 0.01 * w.grad)
        w.grad = None
        tg.realize()
        if seen is not None:
            seen.append(float(loss))
    return w


def test_nothing_runs_before_a_value_is_asked_for():
    x = tg.tensor([1.0, 2.0])
    y = tg.exp(x)
    assert y.node.buffer is None
    assert "not evaluated: exp" in repr(y)
    np.testing.assert_allclose(y.numpy(), np.exp([1.0, 2.0]), rtol=1e-6)
    assert y.node.buffer is not None


def test_a_value_is_computed_once():
    x = tg.tensor([1.0, 2.0])
    y = tg.exp(x)
    y.realize()
    kept = y.node.buffer
    (y + 1).realize()
    assert y.node.buffer is kept
    assert y.node.inputs == ()  # how it was computed is forgotten: no gradient can ask


def test_equal_steps_compile_once():
    TAPES.clear()
    loop(5)
    info = TAPES.info()
    assert (info.misses, info.hits) == (1, 4)


def test_the_loss_is_computed_in_the_same_tape_as_the_update():
    losses = []
    loop(4, losses)
    assert losses == sorted(losses, reverse=True)


def test_a_loop_never_grows_memory():
    loop(3)
    gc.collect()
    before = sum(type(o) is Node for o in gc.get_objects())
    loop(60)
    gc.collect()
    after = sum(type(o) is Node for o in gc.get_objects())
    assert after <= before


def test_losses_that_are_kept_detached_do_not_keep_the_steps():
    """Neither in a list nor as a running sum: the weights of each step would stay in memory."""
    w = tg.tensor(np.ones(1000), requires_grad=True)
    opt, kept, total = optim.SGD([w], lr=0.1), [], tg.tensor(0.0)
    olds = []
    for _ in range(5):
        olds.append(weakref.ref(w.node))
        loss = tg.sum(w * w)
        loss.backward()
        opt.step()
        opt.zero_grad()
        kept.append(loss.detach())
        total = total + loss.detach()
    del loss
    gc.collect()
    assert all(old() is None for old in olds)
    assert total.item() == pytest.approx(sum(loss.item() for loss in kept))


def test_a_function_that_is_defined_already_does_not_make_memory_grow():
    x = tg.placeholder((3,), name="x")
    f = tg.function([x], x * 2)
    w = tg.state([1.0, 2.0, 3.0])
    average = tg.zeros(3)
    for _ in range(3):
        average = average * 0.9 + w
        average.realize()
        assert average.node.inputs == ()
    assert f([1.0, 1.0, 1.0]).tolist() == [2.0, 2.0, 2.0]


def test_a_graph_keeps_the_values_it_was_built_on():
    w = tg.state([1.0, 2.0])
    before = w * 10
    w.assign(w + 1)
    assert before.tolist() == [10.0, 20.0]
    assert w.tolist() == [2.0, 3.0]


def test_assign_keeps_shape_and_dtype():
    w = tg.state([1.0, 2.0])
    w.assign(np.array([3, 4]))
    assert w.dtype == np.float32
    assert w.tolist() == [3.0, 4.0]
    with pytest.raises(tg.errors.ShapeError, match=r"shape \(2,\) cannot be assigned one of shape"):
        w.assign(np.zeros(3))


def test_gradients_accumulate_until_cleared():
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    tg.sum(w * 3).backward()
    tg.sum(w * w).backward()
    assert w.grad.tolist() == [5.0, 7.0]
    w.grad = None
    tg.sum(w).backward()
    assert w.grad.tolist() == [1.0, 1.0]


def test_backward_after_the_value_was_read():
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    loss = tg.sum(w * w)
    assert float(loss) == 5.0
    loss.backward()
    assert w.grad.tolist() == [2.0, 4.0]


def test_backward_needs_a_float_scalar_that_requires_a_gradient():
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(tg.errors.ShapeError, match=r"shape \(2,\) needs `gradient`"):
        (w * 2).backward()
    with pytest.raises(tg.errors.GraphError, match="nothing that requires a gradient"):
        tg.sum(tg.tensor([1.0])).backward()
    with pytest.raises(tg.errors.DTypeError, match="int64; gradients exist for floats only"):
        tg.sum(tg.tensor([1])).backward()
    (w * 2).backward(np.array([1.0, 10.0]))
    assert w.grad.tolist() == [2.0, 20.0]


def test_no_grad_and_detach_cut_the_gradient():
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    with tg.no_grad():
        constant = w * 5
    assert not constant.requires_grad
    tg.sum(w * constant + w.detach() * 7).backward()
    assert w.grad.tolist() == [5.0, 10.0]


def test_an_unfed_placeholder_is_named_with_its_line():
    x = tg.placeholder((2,), name="pixels")
    y = tg.exp(x)
    with pytest.raises(tg.errors.UnfedError) as caught:
        y.numpy()
    assert "'pixels'" in str(caught.value)
    assert "test_lazy.py" in str(caught.value)


def test_inputs_are_copied():
    source = np.ones(3, "float32")
    x = tg.tensor(source)
    y = x + 1
    source[:] = 99
    assert y.tolist() == [2.0, 2.0, 2.0]
    out = x.numpy()
    out[:] = -1
    assert x.tolist() == [1.0, 1.0, 1.0]


def test_a_miss_explains_itself():
    TAPES.clear()
    tg.exp(tg.tensor([1.0, 2.0])).realize()
    tg.exp(tg.tensor([1.0, 2.0, 3.0])).realize()
    assert TAPES.last_miss == "input 0 is float32[3], the nearest known graph has float32[2]"
    tg.log(tg.tensor([1.0, 2.0, 3.0])).realize()
    assert "log" in TAPES.last_miss
