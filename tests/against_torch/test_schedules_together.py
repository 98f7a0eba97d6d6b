"""Schedules of PyTorch's that go together, and that go on with a run of old: to the last digit."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
from schedule_pairs import (
    CYCLES,
    PLAIN,
    RATES,
    both,
    follow,
    halve,
    inverse,
    my_optimizer,
    named,
    same,
    start,
    their_optimizer,
)  # fmt: skip

# they ask for another order of steps, and for no step(epoch)
pytestmark = [
    pytest.mark.filterwarnings("ignore:Detected call of"),
    pytest.mark.filterwarnings("ignore:The epoch parameter"),
    pytest.mark.filterwarnings("ignore:To get the last learning rate"),
]


CHAINS = {
    "two": lambda lib, o: [lib.ConstantLR(o, 0.1, 20), lib.ExponentialLR(o, 0.9)],
    "all": lambda lib, o: [
        lib.LinearLR(o, 0.5, total_iters=8),
        lib.StepLR(o, 7, 0.5),
        lib.MultiStepLR(o, [5, 20]),
        lib.PolynomialLR(o, 60, 2.0),
        lib.MultiplicativeLR(o, lambda step: 1.01),
    ],
    "cosine": lambda lib, o: [lib.CosineAnnealingLR(o, 20, 0.001), lib.ConstantLR(o, 0.1, 20)],
    "of chains": lambda lib, o: [
        lib.ChainedScheduler([lib.ExponentialLR(o, 0.9)]),
        lib.ConstantLR(o, 0.1, 5),
    ],
    "of sequences": lambda lib, o: [
        lib.SequentialLR(o, [lib.ConstantLR(o, 0.1, 20), lib.ExponentialLR(o, 0.9)], [10]),
        lib.StepLR(o, 7, 0.5),
    ],
}


@pytest.mark.parametrize("make", CHAINS.values(), ids=CHAINS)
def test_chains(make):
    sides = both()
    start(sides, lambda lib, o: lib.ChainedScheduler(make(lib, o)))
    follow(sides)


SEQUENCES = {
    "two": (lambda lib, o: [lib.ConstantLR(o, 0.1, 2), lib.ExponentialLR(o, 0.9)], [20]),
    "one": (lambda lib, o: [lib.StepLR(o, 3)], []),
    "warm-up": (lambda lib, o: [lib.LinearLR(o, 0.01), lib.CosineAnnealingLR(o, 44)], [5]),
    "three": (
        lambda lib, o: [
            lib.LinearLR(o, total_iters=4), lib.StepLR(o, 3, 0.5), lib.PolynomialLR(o, 20, 0.9),
        ],
        [4, 30],
    ),
    "from 0": (lambda lib, o: [lib.ConstantLR(o), lib.StepLR(o, 3, 0.5)], [0]),
    "restarts": (
        lambda lib, o: [lib.MultiStepLR(o, [2, 3]), lib.CosineAnnealingWarmRestarts(o, 6, 2)],
        [9],
    ),
    "restarts first": (
        lambda lib, o: [lib.CosineAnnealingWarmRestarts(o, 6, 2), lib.LambdaLR(o, inverse)],
        [29],
    ),
    "no closed form": (
        lambda lib, o: [lib.ExponentialLR(o, 0.9), lib.MultiplicativeLR(o, halve)],
        [9],
    ),
    "cyclic": (
        lambda lib, o: [
            lib.ConstantLR(o, 0.5, 100), lib.CyclicLR(o, 0.01, 0.4, 5, cycle_momentum=False),
        ],
        [7],
    ),
    "cyclic first": (
        lambda lib, o: [
            lib.CyclicLR(o, 0.01, 0.4, 5, cycle_momentum=False), lib.ConstantLR(o, 0.5, 100),
        ],
        [12],
    ),
    "one cycle": (
        lambda lib, o: [lib.ConstantLR(o, 0.5, 100), lib.OneCycleLR(o, 0.4, 45)],
        [7],
    ),
    "sequence last": (
        lambda lib, o: [
            lib.StepLR(o, 3, 0.5),
            lib.SequentialLR(o, [lib.LinearLR(o), lib.ExponentialLR(o, 0.9)], [5]),
        ],
        [60],  # in PyTorch, such a part fails when its turn comes
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "milestones"), SEQUENCES.values(), ids=SEQUENCES)
def test_sequences(make, milestones):
    sides = both(momentum=0.9)
    start(sides, lambda lib, o: lib.SequentialLR(o, make(lib, o), milestones))
    follow(sides)


SAVED = {
    **{name: found[-1:] for name, found in PLAIN.items()},
    **{name: found[-1:] for name, found in CYCLES.items()},
}


@pytest.mark.parametrize(("name", "options"), named(SAVED))
def test_going_on_after_an_epoch(name, options):
    """As PyTorch does it: by `last_epoch`, on groups that know where they began."""
    sides = both(momentum=0.9)
    start(sides, lambda lib, optimizer: getattr(lib, name)(optimizer, **options))
    follow(sides, 9)
    start(sides, lambda lib, optimizer: getattr(lib, name)(optimizer, **options, last_epoch=9))
    follow(sides, 20)


@pytest.mark.parametrize(("name", "options"), named(SAVED))
def test_pytorchs_state_is_taken_over(name, options):
    sides = both(momentum=0.9)
    start(sides, lambda lib, optimizer: getattr(lib, name)(optimizer, **options))
    mine, yours = sides
    for _ in range(9):
        yours.scheduler.step()
    mine.scheduler.load_state_dict(yours.scheduler.state_dict())
    mine.optimizer.load_state_dict(yours.optimizer.state_dict())
    same(sides)
    follow(sides, 20)


def test_pytorchs_state_of_a_sequence_is_taken_over():
    make, milestones = SEQUENCES["three"]
    sides = both()
    start(sides, lambda lib, o: lib.SequentialLR(o, make(lib, o), milestones))
    mine, yours = sides
    for _ in range(25):
        yours.scheduler.step()
    mine.scheduler.load_state_dict(yours.scheduler.state_dict())
    mine.optimizer.load_state_dict(yours.optimizer.state_dict())
    same(sides)
    follow(sides, 25)


def test_a_second_schedule_takes_the_rates_of_the_first_for_the_first_rates():
    sides = both()
    for side in sides:
        side.lib.ConstantLR(side.optimizer, 0.1)
    start(sides, lambda lib, o: lib.StepLR(o, 3))
    follow(sides, 5)
    assert sides[0].scheduler.base_lrs == sides[1].scheduler.base_lrs == list(RATES)


def test_parts_are_checked():
    first, second = both()
    for side, other in ((first, my_optimizer()), (second, their_optimizer())):
        lib, o = side.lib, side.optimizer
        with pytest.raises(ValueError, match="at least one"):
            lib.ChainedScheduler([])
        with pytest.raises(ValueError, match="at least one"):
            lib.SequentialLR(o, [], [])
        with pytest.raises(ValueError, match="ReduceLROnPlateau"):
            lib.ChainedScheduler([lib.ReduceLROnPlateau(o)])
        with pytest.raises(ValueError, match="milestones"):
            lib.SequentialLR(o, [lib.StepLR(o, 2)], [3])
        with pytest.raises(ValueError, match=r"another optimizer|same optimizer"):
            lib.SequentialLR(o, [lib.StepLR(o, 2), lib.StepLR(other, 2)], [3])
        with pytest.raises(TypeError):
            lib.SequentialLR(o, [lib.StepLR(o, 2), 3], [3])
