"""What surprises people about tg.jit: it agrees with the plain function, or says why not."""

import gc
import weakref
from collections import OrderedDict, defaultdict
from types import SimpleNamespace

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim

scale = 2.0
X = np.arange(8, dtype="float32").reshape(4, 2) / 8


def square(x):
    return (x * x).sum()


def helper(x):
    return x * scale


# ------------------------------------------------------------------ under other transforms


@pytest.mark.parametrize("transform", [tg.grad, tg.value_and_grad, tg.hessian, tg.jacfwd, tg.vmap])
def test_transforms_of_a_jitted_function_are_those_of_the_function(transform):
    x = tg.tensor(X) if transform is tg.vmap else tg.tensor([1.0, 2.0])
    got, want = transform(tg.jit(square))(x), transform(square)(x)
    for g, w in zip(tg.tree.flatten(got)[0], tg.tree.flatten(want)[0], strict=True):
        np.testing.assert_array_equal(g.numpy(), w.numpy())


def test_bodies_and_placeholders_may_go_through_a_jitted_function():
    f, x = tg.jit(square), tg.tensor(X)
    _, ys = tg.scan(lambda c, row: (c, f(row)), tg.tensor(0.0), x)
    np.testing.assert_allclose(ys.numpy(), (X * X).sum(1))
    assert tg.cond(tg.tensor(True), f, lambda x: x.sum(), x).item() == (X * X).sum()
    p = tg.placeholder((None,), name="p")
    assert tg.function([p], f(p))([1.0, 2.0]).item() == 5.0


def test_gradients_reach_arguments_and_what_they_were_computed_from():
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    tg.jit(square)(w * 3).backward()
    assert w.grad.tolist() == [18.0, 36.0]


def test_a_gradient_is_not_lost_at_a_captured_value():
    def loss(w):
        inner = tg.jit(lambda x: (x * w).sum())
        return inner(tg.tensor([1.0, 2.0]))

    assert tg.grad(loss)(tg.tensor([5.0, 5.0])).tolist() == [1.0, 2.0]


# -------------------------------------------------------------------- what is read outside


def test_a_loop_variable_that_is_named_like_a_method_does_not_trace_again():
    model = nn.Linear(2, 1)
    opt = optim.SGD(model.parameters(), lr=0.1)
    namespace = {"model": model, "opt": opt}
    source = (
        "def train(x):\n    loss = model(x).sum()\n    opt.zero_grad()\n"
        "    loss.backward()\n    opt.step()\n    return loss\n"
    )
    exec(source, namespace)
    train = tg.jit(namespace["train"])
    for step in range(4):
        namespace["step"] = step  # `opt.step` is not this
        train(X)
    assert train.traces == 2  # with gradients there, and without


def test_numbers_are_followed_into_helpers_and_inner_functions(monkeypatch):
    outer = tg.jit(lambda x: helper(x))
    inner = tg.jit(lambda x: (lambda y: y * scale)(x))
    one = tg.ones(())
    assert (outer(one).item(), inner(one).item()) == (2.0, 2.0)
    monkeypatch.setitem(globals(), "scale", 5.0)
    assert (outer(one).item(), inner(one).item()) == (5.0, 5.0)


def test_another_model_under_the_same_name_is_seen():
    model = nn.Linear(2, 1)

    @tg.jit
    def predict(x):
        return model(x)

    predict(X)
    model = nn.Linear(2, 1)
    np.testing.assert_array_equal(predict(X).numpy(), model(tg.tensor(X)).numpy())


def test_another_layer_or_parameter_in_a_model_is_seen():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    f = tg.jit(lambda x: model(x))
    first, second = f(X), model[1]
    model[1] = nn.Linear(2, 2)
    assert not np.array_equal(f(X).numpy(), first.numpy())
    model[1].weight, model[1].bias = second.weight, second.bias
    np.testing.assert_array_equal(f(X).numpy(), first.numpy())


def test_the_numbers_of_a_module_are_looked_at():
    class Counted(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0
            self.factor = 2.0

        def forward(self, x):
            self.calls += 1
            return x * self.factor

    model = Counted()
    f = tg.jit(lambda x: model(x))
    assert [f(tg.ones(())).item() for _ in range(3)] == [2.0, 2.0, 2.0]
    assert f.traces == model.calls == 1
    model.factor = 3.0
    assert f(tg.ones(())).item() == 3.0


def test_a_leaf_that_requires_a_gradient_is_read_at_each_call():
    w = tg.tensor([0.5], requires_grad=True)

    @tg.jit
    def loss():
        value = ((w * 2 - 1) ** 2 + w).sum()
        value.backward()
        return value

    seen = []
    for _ in range(3):
        seen.append((loss().item(), w.item()))
        with tg.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    assert [value for value, _ in seen] == pytest.approx([(2 * w - 1) ** 2 + w for _, w in seen])
    assert seen[2][1] != seen[0][1]
    assert loss.traces == 1


# -------------------------------------------------------------------------- training steps


def losses(jitted, act):
    """Losses of a few steps; `act(number, model)` does something in between."""
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    opt = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(x):
        loss = (model(x) ** 2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    step = tg.jit(step) if jitted else step
    found = []
    for number in range(6):
        act(number, model)
        found.append(float(step(tg.tensor(X))))
    return found


def test_freezing_a_layer_takes_effect():
    def act(number, model):
        model[0].requires_grad_(number not in (2, 3))

    np.testing.assert_allclose(losses(True, act), losses(False, act), rtol=1e-6)


def test_casting_the_model_takes_effect():
    model = nn.Linear(2, 1)
    f = tg.jit(lambda x: model(x))
    f(X)
    model.to("float64")
    assert f(X).dtype == np.float64


def test_freezing_within_the_function():
    def final(jitted):
        tg.manual_seed(0)
        first, second = nn.Linear(2, 2), nn.Linear(2, 1)
        one, two = (optim.SGD(m.parameters(), lr=0.1) for m in (first, second))

        def step(x):
            loss = (second(first(x).detach()) ** 2).mean()
            two.zero_grad()
            loss.backward()
            two.step()
            second.requires_grad_(False)
            loss = (second(first(x)) ** 2).mean()
            one.zero_grad()
            loss.backward()
            one.step()
            second.requires_grad_(True)
            return loss

        step = tg.jit(step) if jitted else step
        values = [float(step(tg.tensor(X))) for _ in range(3)]
        return [*values, *first.weight.tolist()[0], *second.weight.tolist()[0]]

    np.testing.assert_allclose(final(True), final(False), rtol=1e-6)


def test_adding_up_gradients_over_several_calls_traces_twice():
    w = nn.Parameter([1.0, 2.0])

    @tg.jit
    def add(x):
        (w * x).sum().backward()

    for _ in range(3):
        w.grad = None
        for number in range(3):
            add(tg.tensor([1.0, number]))
        assert w.grad.tolist() == [3.0, 3.0]
    assert add.traces == 2


def test_writing_to_a_gradient_in_place():
    w = nn.Parameter([1.0, 2.0])

    @tg.jit
    def add(x):
        if w.grad is not None:
            w.grad *= 0.5
        (w * x).sum().backward()

    for want in (4.0, 6.0, 7.0):
        add(tg.tensor([4.0, 4.0]))
        assert w.grad.tolist() == [want, want]
    kept, w.grad = w.grad, None
    add(tg.tensor([4.0, 4.0]))
    add(tg.tensor([4.0, 4.0]))
    assert (kept.tolist(), w.grad.tolist()) == ([7.0, 7.0], [6.0, 6.0])
    assert add.traces == 2


def test_state_that_is_returned_has_its_next_value():
    count = tg.state(0.0)

    @tg.jit
    def f():
        count.assign(count + 1)
        return count, count * 10

    f()
    assert [value.item() for value in f()] == [2.0, 20.0]


# ------------------------------------------------------------------------------- and more


def test_traces_for_ever_new_arguments_are_not_all_kept():
    f = tg.jit(lambda x, number: x * number)
    for number in range(200):
        f(tg.ones(1), number)
    assert len(f._known) <= 128


def test_a_stand_in_that_was_kept_says_so():
    kept = []

    @tg.jit
    def f(x):
        kept.append(x * 2)
        return x

    f(tg.ones(2))
    with pytest.raises(tg.errors.TraceError, match="return it instead"):
        kept[0].numpy()
    with pytest.raises(tg.errors.TraceError, match="stand-in"):
        tg.scan(lambda c, x: (c + float(x), None), tg.tensor(0.0), tg.ones(3))


def test_any_dictionary_is_an_argument():
    f = tg.jit(lambda d: {key: value * 2 for key, value in d.items()})
    for kind in (defaultdict(list, a=tg.ones(1)), OrderedDict(a=tg.ones(1))):
        assert f(kind)["a"].tolist() == [2.0]


def test_a_model_that_nobody_holds_is_freed():
    def use():
        model = nn.Linear(2, 1)
        tg.jit(lambda x: model(x))(X)
        return weakref.ref(model)

    gone = use()
    gc.collect()
    assert gone() is None


def test_a_gradient_is_not_lost_in_what_a_jitted_function_returned():
    w = tg.tensor([2.0], requires_grad=True)
    fast = tg.jit(lambda x: x * w)
    x = tg.tensor([3.0])
    with pytest.raises(tg.errors.GraphError, match="which has no history"):
        tg.sum(fast(x) + x * w).backward()
    tg.sum(fast(x).detach() + x * w).backward()
    assert w.grad.tolist() == [3.0]
    with tg.no_grad():
        assert not fast(x).requires_grad
    again = fast(fast(x))  # but it is an argument like any other
    assert (again.tolist(), fast.traces) == ([12.0], 2)


def test_the_numbers_of_an_object_are_noticed():
    class Trainer:
        def __init__(self):
            self.rate, self.steps, self.calls = 2.0, 0, 0

        @tg.jit
        def step(self, x):
            self.calls += 1  # while tracing only: no condition
            return x * self.rate

    trainer = Trainer()
    x = tg.tensor([1.0])
    found = []
    for rate in (2.0, 2.0, 3.0, 2.0):
        trainer.rate = rate
        trainer.steps += 1  # the function does not read it: nothing is traced anew
        found.append(trainer.step(x).item())
    assert found == [2.0, 2.0, 3.0, 2.0]
    assert Trainer.step.traces == 2

    options = SimpleNamespace(scale=1.0)
    f = tg.jit(lambda x: x * options.scale)
    assert f(x).item() == 1.0
    options.scale = 5.0
    assert f(x).item() == 5.0
