"""Every schedule that PyTorch has: fifty steps, to the last digit, over the grid of options."""

import inspect

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
from schedule_pairs import (
    CYCLES,
    PLAIN,
    STEPS,
    both,
    follow,
    grid,
    inverse,
    named,
    ours,
    same,
    start,
    theirs,
)  # fmt: skip

import tinygraph as tg
from tinygraph import nn, optim

# they ask for another order of steps, and for no step(epoch)
pytestmark = [
    pytest.mark.filterwarnings("ignore:Detected call of"),
    pytest.mark.filterwarnings("ignore:The epoch parameter"),
    pytest.mark.filterwarnings("ignore:To get the last learning rate"),
]


@pytest.mark.parametrize(("name", "options"), named(PLAIN))
def test_fifty_steps(name, options):
    sides = both()
    start(sides, lambda lib, optimizer: getattr(lib, name)(optimizer, **options))
    follow(sides)


@pytest.mark.parametrize("start_factor", [0.1, 1 / 3, 1.0])
@pytest.mark.parametrize("total_iters", [1, 7, 60])
def test_a_line_to_0(start_factor, total_iters):
    """Where PyTorch ends a rounding error below 0, this one ends at 0."""
    mine, yours = both()
    options = {"start_factor": start_factor, "end_factor": 0.0, "total_iters": total_iters}
    first, second = (side.lib.LinearLR(side.optimizer, **options) for side in (mine, yours))
    for _ in range(STEPS):
        first.step()
        second.step()
        assert first.get_last_lr() == pytest.approx(second.get_last_lr(), rel=1e-12, abs=1e-16)
        assert min(first.get_last_lr()) >= 0.0


CYCLED = [
    {"kind": "SGD", "momentum": 0.5},
    {"kind": "Adam", "betas": (0.5, 0.99)},
    {"kind": "SGD"},
]


@pytest.mark.parametrize(("name", "options"), named(CYCLES))
@pytest.mark.parametrize("optimizer", CYCLED[:2], ids=["momentum", "betas"])
def test_cycles_move_the_momentum_too(name, options, optimizer):
    sides = both(**optimizer)
    start(sides, lambda lib, optimizer: getattr(lib, name)(optimizer, **options))
    follow(sides, STEPS - 1)  # a cycle of fifty steps has fifty rates


@pytest.mark.parametrize("optimizer", CYCLED, ids=["momentum", "betas", "none yet"])
@pytest.mark.parametrize("cycle_momentum", [False, True])
def test_momentum_is_cycled_if_asked(optimizer, cycle_momentum):
    for make in (
        lambda lib, o: lib.CyclicLR(o, 0.1, 0.5, 4, cycle_momentum=cycle_momentum),
        lambda lib, o: lib.OneCycleLR(o, 0.5, 50, cycle_momentum=cycle_momentum),
    ):
        sides = both(**optimizer)
        start(sides, make)
        follow(sides)  # one more than the cycle has, which both allow


def test_a_step_beyond_the_one_cycle():
    for side in both():
        scheduler = side.lib.OneCycleLR(side.optimizer, 0.5, 3)
        for _ in range(3):
            scheduler.step()
        with pytest.raises(ValueError, match=r"3"):
            scheduler.step()


PLATEAU = grid(
    mode=["min", "max"],
    factor=[0.1, 0.5],
    patience=[0, 2],
    threshold=[1e-4, 0.1],
    threshold_mode=["rel", "abs"],
    cooldown=[0, 3],
    min_lr=[0.0, [0.02, 0.05, 0.0]],
) + [{}, {"eps": 0.01}, {"patience": 1, "eps": 0.05}]


@pytest.mark.parametrize("options", PLATEAU, ids=str)
def test_plateaus(options):
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(STEPS)
    losses = np.round(2 / (1 + np.arange(STEPS)) + 0.2 * noise, 2)
    losses[[7, 30]] = np.nan, np.inf
    sides = both()
    start(sides, lambda lib, optimizer: lib.ReduceLROnPlateau(optimizer, **options))
    follow(sides, arguments=[(loss,) for loss in losses.tolist()])
    mine, yours = (side.scheduler for side in sides)
    found, state = mine.state_dict(), yours.state_dict()
    assert found.pop("kind") == "ReduceLROnPlateau"
    assert found == {name: state[name] for name in found}


def test_a_measure_may_be_a_tensor():
    sides = both()
    start(sides, lambda lib, optimizer: lib.ReduceLROnPlateau(optimizer, patience=0))
    mine, yours = (side.scheduler for side in sides)
    for loss in (1.0, 2.0, 3.0):
        mine.step(tg.tensor(loss))
        yours.step(torch.tensor(loss))
        same(sides)


EPOCHS = [0, 3, 4, 1, 17, 17, 2, 40, 45, 12]


@pytest.mark.parametrize(
    ("name", "options"),
    named({
        "ConstantLR": [{}],
        "LinearLR": [{"total_iters": 7}],
        "StepLR": [{"step_size": 3}],
        "MultiStepLR": [{"milestones": [4, 13, 4]}],
        "ExponentialLR": [{"gamma": 0.9}],
        "PolynomialLR": [{"total_iters": 15, "power": 2.0}],
        "CosineAnnealingLR": [{"T_max": 9, "eta_min": 0.01}],
        "CosineAnnealingWarmRestarts": grid(T_0=[4, 10], T_mult=[1, 2]),
        "LambdaLR": [{"lr_lambda": inverse}],
        "MultiplicativeLR": [{"lr_lambda": inverse}],
        "CyclicLR": [{"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4, "cycle_momentum": False}],
        "OneCycleLR": [{"max_lr": 0.5, "total_steps": 50, "cycle_momentum": False}],
    }),
)  # fmt: skip
def test_steps_to_a_numbered_epoch(name, options):
    """And on from there."""
    sides = both()
    start(sides, lambda lib, optimizer: getattr(lib, name)(optimizer, **options))
    follow(sides, 4)
    follow(sides, len(EPOCHS), [(epoch,) for epoch in EPOCHS])
    follow(sides, 10)


@pytest.mark.parametrize("T_mult", [1, 2, 3])
def test_warm_restarts_take_parts_of_an_epoch(T_mult):
    sides = both()
    start(sides, lambda lib, o: lib.CosineAnnealingWarmRestarts(o, 5, T_mult, 0.001))
    follow(sides, 100, [(step / 8 + 0.01 * (step % 3),) for step in range(100)])
    follow(sides, 20)


TRAINED = {
    "warm-up": (
        {"kind": "SGD", "momentum": 0.9, "nesterov": True},
        lambda lib, o: lib.SequentialLR(
            o, [lib.LinearLR(o, 0.1), lib.CosineAnnealingLR(o, 20)], [5]
        ),
    ),
    "one cycle": (
        {"kind": "Adam", "betas": (0.8, 0.99)},
        lambda lib, o: lib.OneCycleLR(o, 0.1, STEPS),
    ),
    "cyclic": (
        {"kind": "RMSprop", "momentum": 0.9},
        lambda lib, o: lib.CyclicLR(o, 0.001, 0.1, 5),
    ),
}


@pytest.mark.parametrize(("options", "make"), TRAINED.values(), ids=TRAINED)
def test_the_same_weights_are_learned(options, make):
    with tg.backend("numpy"):
        start = [np.array([1.0, -2.0]), np.array([0.5])]
        options = dict(options)
        kind = options.pop("kind")
        mine = [nn.Parameter(value, dtype="float64") for value in start]
        yours = [torch.nn.Parameter(torch.tensor(value)) for value in start]
        first = getattr(optim, kind)([{"params": [p]} for p in mine], lr=0.1, **options)
        second = getattr(torch.optim, kind)([{"params": [p]} for p in yours], lr=0.1, **options)
        schedules = make(ours, first), make(theirs, second)
        for _ in range(STEPS - 1):
            for param, other in zip(mine, yours, strict=True):
                param.grad = 2 * param.detach()
                other.grad = 2 * other.detach()
            for one in (first, second, *schedules):
                one.step()
        for param, other in zip(mine, yours, strict=True):
            np.testing.assert_allclose(param.numpy(), other.detach().numpy(), rtol=1e-9)


NAMES = [name for name in theirs.__all__ if name != "LRScheduler"]


@pytest.mark.parametrize("name", NAMES)
def test_arguments_and_defaults(name):
    mine = inspect.signature(getattr(ours, name)).parameters.values()
    yours = inspect.signature(getattr(theirs, name)).parameters.values()
    found = [(p.name, p.default) for p in mine if p.kind is not p.KEYWORD_ONLY]
    expected = [(p.name, p.default) for p in yours]
    if name == "ExponentialLR":  # gamma may be left out where a rate is given
        expected[1] = ("gamma", None)
    assert found == expected


def test_every_name_is_there():
    assert set(theirs.__all__) <= set(ours.__all__)
    assert issubclass(ours.StepLR, ours._LRScheduler)


class Warm(ours.LRScheduler):
    """A schedule as users of PyTorch write them."""

    def __init__(self, optimizer, warm, last_epoch=-1):
        self.warm = warm
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        if self._is_initial:
            return [group["lr"] * 0.5 for group in self.optimizer.param_groups]
        return [lr * min(1.0, self.last_epoch / self.warm) for lr in self.base_lrs]

    def _get_closed_form_lr(self):
        return [lr * self.last_epoch for lr in self.base_lrs]


def test_a_schedule_of_ones_own_ports_by_its_base():
    yours = type("Warm", (theirs.LRScheduler,), {
        name: value for name, value in vars(Warm).items() if name in ("get_lr",)
    } | {"_get_closed_form_lr": Warm._get_closed_form_lr})  # fmt: skip

    def make(lib, optimizer):
        if lib is ours:
            return Warm(optimizer, 5)
        yours.warm = 5
        return yours(optimizer)

    sides = both()
    start(sides, make)
    follow(sides, 8)
    follow(sides, 1, [(2,)])


WRONG = [
    ("StepLR", {"step_size": 3, "last_epoch": 4}, KeyError),
    ("ConstantLR", {"factor": 1.5}, ValueError),
    ("ConstantLR", {"factor": -0.5}, ValueError),
    ("LinearLR", {"start_factor": 0.0}, ValueError),
    ("LinearLR", {"start_factor": 1.5}, ValueError),
    ("LinearLR", {"end_factor": -0.5}, ValueError),
    ("CosineAnnealingWarmRestarts", {"T_0": 0}, ValueError),
    ("CosineAnnealingWarmRestarts", {"T_0": 1.5}, ValueError),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 0}, ValueError),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "eta_min": "low"}, ValueError),
    ("LambdaLR", {"lr_lambda": [inverse]}, ValueError),
    ("MultiplicativeLR", {"lr_lambda": [inverse]}, ValueError),
    ("MultiplicativeLR", {"lr_lambda": 0.5}, TypeError),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": [0.5]}, ValueError),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "mode": "square"}, ValueError),
    ("OneCycleLR", {"max_lr": 0.1}, ValueError),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 0}, ValueError),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 2.5}, ValueError),
    ("OneCycleLR", {"max_lr": 0.1, "epochs": 3}, ValueError),
    ("OneCycleLR", {"max_lr": 0.1, "epochs": 3, "steps_per_epoch": -1}, ValueError),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 5, "pct_start": 1.5}, ValueError),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 5, "anneal_strategy": "sine"}, ValueError),
    ("ReduceLROnPlateau", {"factor": 1.0}, ValueError),
    ("ReduceLROnPlateau", {"mode": "best"}, ValueError),
    ("ReduceLROnPlateau", {"threshold_mode": "both"}, ValueError),
    ("ReduceLROnPlateau", {"min_lr": [0.1]}, ValueError),
]


@pytest.mark.parametrize(("name", "options", "error"), WRONG)
def test_what_pytorch_refuses_is_refused(name, options, error):
    for side in both(momentum=0.9):
        with pytest.raises(error):
            getattr(side.lib, name)(side.optimizer, **options)


def test_momentum_cannot_be_cycled_where_there_is_none():
    for side in both("Adagrad"):
        for make in (
            lambda lib, o: lib.CyclicLR(o, 0.1, 0.5),
            lambda lib, o: lib.OneCycleLR(o, 0.1, 5),
        ):
            with pytest.raises(ValueError, match="momentum"):
                make(side.lib, side.optimizer)


def test_what_is_no_optimizer_is_refused():
    for lib in (ours, theirs):
        for make in (
            lambda lib: lib.StepLR(3, 2),
            lambda lib: lib.CyclicLR(3, 0.1, 0.2),
            lambda lib: lib.OneCycleLR(3, 0.1, 2),
            lambda lib: lib.ReduceLROnPlateau(3),
        ):
            with pytest.raises(TypeError, match="int"):
                make(lib)
