"""Groups, options, skipped parameters, saved state, failures, and what is never compiled twice."""

import gc
import weakref

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.compiler.compile import TAPES
from tinygraph.errors import GraphError, ShapeError, StateError


def parameters(*values):
    return [nn.Parameter([value]) for value in values]


def step(optimizer, *params):
    loss = sum((tg.sum(p * p) for p in params), tg.tensor(0.0))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss


def test_groups_have_options_of_their_own():
    a, b, c = parameters(1.0, 1.0, 1.0)
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.25)
    optimizer.add_param_group({"params": [c], "lr": 0.0})
    step(optimizer, a, b, c)
    assert [p.item() for p in (a, b, c)] == [0.5, 0.0, 1.0]
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.5, 0.0]


def test_a_new_option_value_compiles_nothing():
    (w,) = parameters(1.0)
    optimizer = optim.SGD([w], lr=0.25)
    step(optimizer, w)
    misses = TAPES.info().misses
    optimizer.param_groups[0]["lr"] = 0.5
    step(optimizer, w)
    assert w.item() == 0.0
    optimizer.param_groups[0].update(lr=0.0)
    step(optimizer, w)
    assert TAPES.info().misses == misses


def test_a_new_learning_rate_reaches_a_compiled_function():
    (w,) = parameters(1.0)
    optimizer = optim.Adam([w], lr=0.0)
    x = tg.placeholder((), name="x")
    loss = tg.sum(w * x)
    train = tg.function([x], loss, updates=optimizer.minimize(loss))
    assert train(2.0).item() == 2.0
    assert w.item() == 1.0
    misses = TAPES.info().misses
    optimizer.param_groups[0]["lr"] = 0.5
    train(2.0)
    assert w.item() == pytest.approx(0.5)
    assert optimizer.state[w]["step"].item() == 2.0
    assert TAPES.info().misses == misses


def test_a_traced_step_follows_options_and_their_form():
    (w,) = parameters(1.0)
    optimizer = optim.SGD([w], lr=0.25)

    @tg.jit
    def train():
        loss = tg.sum(w * w)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    assert [train().item() for _ in range(3)] == [1.0, 0.25, 0.0625]
    assert train.traces == 1
    optimizer.param_groups[0]["lr"] = 0.5
    train()
    assert (w.item(), train.traces) == (0.0, 1)
    w.set([1.0])
    optimizer.param_groups[0]["weight_decay"] = 1.0
    train()
    assert (w.item(), train.traces) == (-0.5, 2)


def test_parameters_without_a_gradient_stay():
    a, b = parameters(1.0, 1.0)
    optimizer = optim.Adam([a, b], lr=0.1, weight_decay=0.1)
    step(optimizer, a)
    step(optimizer, a, b)
    assert optimizer.state[a]["step"].item() == 2
    assert optimizer.state[b]["step"].item() == 1
    alone = nn.Parameter([1.0])
    step(optim.Adam([alone], lr=0.1, weight_decay=0.1), alone)
    assert b.item() == alone.item()


def test_gradients_of_several_backwards_add_up():
    (w,) = parameters(1.0)
    optimizer = optim.SGD([w], lr=0.25)
    tg.sum(w).backward()
    tg.sum(w * 2).backward()
    optimizer.step()
    assert w.item() == 0.25


def test_memory_and_tapes_do_not_grow():
    tg.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = optim.Adam(net.parameters())
    x, t = tg.randn((6, 4)), tg.tensor([0, 1, 0, 1, 0, 1])

    def train():
        loss = nn.functional.cross_entropy(net(x), t)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    losses = [train() for _ in range(10)]
    gc.collect()
    before, misses = len(gc.get_objects()), TAPES.info().misses
    losses += [train() for _ in range(190)]
    gc.collect()
    assert len(gc.get_objects()) < before + 50
    assert TAPES.info().misses == misses
    assert losses[-1] < losses[0]


def test_gradients_that_are_never_cleared_do_not_pile_up():
    (w,) = parameters(1.0)
    optimizer = optim.SGD([w], lr=0.0)

    def train(steps):
        for _ in range(steps):
            tg.sum(w * w).backward()
            optimizer.step()
        return TAPES.info().misses

    misses = train(6)
    node = weakref.ref(w.grad.node)
    assert train(4) == misses
    assert w.grad.tolist() == [20.0]
    assert node() is None


def test_a_failed_step_changes_nothing():
    net = nn.Sequential(nn.Embedding(3, 2), nn.BatchNorm1d(2))
    optimizer = optim.Adam(net.parameters())
    before = net.state_dict()

    def train(rows):
        loss = tg.sum(net(tg.tensor(rows)) ** 3)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    with pytest.raises(IndexError, match="row 7 is out of range") as failure:
        train([0, 7])
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert optimizer.state[net[0].weight]["step"].item() == 0
    optimizer.zero_grad()
    train([0, 1])  # the loss that failed is still held by the traceback
    assert failure.tb is not None
    assert net[1].num_batches_tracked.item() == 1


def test_a_step_on_a_placeholder_says_so_and_changes_nothing():
    (w,) = parameters(1.0)
    x = tg.placeholder((1,), name="x")
    tg.sum(w * x).backward()
    with pytest.raises(GraphError, match="placeholder 'x'"):
        optim.SGD([w]).step()
    assert w.item() == 1.0


def test_a_closure_computes_the_loss():
    (w,) = parameters(1.0)
    optimizer = optim.SGD([w], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = tg.sum(w * w)
        loss.backward()
        return loss

    with tg.no_grad():
        assert optimizer.step(closure).item() == 1.0
    assert w.item() == 0.5


@pytest.mark.parametrize(
    "make",
    [
        lambda params: optim.SGD(params, lr=0.1, momentum=0.9),
        lambda params: optim.SGD(params, lr=0.1, momentum=0.9, dampening=0.5),
        lambda params: optim.Adam(params, lr=0.1, amsgrad=True),
    ],
)
def test_saved_state_continues_where_it_was(make):
    a, b = parameters(1.0, 2.0)
    first = make([a, b])
    for _ in range(3):
        step(first, a, b)
    c, d = nn.Parameter(a), nn.Parameter(b)
    second = make([c, d])
    second.param_groups[0]["lr"] = 7.0
    second.load_state_dict(first.state_dict())
    for _ in range(3):
        step(first, a, b)
        step(second, c, d)
    assert (a.item(), b.item()) == (c.item(), d.item())


def test_the_layout_of_saved_state_is_pytorchs():
    a, b = parameters(1.0, 2.0)
    optimizer = optim.Adam([{"params": [a]}, {"params": [b], "lr": 0.5}])
    step(optimizer, a, b)
    saved = optimizer.state_dict()
    assert saved["state"].keys() == {0, 1}
    assert saved["state"][1].keys() == {"step", "exp_avg", "exp_avg_sq"}
    assert saved["state"][1]["step"] == 1.0
    assert [group["params"] for group in saved["param_groups"]] == [[0], [1]]
    assert saved["param_groups"][1]["lr"] == 0.5
    foreign = {
        "state": {},
        "param_groups": [{"lr": 0.1, "params": [0], "fused": None}, {"lr": 0.2, "params": [1]}],
    }
    optimizer.load_state_dict(foreign)
    assert optimizer.state[a]["step"].item() == 0.0
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.2]


def test_state_that_does_not_fit_is_not_loaded():
    a, b = parameters(1.0, 2.0)
    optimizer = optim.Adam([a, b])
    step(optimizer, a, b)
    saved = optimizer.state_dict()
    saved["state"][1]["exp_avg"] = np.zeros(3)
    saved["state"][0]["exp_avg"] = np.ones(1)
    with pytest.raises(StateError, match=r"exp_avg of parameter 1: expected shape \(1,\), got"):
        optimizer.load_state_dict(saved)
    assert optimizer.state[a]["exp_avg"].item() != 1.0
    with pytest.raises(StateError, match="Adam: expected lr of at least 0, got -1"):
        optimizer.load_state_dict({"state": {}, "param_groups": [{"params": [0, 1], "lr": -1}]})
    with pytest.raises(StateError, match=r"expected groups of \[2\] parameters, got \[1\]"):
        optimizer.load_state_dict({"state": {}, "param_groups": [{"params": [0]}]})


def test_wrong_parameters():
    (w,) = parameters(1.0)
    with pytest.raises(ValueError, match="SGD: expected at least one parameter, got none"):
        optim.SGD([])
    with pytest.raises(TypeError, match=r"another iterable, such as .*, got a Parameter"):
        optim.SGD(w)
    with pytest.raises(TypeError, match="SGD: expected parameters, got a str"):
        optim.SGD(["w"])
    with pytest.raises(ValueError, match="SGD: expected leaves, got the result of multiply"):
        optim.SGD([w * 2])
    with pytest.raises(ValueError, match=r"a parameter of shape \(1,\) is given twice"):
        optim.SGD([w, w])
    with pytest.raises(ValueError, match="or is in another group already"):
        optim.SGD([w]).add_param_group({"params": [w]})


def test_wrong_options():
    (w,) = parameters(1.0)
    with pytest.raises(ValueError, match="SGD: expected lr of at least 0, got -1"):
        optim.SGD([w], lr=-1)
    with pytest.raises(ValueError, match="SGD: nesterov needs momentum above 0"):
        optim.SGD([w], nesterov=True)
    with pytest.raises(ValueError, match=r"Adam: expected 2 betas, each from 0 to below 1"):
        optim.Adam([w], betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="AdamW: expected eps of at least 0, got -1"):
        optim.AdamW([w], eps=-1)
    with pytest.raises(ValueError, match=r"expected options out of lr, .*, got rate"):
        optim.SGD([{"params": [w], "rate": 1.0}])
    optimizer = optim.SGD([w], lr=0.5)
    with pytest.raises(ValueError, match="SGD: expected lr of at least 0, got -1"):
        optimizer.param_groups[0]["lr"] = -1
    assert optimizer.param_groups[0]["lr"] == 0.5
    with pytest.raises(TypeError, match="add others with add_param_group"):
        optimizer.param_groups[0]["params"] = []


def test_options_that_go_together_are_changed_together():
    (w,) = parameters(1.0)
    optimizer = optim.SGD([w], lr=0.5, momentum=0.9, nesterov=True)
    plain = optim.SGD([w], lr=0.25)
    optimizer.load_state_dict(plain.state_dict())
    assert optimizer.param_groups[0]["momentum"] == 0.0
    with pytest.raises(ValueError, match="nesterov needs momentum"):
        optimizer.param_groups[0].update(lr=1.0, nesterov=True)
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_minimize_changes_nothing_and_wants_a_loss():
    a, b = parameters(1.0, 2.0)
    optimizer = optim.SGD([a, b], lr=0.5, momentum=0.9)
    updates = optimizer.minimize(tg.sum(a * b), [a])
    assert set(map(id, updates)) == {id(a), id(optimizer.state[a]["momentum_buffer"])}
    assert a.item() == 1.0
    assert updates[a].item() == 0.0
    with pytest.raises(ShapeError, match=r"SGD.minimize: expected a loss of one element"):
        optimizer.minimize(tg.concat([a, b]))
    with pytest.raises(GraphError, match="depends on none of the parameters"):
        optimizer.minimize(tg.tensor(1.0))
    with pytest.raises(ValueError, match="expected parameters of this optimizer"):
        optimizer.minimize(tg.sum(a), parameters(1.0))


def test_repr():
    (w,) = parameters(1.0)
    assert repr(optim.SGD([w], lr=0.5)) == (
        "SGD (\n  ParamGroup (\n      dampening: 0.0\n      lr: 0.5\n      maximize: False\n"
        "      momentum: 0.0\n      nesterov: False\n      weight_decay: 0.0\n"
        "      parameters: 1\n  )\n)"
    )


def test_options_of_a_wrong_type():
    with pytest.raises(TypeError, match="Adam: expected a number as lr, got 'fast'"):
        optim.Adam(parameters(1.0), lr="fast")
    with pytest.raises(ValueError, match=r"Adam: expected 2 betas, .* got 0\.9"):
        optim.Adam(parameters(1.0), betas=0.9)


@pytest.mark.parametrize("given", [nn.Linear(2, 2), None, 3])
def test_what_is_no_list_of_parameters_is_named(given):
    name = type(given).__name__
    with pytest.raises(TypeError, match=rf"such as model\.parameters\(\), got a {name}"):
        optim.SGD(given)


def test_options_that_are_text():
    with pytest.raises(TypeError, match=r"expected betas to be 2 numbers, got \('a', 'b'\)"):
        optim.Adam(parameters(1.0), betas=("a", "b"))
    with pytest.raises(TypeError, match="SGD: expected a number as dampening, got 'a'"):
        optim.SGD(parameters(1.0), dampening="a")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"a": 1}, "missing: state, param_groups"),
        ({"state": {}}, "missing: param_groups"),
        ("adam.safetensors", "got a str"),
        ({"state": 1, "param_groups": 2}, "got int and int"),
    ],
)
def test_what_is_no_state_is_named(wrong, message):
    with pytest.raises(StateError, match=message):
        optim.Adam(parameters(1.0)).load_state_dict(wrong)


def test_the_state_of_another_optimizer_is_refused():
    params = parameters(1.0)
    adam = optim.Adam(params)
    sgd = optim.SGD(params, momentum=0.9)
    step(adam, *params)
    with pytest.raises(StateError, match="exp_avg, exp_avg_sq, which SGD does not keep"):
        sgd.load_state_dict(adam.state_dict())
    with pytest.raises(StateError, match="momentum_buffer, which Adam does not keep"):
        adam.load_state_dict(sgd.state_dict())
    sgd.param_groups[0]["momentum"] = 0.0  # what was kept while it was on is no reason to refuse
    optim.SGD(params).load_state_dict(sgd.state_dict())


def test_a_state_goes_to_a_file_and_comes_back(tmp_path):
    params = parameters(1.0, 2.0)
    old = optim.Adam(params, lr=0.25)
    tg.sum(params[0] * params[1]).backward()
    old.step()
    tg.io.save(old.state_dict(), tmp_path / "adam.safetensors")
    new = optim.Adam(params)
    new.load_state_dict(tg.io.load(tmp_path / "adam.safetensors"))
    assert repr(new.state_dict()) == repr(old.state_dict())
