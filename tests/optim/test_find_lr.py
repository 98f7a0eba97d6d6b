"""The learning-rate finder: what it finds, and that it leaves no trace."""

import math
from itertools import pairwise

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.compiler.compile import TAPES
from tinygraph.optim.find_lr import LRFinder, RangeTest, find_lr

KINDS = {
    "SGD": lambda params: optim.SGD(params, lr=0.25, momentum=0.9),
    "Adam": lambda params: optim.Adam(params, lr=0.25),
    "schedule-free": lambda params: optim.ScheduleFreeAdamW(params, lr=0.25),
}


def network():
    tg.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 1)
    )


def batches(count=4):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((count, 32, 4)).astype("float32")
    return [(a, a.sum(axis=1, keepdims=True)) for a in x]


def mse(found, wanted):
    return nn.functional.mse_loss(found, tg.asarray(wanted))


def train(net, optimizer, data, steps):
    """The losses of some ordinary steps."""
    losses = []
    for step in range(steps):
        x, y = data[step % len(data)]
        optimizer.zero_grad()
        loss = mse(net(tg.tensor(x)), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def tensors(batch):
    return tuple(tg.tensor(part) for part in batch)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trained", [0, 3])
def test_it_leaves_no_trace(kind, trained):
    """Training goes on to the same bits as without it, dropout and moving averages too."""
    data = batches()
    net, other = network(), network()
    optimizer, plain = KINDS[kind](net.parameters()), KINDS[kind](other.parameters())
    train(net, optimizer, data, trained)
    state = tg.random.get_state()
    find_lr(net, optimizer, mse, [tensors(batch) for batch in data], num_iter=30)
    assert tg.random.get_state() == state
    losses = train(net, optimizer, data, 4)
    tg.manual_seed(0)
    network()
    train(other, plain, data, trained)
    assert losses == train(other, plain, data, 4)
    for name, value in other.state_dict().items():
        np.testing.assert_array_equal(net.state_dict()[name], value)
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_modes_and_gradients_are_put_back():
    net = network()
    net.eval()
    net[1].train()
    optimizer = optim.SGD(net.parameters())
    mse(net(tg.ones((2, 4))), np.ones((2, 1))).backward()
    grads = [param.grad for param in net.parameters()]
    values = [grad.tolist() for grad in grads]
    find_lr(net, optimizer, mse, [tensors(batch) for batch in batches()], num_iter=5)
    assert [param.grad for param in net.parameters()] == grads
    assert [grad.tolist() for grad in grads] == values
    assert [module.training for module in net] == [False, True, False, False, False]


def test_a_loader_counts_its_epochs_as_before():
    x = np.random.default_rng(0).standard_normal((20, 4)).astype("float32")
    loader = tg.data.DataLoader(
        tg.data.TensorDataset(x, x.sum(axis=1, keepdims=True)), batch_size=8, shuffle=True
    )
    net = network()
    test = find_lr(net, optim.SGD(net.parameters()), mse_of_arrays, loader, num_iter=10)
    assert loader.epoch == 0
    assert len(test.rates) == 10


def mse_of_arrays(found, wanted):
    return nn.functional.mse_loss(found, tg.tensor(wanted))


def test_a_failing_step_puts_all_back():
    net = network()
    optimizer = optim.SGD(net.parameters(), lr=0.25, momentum=0.9)
    before = net.state_dict()
    calls = []

    def loss(found, wanted):
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("the third batch is broken")
        return mse(found, wanted)

    with pytest.raises(RuntimeError, match="the third batch is broken"):
        find_lr(net, optimizer, loss, [tensors(batch) for batch in batches()])
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert net.training
    buffers = [kept["momentum_buffer"].numpy() for kept in optimizer.state.values()]
    assert not any(map(np.any, buffers))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_what_it_suggests_trains_well(backend):
    with tg.backend(backend):
        net = network()
        optimizer = optim.SGD(net.parameters(), lr=1e-4)
        data = batches()
        test = find_lr(net, optimizer, mse, [tensors(batch) for batch in data], 1e-5, 100.0)
        assert test.diverged
        assert 1e-5 < test.valley() <= test.suggestion < test.rates[-1]
        slow = train(network(), optim.SGD(net.parameters(), lr=1e-4), data, 1)[0]
        optimizer.param_groups[0]["lr"] = test.suggestion
        assert train(net, optimizer, data, 40)[-1] < slow / 5


# ----------------------------------------------------------------------------- the course of it


def recorded(**options):
    """The rates at which steps were made, and the test."""
    w = nn.Parameter([1.0])
    optimizer = optim.SGD([w], lr=0.5)
    seen = []

    def step(x):
        seen.append(optimizer.param_groups[0]["lr"])
        return 1.0

    return seen, LRFinder(step, optimizer).run([0.0, 1.0, 2.0], **options)


def test_the_ramp():
    seen, test = recorded()
    assert seen == test.rates == pytest.approx(np.geomspace(1e-7, 10.0, 100))
    seen, test = recorded(min_lr=1.0, max_lr=2.0, num_iter=5, mode="linear")
    assert seen == [1.0, 1.25, 1.5, 1.75, 2.0]
    assert not test.diverged


def test_groups_keep_their_ratios():
    optimizer = optim.SGD(
        [{"params": [nn.Parameter([1.0])], "lr": lr} for lr in (0.1, 0.2)], lr=0.0
    )
    seen = []

    def step(x):
        seen.append([group["lr"] for group in optimizer.param_groups])
        return 1.0

    LRFinder(step, optimizer).run([0.0], 1.0, 100.0, num_iter=3)
    np.testing.assert_allclose(seen, [[0.5, 1.0], [5.0, 10.0], [50.0, 100.0]])
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.2]


def course(losses, **options):
    given = iter(losses)
    optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.5)
    finder = LRFinder(lambda x: next(given), optimizer)
    return finder.run([0.0], 1e-3, 10.0, num_iter=len(losses), **options)


def test_the_mean_is_made_up_for_its_start():
    test = course([4.0, 2.0, 3.0], smoothing=0.5)
    assert test.losses == [4.0, 2.0, 3.0]
    assert test.smoothed == pytest.approx([4.0, 2.0 / 0.75, (0.5 * 2.0 + 1.5) / 0.875])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 4.1])
def test_it_ends_where_the_loss_blows_up(bad):
    test = course([1.0, 1.0, bad, 1.0], smoothing=0.0)
    assert test.diverged
    assert len(test.losses) == (3 if math.isfinite(bad) else 2)


def test_losses_below_0_may_fall_and_rise_a_little():
    test = course([-1.0, -2.0, -1.5, 4.1, 0.0], smoothing=0.0)
    assert test.losses == [-1.0, -2.0, -1.5, 4.1]


def test_a_value_that_is_not_finite_ends_it_too(monkeypatch):
    monkeypatch.setenv("TINYGRAPH_CHECK", "nan")
    w = nn.Parameter([1.0])
    optimizer = optim.SGD([w])

    def step(x):
        optimizer.zero_grad()
        loss = tg.sum(tg.exp(w * w))
        loss.backward()
        optimizer.step()
        return loss

    test = LRFinder(step, optimizer).run([0.0], 0.1, 1e6)
    assert test.diverged
    assert 0 < len(test.rates) < 100
    assert w.item() == 1.0


def falling(losses, rates=None):
    rates = np.geomspace(1e-5, 1.0, len(losses)).tolist() if rates is None else rates
    return RangeTest(rates, list(losses), list(losses), False)


def test_the_steepest_place():
    place = np.arange(60)
    losses = 2 - np.tanh((place - 40) / 5)
    test = falling(losses)
    assert test.steepest() == test.suggestion == test.rates[40]
    uneven = [*np.linspace(0.1, 1.0, 10), *np.geomspace(1.1, 1000.0, 10)]
    slopes = -np.log(uneven)  # equal falls per factor, whatever the distances
    slopes[12:] -= np.log(np.array(uneven[12:]) / uneven[12])
    assert falling(slopes, uneven).steepest() >= uneven[12]


def longest_fall(losses):
    """The length of the longest falling subsequence, by trying all."""
    best = 1
    for mask in range(1, 2 ** len(losses)):
        chosen = [i for i in range(len(losses)) if mask >> i & 1]
        values = [losses[i] for i in chosen]
        if all(a > b for a, b in pairwise(values)):
            best = max(best, len(chosen))
    return best


def test_the_valley_is_the_longest_fall():
    rng = np.random.default_rng(0)
    for _ in range(20):
        losses = rng.standard_normal(9).tolist()
        place = falling(losses).rates.index(falling(losses).valley())
        length = longest_fall(losses)
        # a longest fall begins before the place that was found, and ends after it
        assert any(
            longest_fall(losses[first : last + 1]) == length
            for first in range(place + 1)
            for last in range(place, len(losses))
        )
    test = falling([3.0, 3.0, 2.0, 2.5, 1.0, 0.5, 0.0, 7.0, 8.0])
    assert test.valley() == test.rates[3]


def test_a_tenth_of_the_best():
    assert falling([3.0, 1.0, 2.0], [0.1, 1.0, 10.0]).minimum() == 0.1


@pytest.mark.parametrize("losses", [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [1.0], []])
def test_a_loss_that_falls_nowhere(losses):
    for suggest in (falling(losses).steepest, falling(losses).valley):
        with pytest.raises(ValueError, match="the loss fell at no rate"):
            suggest()


# -------------------------------------------------------------------------------- compiled steps


def test_a_compiled_step_is_compiled_once():
    data = [tensors(batch) for batch in batches()]

    def lazily():
        net = network()
        optimizer = optim.SGD(net.parameters(), lr=0.25)
        return find_lr(net, optimizer, mse, data, 1e-4, 0.1, 40), None

    def jitted():
        net = network()
        optimizer = optim.SGD(net.parameters(), lr=0.25)

        @tg.jit
        def step(x, y):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        step(*data[0])
        return LRFinder(step, optimizer, net).run(data, 1e-4, 0.1, 40), step

    def compiled():
        net = network()
        optimizer = optim.SGD(net.parameters(), lr=0.25)
        x, y = tg.placeholder((None, 4), name="x"), tg.placeholder((None, 1), name="y")
        loss = nn.functional.mse_loss(net(x), y)
        step = tg.function([x, y], loss, updates=optimizer.minimize(loss))
        step(*data[0])
        before = TAPES.info().misses
        test = LRFinder(step, optimizer, net).run(data, 1e-4, 0.1, 40)
        assert TAPES.info().misses == before
        return test, None

    expected, _ = lazily()
    for run in (jitted, compiled):
        test, step = run()
        assert len(test.losses) == len(expected.losses) == 40
        assert min(test.losses) < test.losses[0] / 2
        assert step is None or step.traces <= 2  # once without gradients, once with


def test_a_lazy_step_is_compiled_once():
    net = network()
    optimizer = optim.SGD(net.parameters(), lr=0.25)
    data = [tensors(batch) for batch in batches()]
    misses = []
    for steps in (2, 20):
        find_lr(net, optimizer, mse, data, num_iter=steps)
        misses.append(TAPES.info().misses)
    assert misses[0] == misses[1]


# -------------------------------------------------------------------------------------- the rest


def test_batches_of_one_part_and_of_several():
    optimizer = optim.SGD([nn.Parameter([1.0])])
    seen = []
    for loader in ([1.0, 2.0], [(1.0, 2.0)], [[1.0, 2.0, 3.0]]):
        LRFinder(lambda *x: seen.append(x) or 1.0, optimizer).run(loader, num_iter=2)
    assert seen == [(1.0,), (2.0,), (1.0, 2.0), (1.0, 2.0), (1.0, 2.0, 3.0), (1.0, 2.0, 3.0)]


def test_an_iterator_that_ends_ends_the_test():
    optimizer = optim.SGD([nn.Parameter([1.0])])
    test = LRFinder(lambda x: 1.0, optimizer).run(iter([1.0, 2.0, 3.0]))
    assert len(test.rates) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_lr": 0.0}, "expected 0 < min_lr < max_lr, got 0.0 and 10.0"),
        ({"min_lr": 20.0}, "expected 0 < min_lr < max_lr, got 20.0 and 10.0"),
        ({"num_iter": 1}, "expected num_iter of at least 2, got 1"),
        ({"mode": "log"}, "expected mode 'exponential' or 'linear', got 'log'"),
        ({"smoothing": 1.0}, "expected smoothing from 0 to below 1, got 1.0"),
        ({"loader": []}, "the loader gives no batches"),
    ],
)
def test_wrong_arguments(options, message):
    finder = LRFinder(lambda x: 1.0, optim.SGD([nn.Parameter([1.0])]))
    with pytest.raises(ValueError, match=message):
        finder.run(**{"loader": [0.0], **options})


def test_a_step_must_return_its_loss():
    optimizer = optim.SGD([nn.Parameter([1.0])])
    with pytest.raises(TypeError, match=r"expected the step to return its loss, .* a NoneType"):
        LRFinder(lambda x: None, optimizer).run([0.0])
    with pytest.raises(TypeError, match="a function that makes a training step, got a int"):
        LRFinder(3, optimizer)


def test_the_name_in_debug():
    assert tg.debug.find_lr is optim.find_lr


def test_the_picture(tmp_path):
    pytest.importorskip("matplotlib")
    losses = 2 - np.tanh((np.arange(60) - 40) / 5)
    figure = falling(losses).plot(tmp_path / "test.png")
    assert (tmp_path / "test.png").stat().st_size > 0
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[0] == "loss, smoothed"
    assert [label.split(":")[0] for label in labels[1:]] == ["steepest", "valley"]
    low, high = axes.get_ylim()
    assert low < 1.0 < 3.0 < high
    assert len(falling([1.0, 2.0]).plot().axes[0].get_lines()) == 2
    with pytest.raises(ValueError, match="the first loss was not finite"):
        falling([]).plot()
