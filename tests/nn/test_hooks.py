"""Hooks, before and after a module, forward and backward."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn


def test_a_hook_before_sees_and_changes_the_arguments():
    net = nn.Linear(2, 2)
    seen = []
    x = tg.ones((1, 2))
    plain = net(x * 3).numpy()
    net.register_forward_pre_hook(lambda module, args: seen.append(args))
    handle = net.register_forward_pre_hook(lambda module, args: args[0] * 3)
    np.testing.assert_allclose(net(x).numpy(), plain)
    assert seen[0][0] is x
    handle.remove()
    np.testing.assert_allclose(net(x * 3).numpy(), plain)


def test_the_order_of_hooks():
    net, calls = nn.Identity(), []
    net.register_forward_hook(lambda *_: calls.append("first"))
    net.register_forward_hook(lambda *_: calls.append("second"))
    net.register_forward_hook(lambda *_: calls.append("before"), prepend=True)
    net.register_forward_pre_hook(lambda *_: calls.append("pre"))
    net(tg.ones(1))
    assert calls == ["pre", "before", "first", "second"]
    with pytest.raises(TypeError, match="expected a function as hook, got a int"):
        net.register_forward_hook(3)


def test_gradients_are_seen_on_their_way_back():
    net, seen = nn.Tanh(), []
    net.register_full_backward_pre_hook(lambda module, out: seen.append(("out", out)))
    net.register_full_backward_hook(lambda module, into, out: seen.append(("in", into, out)))
    x = tg.tensor([0.5], requires_grad=True)
    (net(x) * 3).sum().backward()
    (_, (out,)), (_, (into,), (same,)) = seen
    slope = 1 - np.tanh(0.5) ** 2
    np.testing.assert_allclose([out.item(), same.item()], 3.0)
    np.testing.assert_allclose([into.item(), x.grad.item()], 3 * slope, rtol=1e-6)


def test_a_hook_changes_a_gradient():
    net = nn.Linear(2, 2)
    net.register_full_backward_pre_hook(lambda module, out: (out[0] * 2,))
    net.register_full_backward_hook(lambda module, into, out: (into[0] * 5,))
    x = tg.tensor([[1.0, 1.0]], requires_grad=True)
    net(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy()[0], net.weight.numpy().sum(0) * 10, rtol=1e-6)
    np.testing.assert_allclose(net.weight.grad.numpy(), np.full((2, 2), 2.0))


def test_an_argument_without_gradient_counts_as_none():
    net, seen = nn.Linear(2, 2), []
    net.register_full_backward_hook(lambda module, into, out: seen.append(into))
    net(tg.ones((1, 2))).sum().backward()
    assert seen == [(None,)]


def test_too_many_gradients_are_refused():
    net = nn.Tanh()
    net.register_full_backward_hook(lambda module, into, out: (into[0], into[0]))
    x = tg.tensor([0.5], requires_grad=True)
    with pytest.raises(ValueError, match="returns None or 1 gradients, got 2"):
        net(x).sum().backward()


def test_hooks_in_a_graph_and_in_a_trace():
    """What a hook changes is part of what is compiled; a new hook is a new trace."""
    net = nn.Linear(2, 1)
    net.register_full_backward_hook(lambda module, into, out: (into[0] * 7,))
    expected = net.weight.numpy()[0] * 7
    x = tg.placeholder((1, 2), name="x")
    slope = tg.function([x], tg.grad(lambda x: net(x).sum())(x))
    np.testing.assert_allclose(slope(np.ones((1, 2), "float32")).numpy()[0], expected, rtol=1e-6)

    traced = tg.jit(lambda x: tg.grad(lambda x: net(x).sum())(x))
    np.testing.assert_allclose(traced(tg.ones((1, 2))).numpy()[0], expected, rtol=1e-6)
    handle = net.register_full_backward_pre_hook(lambda module, out: (out[0] * 2,))
    np.testing.assert_allclose(traced(tg.ones((1, 2))).numpy()[0], expected * 2, rtol=1e-6)
    handle.remove()
    np.testing.assert_allclose(traced(tg.ones((1, 2))).numpy()[0], expected, rtol=1e-6)
