"""Averaged models, batch norm made anew, and the schedule of the rate for them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.optim import swa_utils as ours

theirs = torch.optim.swa_utils
pytestmark = pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*:UserWarning")


@pytest.fixture(autouse=True)
def numpy_backend():
    with tg.backend("numpy"):
        yield


def network(side):
    return side.Sequential(
        side.Conv2d(2, 3, 3), side.BatchNorm2d(3), side.ReLU(), side.Flatten(),
        side.Linear(12, 4), side.BatchNorm1d(4, momentum=0.3),
    )  # fmt: skip


def pair():
    torch.manual_seed(0)
    yours = network(torch.nn).double()
    return peer.load(network(nn), yours), yours


def shift(rng, mine, yours):
    """Both models with the same new values, as if they had been trained."""
    for name, value in yours.state_dict().items():
        new = rng.standard_normal(tuple(value.shape))
        new = np.abs(new) if "var" in name else new
        if "num_batches" in name:
            new = rng.integers(1, 9, tuple(value.shape))
        value.copy_(torch.tensor(new))
    mine.load_state_dict({name: t.numpy() for name, t in yours.state_dict().items()})


def same_state(mine, yours):
    here, there = mine.state_dict(), yours.state_dict()
    assert list(here) == list(there)
    for name, value in there.items():
        peer.close(here[name], value, name)


FUNCTIONS = {
    "mean": {},
    "swa": {"avg_fn": "get_swa_avg_fn"},
    "ema": {"avg_fn": "get_ema_avg_fn"},
    "ema 0.7": {"avg_fn": "get_ema_avg_fn", "decay": 0.7},
    "multi ema": {"multi_avg_fn": "get_ema_multi_avg_fn", "decay": 0.9},
}


def options(side, avg_fn=None, multi_avg_fn=None, **arguments):
    found = {"avg_fn": avg_fn, "multi_avg_fn": multi_avg_fn}
    return {n: getattr(side, name)(**arguments) for n, name in found.items() if name}


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_averaged_model(name, use_buffers):
    rng = np.random.default_rng(0)
    mine, yours = pair()
    average = ours.AveragedModel(mine, **options(ours, **FUNCTIONS[name]), use_buffers=use_buffers)
    other = theirs.AveragedModel(
        yours, **options(theirs, **FUNCTIONS[name]), use_buffers=use_buffers
    )
    same_state(average, other)
    for _ in range(4):
        shift(rng, mine, yours)
        average.update_parameters(mine)
        other.update_parameters(yours)
        same_state(average, other)
    x = rng.standard_normal((3, 2, 4, 4))
    peer.close(average.eval()(tg.tensor(x)), other.eval()(torch.tensor(x)))


def test_the_mean_of_lists():
    """Which PyTorch 2.13 fails to make of float64, and of integers."""
    rng = np.random.default_rng(0)
    mine, yours = pair()
    function = ours.get_swa_multi_avg_fn()
    average = ours.AveragedModel(mine, multi_avg_fn=function, use_buffers=True)
    other = theirs.AveragedModel(yours, use_buffers=True)
    for _ in range(4):
        shift(rng, mine, yours)
        average.update_parameters(mine)
        other.update_parameters(yours)
        same_state(average, other)


def test_a_state_of_pytorch_is_taken_over():
    mine, yours = pair()
    other = theirs.AveragedModel(yours)
    other.update_parameters(yours)
    average = ours.AveragedModel(mine)
    average.load_state_dict({name: t.numpy() for name, t in other.state_dict().items()})
    same_state(average, other)
    assert average.n_averaged.item() == 1


@pytest.mark.parametrize("form", ["tensors", "tuples", "arrays"])
def test_update_bn(form):
    rng = np.random.default_rng(0)
    mine, yours = pair()
    shift(rng, mine, yours)
    batches = [rng.standard_normal((n, 2, 4, 4)) for n in (5, 5, 3)]
    given = {
        "tensors": [tg.tensor(b) for b in batches],
        "tuples": [(tg.tensor(b), 7) for b in batches],
        "arrays": batches,
    }[form]
    for training in (True, False):
        mine.train(training)
        yours.train(training)
        ours.update_bn(given, mine)
        theirs.update_bn([torch.tensor(b) for b in batches], yours)
        same_state(mine, yours)
        assert mine.training == training
        assert mine[1].momentum == 0.1
        assert mine[5].momentum == 0.3


def test_update_bn_of_a_model_without_batch_norm():
    model = nn.Linear(2, 2)
    ours.update_bn(iter(()), model)


def optimizers(rates):
    mine = [{"params": [nn.Parameter([1.0])], "lr": rate} for rate in rates]
    yours = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in rates]
    return optim.SGD(mine, lr=0.1), torch.optim.SGD(yours, lr=0.1)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 10])
@pytest.mark.parametrize("rate", [0.05, [0.01, 0.3]])
def test_swalr(strategy, epochs, rate):
    """Fifty steps, the first ones of another schedule."""
    mine, yours = optimizers([0.1, 0.2])
    before = optim.lr_scheduler.ExponentialLR(mine, 0.9)
    its_before = torch.optim.lr_scheduler.ExponentialLR(yours, 0.9)
    schedule = ours.SWALR(mine, rate, epochs, strategy)
    other = theirs.SWALR(yours, rate, epochs, strategy)
    for step in range(50):
        (before if step < 7 else schedule).step()
        (its_before if step < 7 else other).step()
        np.testing.assert_allclose(
            [group["lr"] for group in mine.param_groups],
            [group["lr"] for group in yours.param_groups], rtol=1e-12,
        )  # fmt: skip
        np.testing.assert_allclose(schedule.get_last_lr(), other.get_last_lr(), rtol=1e-12)


def test_swalr_is_resumed():
    mine, yours = optimizers([0.1, 0.2])
    schedule, other = ours.SWALR(mine, 0.05), theirs.SWALR(yours, 0.05)
    for _ in range(3):
        other.step()
    for group, its in zip(mine.param_groups, yours.param_groups, strict=True):
        group["lr"] = its["lr"]
    schedule.load_state_dict(other.state_dict())
    for _ in range(9):
        schedule.step()
        other.step()
        np.testing.assert_allclose(schedule.get_last_lr(), other.get_last_lr(), rtol=1e-12)


@pytest.mark.parametrize(
    "arguments", [(0.1, 10, "exp"), (0.1, -1), (0.1, 2.5), ([0.1], 10), ([0.1, 0.1, 0.1], 10)]
)
def test_swalr_with_bad_arguments(arguments):
    mine, yours = optimizers([0.1, 0.2])
    for make, optimizer in ((ours.SWALR, mine), (theirs.SWALR, yours)):
        with pytest.raises(ValueError):  # noqa: PT011 - only the kind is PyTorch's
            make(optimizer, *arguments)


def test_bad_arguments():
    with pytest.raises(ValueError, match="expected avg_fn or multi_avg_fn, got both"):
        ours.AveragedModel(nn.Linear(1, 1), None, lambda a, w, n: a, lambda a, w, n: a)
    for make in (ours.get_ema_avg_fn, ours.get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match="expected decay from 0 to 1"):
            make(1.5)
    average = ours.AveragedModel(nn.Linear(2, 1))
    with pytest.raises(ValueError, match="expected the model that was averaged"):
        average.update_parameters(nn.Linear(3, 1))
    average = ours.AveragedModel(nn.Linear(2, 1), multi_avg_fn=lambda a, w, n: None)
    with pytest.raises(TypeError, match="expected multi_avg_fn to return a list"):
        average.update_parameters(nn.Linear(2, 1))
