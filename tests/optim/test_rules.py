"""Each optimizer: against a few lines of NumPy, on two objectives, in every mode, in how many
instructions, and with nothing compiled at the second step. One table for all."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import update_rules as rules
from fused import tape_of

import tinygraph as tg
from tinygraph import nn, optim
from tinygraph.compiler.compile import TAPES
from tinygraph.nn import functional as F

STEPS = 12


@dataclass
class Case:
    """An optimizer. rule: the same in NumPy. options: sets of them to try; names: what the rule
    calls them, where that is something else. bowl, valley: options with which it converges on
    these objectives. instructions: those of a step for three layers, beside the gradients."""

    kind: type
    rule: object
    options: list
    bowl: dict
    valley: dict
    instructions: int = 2
    names: dict = field(default_factory=dict)
    fall: float = 1.0  # of the rate, from step to step

    def __str__(self):
        return self.kind.__name__


def decays(*options):
    """Each set of options, and the last of them with weight decay and uphill too."""
    return [*options, {**options[-1], "weight_decay": 0.3}, {**options[-1], "maximize": True}]


START = {"initial_accumulator_value": "start"}
TABLE = [
    Case(optim.SGD, rules.sgd, decays({}, {"lr": 0.1}), {"lr": 0.05}, {"lr": 0.02}, 1),
    Case(optim.SGD, rules.sgd,
         decays({"lr": 0.1, "momentum": 0.9, "dampening": 0.5},
                {"lr": 0.1, "momentum": 0.9, "nesterov": True}, {"lr": 0.1, "momentum": 0.9}),
         {"lr": 0.02, "momentum": 0.9}, {"lr": 0.01, "momentum": 0.9}, 1),
    Case(optim.Momentum, rules.momentum,
         decays({}, {"lr": 0.1, "nesterov": True}, {"lr": 0.1, "ewma": True},
                {"lr": 0.1, "ewma": True, "nesterov": True}, {"lr": 0.1}),
         {"lr": 0.02}, {"lr": 0.01, "nesterov": True}, 1),
    Case(optim.SignSGD, rules.sign_sgd, decays({}, {"lr": 0.1}, {"lr": 0.1, "momentum": 0.9}),
         {"lr": 0.01}, {"lr": 0.01, "momentum": 0.9}, 1),
    Case(optim.Lion, rules.lion, decays({}, {"lr": 0.1, "betas": (0.5, 0.3)}, {"lr": 0.1}),
         {"lr": 0.02}, {"lr": 0.02, "betas": (0.9, 0.9)}, 1),
    Case(optim.Adam, rules.adam,
         decays({}, {"lr": 0.1, "betas": (0.0, 0.5), "eps": 1e-3},
                {"lr": 0.1, "amsgrad": True, "betas": (0.5, 0.3)}), {"lr": 0.1}, {"lr": 0.1}),
    Case(optim.AMSGrad, rules.amsgrad, decays({}, {"lr": 0.1, "betas": (0.5, 0.3)}),
         {"lr": 0.1}, {"lr": 0.1}),
    Case(optim.AdamW, rules.adamw, decays({}, {"lr": 0.1, "amsgrad": True}),
         {"lr": 0.1}, {"lr": 0.1, "weight_decay": 0.0}),
    Case(optim.Adamax, rules.adamax, decays({}, {"lr": 0.1, "betas": (0.5, 0.3)}),
         {"lr": 0.1}, {"lr": 0.1}),
    Case(optim.NAdam, rules.nadam,
         decays({}, {"lr": 0.1, "decoupled_weight_decay": True, "momentum_decay": 0.5},
                {"lr": 0.1}), {"lr": 0.1}, {"lr": 0.05}),
    Case(optim.NAdamW, rules.nadamw, decays({}, {"lr": 0.1}), {"lr": 0.1},
         {"lr": 0.05, "weight_decay": 0.0}),
    Case(optim.RAdam, rules.radam, decays({}, {"lr": 0.1, "betas": (0.9, 0.5)}, {"lr": 0.1}),
         {"lr": 0.1}, {"lr": 0.05, "betas": (0.9, 0.99)}),
    Case(optim.AdaBelief, rules.adabelief, decays({}, {"lr": 0.1, "eps": 1e-3}), {"lr": 0.1},
         {"lr": 0.05}),
    Case(optim.Yogi, rules.yogi, decays({}, {"lr": 0.1, "initial_accumulator_value": 0.5}),
         {"lr": 0.1}, {"lr": 0.1}, names=START),
    Case(optim.Adan, rules.adan,
         decays({}, {"lr": 0.1, "weight_decay": 0.3, "no_prox": True}, {"lr": 0.1}),
         {"lr": 0.1}, {"lr": 0.1}, 3),
    Case(optim.Adagrad, rules.adagrad,
         decays({}, {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5}),
         {"lr": 0.5}, {"lr": 0.5}, names=START),
    Case(optim.Adadelta, rules.adadelta, decays({}, {"lr": 0.5, "rho": 0.5, "eps": 0.1}),
         {"lr": 0.1, "eps": 1e-2}, {"lr": 0.02, "eps": 1.0, "rho": 0.5}),
    Case(optim.RMSprop, rules.rmsprop,
         decays({}, {"lr": 0.1, "momentum": 0.5}, {"lr": 0.1, "centered": True}),
         {"lr": 0.02}, {"lr": 0.01, "alpha": 0.9}),
    Case(optim.Rprop, rules.rprop,
         [{}, {"lr": 0.1, "etas": (0.3, 2.0), "step_sizes": (1e-3, 0.2)}, {"maximize": True}],
         {"lr": 0.1}, {"lr": 0.1}),
    Case(optim.ASGD, rules.asgd, decays({}, {"lr": 0.1, "lambd": 0.1, "t0": 3}),
         {"lr": 0.05}, {"lr": 0.02}, 3),
    Case(optim.LARS, rules.lars,
         decays({}, {"lr": 0.1, "trust_coefficient": 0.0}, {"lr": 1.0, "eps": 0.1},
                {"lr": 1.0, "nesterov": True, "trust_coefficient": 0.1}),
         {"lr": 0.02, "trust_coefficient": 0.0}, {"lr": 0.5, "trust_coefficient": 0.1}, 6,
         fall=0.98),
    Case(optim.LAMB, rules.lamb, decays({}, {"lr": 0.1, "bias_correction": False}, {"lr": 0.1}),
         {"lr": 0.3}, {"lr": 0.3, "betas": (0.9, 0.9)}, 7, fall=0.98),
    Case(optim.NovoGrad, rules.novograd,
         decays({}, {"lr": 0.1, "grad_averaging": True}, {"lr": 0.1}),
         {"lr": 0.02}, {"lr": 0.01}, 8),
    Case(optim.Adafactor, rules.adafactor,
         decays({}, {"lr": 0.1, "eps": (0.1, 0.5), "d": 2.0},
                {"lr": 0.1, "beta1": 0.9, "scale_parameter": False, "relative_step": False},
                {"lr": 0.1, "eps_on_square": True, "eps": (1e-30, 1e-3)}, {"lr": 0.1}),
         {"lr": 0.1}, {"lr": 0.1, "beta1": 0.9}, 19),
    Case(optim.SM3, rules.sm3, decays({}, {"lr": 0.1, "momentum": 0.9}), {"lr": 0.5},
         {"lr": 0.5}, 6),
    Case(optim.ScheduleFreeAdamW, rules.schedule_free,
         decays({}, {"lr": 0.1, "warmup_steps": 3, "r": 1.0}), {"lr": 0.2}, {"lr": 0.2}),
]  # fmt: skip
RULES = pytest.mark.parametrize(
    ("case", "options"), [(case, options) for case in TABLE for options in case.options], ids=str
)
EACH = pytest.mark.parametrize("case", TABLE, ids=str)


def starts():
    """A matrix, a vector and a number."""
    return [np.array([[1.5, -0.5, 0.2], [-1.0, 0.0, 0.7]]), np.array([0.3, -2.0]), np.array(0.8)]


def slope(w):
    return 2 * w - np.sin(w)


def objective(params):
    return sum(tg.sum(tg.cos(w) + w * w) for w in params)


def after(case, options, steps=STEPS):
    """What the weights become by the rule in NumPy."""
    options = {case.names.get(name, name): value for name, value in options.items()}
    return [rules.walk(case.rule, w, slope, steps, **options) for w in starts()]


def close(params, expected, rtol=1e-9, atol=1e-12):
    for param, value in zip(params, expected, strict=True):
        np.testing.assert_allclose(param.numpy(), value, rtol=rtol, atol=atol)


def run(optimizer, params, steps=STEPS):
    for _ in range(steps):
        objective(params).backward()
        optimizer.step()
        optimizer.zero_grad()


# ------------------------------------------------------------------------------- the numbers


@RULES
def test_the_rule(case, options):
    params = [nn.Parameter(w, dtype="float64") for w in starts()]
    with tg.backend("numpy"):
        run(case.kind(params, **options), params)
    close(params, after(case, options))


@pytest.mark.parametrize(
    "options",
    decays({}, {"lr": 0.1, "nesterov": False, "ns_steps": 3},
           {"lr": 0.1, "ns_coefficients": (2.0, -1.5, 0.5), "adjust_lr_fn": "match_rms_adamw"},
           {"lr": 0.1}),
    ids=str,
)  # fmt: skip
def test_muon(options):
    (w, *_), case = starts(), Case(optim.Muon, rules.muon, [], {}, {})
    for start in (w, w.T):
        param = nn.Parameter(start, dtype="float64")
        with tg.backend("numpy"):
            run(optim.Muon([param], **options), [param])
        close([param], [rules.walk(case.rule, start, slope, STEPS, **options)])


@EACH
def test_float32_in_every_mode(case):
    """Lazily, eagerly, as a graph and traced, the same; only the first step compiles."""
    options = case.options[-1]
    expected = after(case, options)
    for way in (lazily, eagerly, as_a_graph, traced):
        params = [nn.Parameter(w, dtype="float32") for w in starts()]
        misses = way(case.kind(params, **options), params)
        close(params, expected, rtol=2e-3, atol=2e-4)
        assert misses[1:] == misses[:1] * (STEPS - 1), f"{way.__name__}: a later step compiled"


def stepwise(step, optimizer):
    """Tapes made so far after each of the steps; on the way, the rate changes for a moment."""
    misses = []
    for _ in range(STEPS):
        step()
        misses.append(TAPES.info().misses)
        group = optimizer.param_groups[0]
        rate = group["lr"]
        group["lr"] = 7.0
        group["lr"] = rate
    return misses


def lazily(optimizer, params):
    return stepwise(lambda: run(optimizer, params, 1), optimizer)


def eagerly(optimizer, params):
    with tg.eager():
        run(optimizer, params)
    return [0] * STEPS


def as_a_graph(optimizer, params):
    x = tg.placeholder((), name="x")
    loss = objective(params) + x
    step = tg.function([x], loss, updates=optimizer.minimize(loss))
    return stepwise(lambda: step(0.0), optimizer)


def traced(optimizer, params):
    step = tg.jit(lambda: run(optimizer, params, 1))
    misses = stepwise(step, optimizer)
    assert step.traces == 1
    return misses


@EACH
def test_a_new_rate_counts(case):
    """In a graph that was compiled before, from the next step on."""
    params = [nn.Parameter(w, dtype="float64") for w in starts()]
    optimizer = case.kind(params)
    rates = [0.1] * 4 + [0.02] * 4
    with tg.backend("numpy"):
        updates = optimizer.minimize(objective(params))
        step = tg.function([], objective(params), updates=updates)
        for rate in rates:
            optimizer.param_groups[0]["lr"] = rate
            step()
    expected = [rules.walk(case.rule, w, slope, 8, rates=rates) for w in starts()]
    close(params, expected)


# ------------------------------------------------------------------------------- where it gets


def bowl(w):
    return w[0] ** 2 + 10 * w[1] ** 2


def valley(w):
    return (1 - w[0]) ** 2 + 5 * (w[1] - w[0] ** 2) ** 2


@EACH
@pytest.mark.parametrize("where", [bowl, valley])
def test_it_converges(case, where):
    w = nn.Parameter([-1.0, 1.5])
    optimizer = case.kind([w], **getattr(case, where.__name__))
    step = tg.function([], where(w), updates=optimizer.minimize(where(w)))
    first = step().item()
    for _ in range(400):
        optimizer.param_groups[0]["lr"] *= case.fall
        step()
    if isinstance(optimizer, optim.ScheduleFreeAdamW):
        optimizer.eval()
    assert where(w).item() < 1e-2 < first


def test_muon_converges():
    target = np.random.default_rng(0).standard_normal((3, 4))
    w = nn.Parameter(np.zeros((3, 4)), dtype="float32")
    optimizer = optim.Muon([w], lr=0.02, weight_decay=0.0)
    loss = tg.mean((w - tg.tensor(target, "float32")) ** 2)
    step = tg.function([], loss, updates=optimizer.minimize(loss))
    losses = [step().item() for _ in range(300)]
    assert losses[-1] < 2e-3 < losses[0]


# ------------------------------------------------------------------------------- instructions


@EACH
def test_a_whole_network_takes_few_instructions(case):
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(),
                          nn.Linear(32, 10))  # fmt: skip
    plain, whole = (len(step_tape(model, kind, o)) for kind, o in (
        (optim.SGD, {}), (case.kind, case.options[-2])))  # fmt: skip
    assert whole - plain + 1 <= case.instructions


def step_tape(model, kind, options):
    """The tape of a training step with weight decay."""
    x, t = tg.placeholder((16, 20), name="x"), tg.placeholder((16,), "int64", name="t")
    loss = F.cross_entropy(model(x), t)
    updates = kind(model.parameters(), **options).minimize(loss)
    cells = [cell.node for cell in updates]
    outputs = [loss, *updates.values()]
    numbered = {1 + i: 2 + i for i in range(len(cells))}
    return tape_of(*outputs, inputs=[x, t, *cells], updates=numbered)
