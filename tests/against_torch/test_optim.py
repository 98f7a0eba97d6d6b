"""Every optimizer that PyTorch has: twenty steps to the same weights, over the grid of options."""

import inspect
import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn, optim

STEPS = 20
SHAPES = [(3, 4), (), (2, 3, 2), (0, 3)]
MATRICES = [(4, 3), (3, 5), (2, 2)]


@pytest.fixture(autouse=True)
def double():
    """PyTorch keeps single numbers, such as NAdam's product, in its default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    with tg.backend("numpy"):
        yield
    torch.set_default_dtype(before)


def grid(**options):
    """All combinations of the options' values."""
    return [
        dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())
    ]


def pairs(start, dtype="float64"):
    mine = [nn.Parameter(value, dtype=dtype) for value in start]
    return mine, [torch.nn.Parameter(torch.tensor(value)) for value in start]


def starts(shapes=SHAPES, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


def slopes(values, number):
    """The gradients at `values` in a step: of a curved valley, with noise, and now and then 0."""
    rng = np.random.default_rng(number)
    found = []
    for value in values:
        noise = 0.3 * rng.standard_normal(value.shape)
        still = rng.random(value.shape) < 0.1
        found.append(np.where(still, 0.0, 2 * value + np.sin(3 * value) + noise))
    return found


def go(mine, yours, first, second, steps, since=0):
    """`steps` steps with either optimizer, each by the gradients at its own parameters."""
    for number in range(since, since + steps):
        for param, slope in zip(mine, slopes([p.numpy() for p in mine], number), strict=True):
            param.grad = tg.tensor(slope)
        values = [p.detach().numpy() for p in yours]
        for param, slope in zip(yours, slopes(values, number), strict=True):
            param.grad = torch.tensor(slope)
        first.step()
        second.step()


def same(mine, yours, rtol=1e-9, atol=1e-12):
    for m, y in zip(mine, yours, strict=True):
        peer.close(m, y, "parameter", rtol, atol)


DECAY = {"weight_decay": [0.0, 0.1], "maximize": [False, True]}
GRIDS = {
    "SGD": [
        *grid(lr=[0.05], momentum=[0.0, 0.9], dampening=[0.0, 0.5], **DECAY),
        *grid(lr=[0.05], momentum=[0.9], nesterov=[True], **DECAY),
    ],
    "Adam": grid(lr=[0.05], amsgrad=[False, True], betas=[(0.9, 0.999), (0.0, 0.5)], **DECAY),
    "AdamW": [*grid(lr=[0.05], amsgrad=[False, True], eps=[1e-8, 0.1], **DECAY), {}],
    "Adamax": [*grid(lr=[0.05], betas=[(0.9, 0.999), (0.5, 0.3)], eps=[1e-8, 0.1], **DECAY), {}],
    "NAdam": [
        *grid(lr=[0.05], momentum_decay=[4e-3, 0.5], decoupled_weight_decay=[False, True], **DECAY),
        {},
    ],
    "RAdam": [
        *grid(lr=[0.05], betas=[(0.9, 0.999), (0.9, 0.5), (0.5, 0.7)],
              decoupled_weight_decay=[False, True], **DECAY),
        {"eps": 0.1},
    ],
    "Adagrad": [
        *grid(lr=[0.3], lr_decay=[0.0, 0.1], initial_accumulator_value=[0.0, 0.5], **DECAY), {},
    ],
    "Adadelta": [*grid(lr=[1.0, 0.3], rho=[0.9, 0.3], eps=[1e-6, 0.1], **DECAY), {}],
    "RMSprop": [
        *grid(lr=[0.05], centered=[False, True], momentum=[0.0, 0.9], alpha=[0.99, 0.5],
              eps=[1e-3], **DECAY),
        {},
    ],
    "Rprop": [*grid(etas=[(0.5, 1.2), (0.3, 3.0)], step_sizes=[(1e-6, 50), (5e-3, 0.03)],
                    maximize=[False, True]), {"lr": 0.1}],
    "ASGD": [*grid(lr=[0.05], lambd=[1e-4, 0.1], alpha=[0.75, 0.3], t0=[1e6, 5, 0], **DECAY), {}],
    "Adafactor": [
        *grid(lr=[0.01, 0.5], beta2_decay=[-0.8, -0.3], eps=[(None, 1e-3), (0.1, 0.5)],
              d=[1.0, 3.0], maximize=[False, True]),
        *grid(lr=[0.5], weight_decay=[0.1]), {},
    ],
    "Muon": [
        *grid(lr=[0.05], nesterov=[False, True], weight_decay=[0.0, 0.1],
              adjust_lr_fn=[None, "original", "match_rms_adamw"]),
        *grid(momentum=[0.5], ns_steps=[1, 3], ns_coefficients=[(2.0, -1.5, 0.5)], eps=[1e-2]),
    ],
}  # fmt: skip
CASES = [(name, options) for name, cases in GRIDS.items() for options in cases]


@pytest.fixture
def muon_in_double(monkeypatch):
    """PyTorch rounds the iteration to bfloat16; what is compared is the mathematics."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda x: x.clone())


@pytest.mark.usefixtures("muon_in_double")
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_twenty_steps(name, options):
    shapes = MATRICES if name == "Muon" else SHAPES[:-1] if name == "Adafactor" else SHAPES
    mine, yours = pairs(starts(shapes))
    first, second = (
        getattr(optim, name)(mine, **options),
        getattr(torch.optim, name)(yours, **options),
    )
    go(mine, yours, first, second, STEPS)
    same(mine, yours)


@pytest.mark.parametrize("name", [name for name in GRIDS if name != "Muon"])
def test_gradients_that_are_not_finite(name):
    """What they spoil is what they spoil in PyTorch, in that step and later ones."""
    mine, yours = pairs([np.ones(6)])
    first, second = getattr(optim, name)(mine), getattr(torch.optim, name)(yours)
    for number in range(6):
        slope = np.array([1.0, 1.0, 1.0, 1.0, 0.0, -1.0])
        if number == 2:
            slope = np.array([1.0, np.inf, -np.inf, np.nan, 0.0, -1.0])
        mine[0].grad, yours[0].grad = tg.tensor(slope), torch.tensor(slope)
        first.step()
        second.step()
        here, there = mine[0].numpy(), yours[0].detach().numpy()
        np.testing.assert_array_equal(np.isfinite(here), np.isfinite(there))
        whole = np.isfinite(there)
        np.testing.assert_allclose(here[whole], there[whole], rtol=1e-9)


@pytest.mark.parametrize("name", [*GRIDS, "LBFGS"])
def test_the_arguments(name):
    """The same arguments in the same order, with the same defaults."""
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    ours = inspect.signature(getattr(optim, name)).parameters
    assert set(theirs) <= set(ours)
    for argument, parameter in theirs.items():
        assert ours[argument].default == parameter.default, argument
        assert ours[argument].kind == parameter.kind, argument
    positional = [n for n, p in theirs.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert list(ours)[: len(positional)] == positional


LOADED = [
    ("SGD", {"momentum": 0.9, "lr": 0.05}),
    ("SGD", {"momentum": 0.9, "dampening": 0.5, "lr": 0.05}),
    ("SGD", {"lr": 0.05}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {}),
    ("Adamax", {}),
    ("NAdam", {}),
    ("RAdam", {"betas": (0.9, 0.5)}),
    ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.1}),
    ("Adadelta", {}),
    ("RMSprop", {"centered": True, "momentum": 0.9}),
    ("Rprop", {}),
    ("ASGD", {"t0": 2}),
    ("Adafactor", {}),
    ("Muon", {}),
]


@pytest.mark.usefixtures("muon_in_double")
@pytest.mark.parametrize(("name", "options"), LOADED, ids=str)
@pytest.mark.parametrize("steps", [0, 3])
def test_a_state_goes_over_and_back(name, options, steps):
    """PyTorch's state dict continues here, and ours continues there."""
    shapes = MATRICES if name == "Muon" else SHAPES[:-1]
    mine, yours = pairs(starts(shapes))
    here, there = getattr(optim, name), getattr(torch.optim, name)
    second = there(yours, **options)
    go(mine, yours, here(mine, **options), second, steps)
    same(mine, yours)
    first = here(mine)  # with other options than those that come with the state
    first.load_state_dict(second.state_dict())
    go(mine, yours, first, second, 3, since=steps)
    same(mine, yours)
    second = there(yours)
    second.load_state_dict(as_torch(first.state_dict()))
    go(mine, yours, first, second, 3, since=steps + 3)
    same(mine, yours)


def as_torch(value):
    """Our state dict with PyTorch's Tensors in the place of arrays."""
    if isinstance(value, np.ndarray):
        return torch.tensor(value)
    if isinstance(value, dict):
        return {key: as_torch(entry) for key, entry in value.items()}
    return [as_torch(entry) for entry in value] if isinstance(value, list) else value


def test_muon_rounded_to_bfloat16_is_near():
    mine, yours = pairs(starts(MATRICES))
    go(mine, yours, optim.Muon(mine, lr=0.05), torch.optim.Muon(yours, lr=0.05), STEPS)
    same(mine, yours, rtol=0.05, atol=0.05)


# ------------------------------------------------------------------------------- L-BFGS


def valley(w):
    """Rosenbrock's function of the entries of w, in pairs."""
    x, y = w[..., 0], w[..., 1]
    return ((1 - x) ** 2 + 10 * (y - x * x) ** 2).sum()


def bowl(w):
    return (w**2 + w).sum() + 5 * (w[..., 0] ** 2).sum() + (w**4).sum()


LBFGS = [
    {}, {"lr": 0.1}, {"history_size": 2}, {"max_iter": 4}, {"max_eval": 3}, {"max_iter": 1},
    {"tolerance_grad": 1e-2}, {"tolerance_change": 1e-3},
    *grid(line_search_fn=["strong_wolfe"], lr=[1.0, 0.1, 30.0], history_size=[100, 3],
          max_iter=[20, 5], max_eval=[None, 4]),
]  # fmt: skip


# PyTorch's own step converts a loss to a number
lossy = pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")


@lossy
@pytest.mark.parametrize("objective", [bowl, valley])
@pytest.mark.parametrize("options", LBFGS, ids=str)
def test_lbfgs(objective, options):
    if objective is valley and "line_search_fn" not in options:
        options = {**options, "lr": 1e-3}  # it does not diverge, then
    mine, yours = pairs(starts([(3, 2), (2,)]))
    first, second = optim.LBFGS(mine, **options), torch.optim.LBFGS(yours, **options)
    for number in range(6):
        losses = [
            optimizer.step(closure(optimizer, params, objective))
            for optimizer, params in ((first, mine), (second, yours))
        ]
        assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-6, abs=1e-9), number
    same(mine, yours, rtol=1e-5, atol=1e-7)
    theirs = second.state_dict()["state"][0]
    assert first.memory.n_iter == theirs["n_iter"]
    assert first.memory.func_evals == theirs["func_evals"]


def closure(optimizer, params, objective):
    def run():
        optimizer.zero_grad()
        loss = objective(params[0]) + objective(params[1])
        loss.backward()
        return loss

    return run


@lossy
def test_the_state_of_lbfgs_goes_over():
    mine, yours = pairs(starts([(3, 2), (2,)]))
    second = torch.optim.LBFGS(yours, line_search_fn="strong_wolfe", max_iter=4)
    second.step(closure(second, yours, valley))
    for m, y in zip(mine, yours, strict=True):
        m.set(y.detach().numpy())
    first = optim.LBFGS(mine)
    first.load_state_dict(second.state_dict())
    assert first.param_groups[0]["max_iter"] == 4
    for optimizer, params in ((first, mine), (second, yours)):
        optimizer.step(closure(optimizer, params, valley))
    same(mine, yours, rtol=1e-7)


# ------------------------------------------------------------------------------- errors

BAD = [
    ("SGD", {"lr": -1.0}), ("SGD", {"momentum": -1.0}), ("SGD", {"weight_decay": -1.0}),
    ("SGD", {"nesterov": True}), ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
    ("Adam", {"lr": -1.0}), ("Adam", {"eps": -1.0}), ("Adam", {"betas": (1.0, 0.9)}),
    ("Adam", {"betas": (0.9, -0.1)}), ("Adam", {"weight_decay": -1.0}),
    ("AdamW", {"betas": (0.9, 1.0)}), ("Adamax", {"betas": (0.9, 1.0)}), ("Adamax", {"eps": -1.0}),
    ("NAdam", {"momentum_decay": -1.0}), ("NAdam", {"lr": -1.0}), ("RAdam", {"betas": (-1.0, 0.0)}),
    ("Adagrad", {"lr_decay": -1.0}), ("Adagrad", {"initial_accumulator_value": -1.0}),
    ("Adagrad", {"eps": -1.0}), ("Adadelta", {"rho": 1.5}), ("Adadelta", {"rho": -0.5}),
    ("Adadelta", {"eps": -1.0}), ("RMSprop", {"alpha": -1.0}), ("RMSprop", {"momentum": -1.0}),
    ("Rprop", {"etas": (1.5, 2.0)}), ("Rprop", {"etas": (0.5, 0.9)}), ("Rprop", {"lr": -1.0}),
    ("ASGD", {"lr": -1.0}), ("ASGD", {"weight_decay": -1.0}), ("LBFGS", {"lr": -1.0}),
    ("Adafactor", {"beta2_decay": 0.1}), ("Adafactor", {"eps": (-1.0, 1.0)}),
    ("Adafactor", {"eps": (None, -1.0)}), ("Adafactor", {"d": 0.5}), ("Adafactor", {"lr": -1.0}),
    ("Muon", {"momentum": -1.0}), ("Muon", {"adjust_lr_fn": "other"}), ("Muon", {"lr": -1.0}),
    ("Muon", {"weight_decay": -1.0}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), BAD, ids=str)
def test_wrong_options_raise_as_there(name, options):
    mine, yours = pairs([np.ones((2, 2))])
    with pytest.raises(ValueError):  # noqa: PT011 - PyTorch's own texts are not ours to hold
        getattr(torch.optim, name)(yours, **options)
    with pytest.raises(ValueError, match=next(iter(options)) if len(options) == 1 else "nesterov"):
        getattr(optim, name)(mine, **options)


def test_muon_wants_matrices():
    with pytest.raises(ValueError, match="2D"):
        torch.optim.Muon([torch.nn.Parameter(torch.ones(2))])
    with pytest.raises(ValueError, match=r"Muon: expected matrices, got .* shape \(2,\)"):
        optim.Muon([nn.Parameter([1.0, 1.0])])


@lossy
@pytest.mark.usefixtures("muon_in_double")
@pytest.mark.parametrize("name", [*GRIDS, "LBFGS"])
def test_a_rate_that_is_a_tensor(name):
    mine, yours = pairs(starts(MATRICES))
    first = getattr(optim, name)(mine, lr=tg.tensor(0.25))
    second = getattr(torch.optim, name)(yours, lr=torch.tensor(0.25))
    for rate in (0.25, 0.5):
        first.param_groups[0]["lr"] = rate
        second.param_groups[0]["lr"] = torch.tensor(rate)
        if name == "LBFGS":
            for optimizer, params in ((first, mine), (second, yours)):
                optimizer.step(closure(optimizer, params[:2], bowl))
        else:
            go(mine, yours, first, second, 3)
    same(mine, yours)


def test_groups_and_names_as_there():
    here, there = nn.Linear(3, 2, dtype="float64"), torch.nn.Linear(3, 2)
    peer.load(here, there)
    first = optim.SGD(here.named_parameters(), lr=0.1)
    second = torch.optim.SGD(there.named_parameters(), lr=0.1)
    mine, yours = list(here.parameters()), list(there.parameters())
    go(mine, yours, first, second, 2)
    same(mine, yours)
    options = [{"lr": 0.2, "fused": False}, {"weight_decay": 0.1, "foreach": None}]
    first = optim.Adam([{"params": p, **o} for p, o in zip(mine, options, strict=True)])
    second = torch.optim.Adam([{"params": p, **o} for p, o in zip(yours, options, strict=True)])
    go(mine, yours, first, second, 3)
    same(mine, yours)
