"""Activations: PyTorch's values and slopes, at the kinks too."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import peer

import tinygraph as tg
from tinygraph import nn
from tinygraph.nn import functional as F

T, TF = torch.nn, torch.nn.functional

# where pieces meet, and on both sides of it; the tails of the exponentials
POINTS = np.array([-40, -6, -3, -1.5, -1, -0.5, -0.1, -0.0, 0, 0.1, 0.5, 1, 2, 3, 6, 7, 40.0])

POINTWISE = [
    ("relu", [{}]),
    ("leaky_relu", [{}, {"negative_slope": 0.3}, {"negative_slope": -1.0}]),
    ("relu6", [{}]),
    ("elu", [{}, {"alpha": 2.0}, {"alpha": 0.0}, {"alpha": -1.0}]),
    ("celu", [{}, {"alpha": 2.0}, {"alpha": 0.25}]),
    ("selu", [{}]),
    ("gelu", [{}, {"approximate": "tanh"}]),
    ("silu", [{}]),
    ("mish", [{}]),
    ("softplus", [{}, {"beta": 3.0}, {"threshold": 2.0}, {"beta": 0.5, "threshold": 0.4}]),
    ("softsign", [{}]),
    ("hardswish", [{}]),
    ("hardsigmoid", [{}]),
    ("hardtanh", [{}, {"min_val": -3.0, "max_val": 0.5}, {"min_val": 1.0, "max_val": 1.0}]),
    ("hardshrink", [{}, {"lambd": 0.0}, {"lambd": 1.0}, {"lambd": -1.0}]),
    ("softshrink", [{}, {"lambd": 0.0}, {"lambd": 1.0}]),
    ("tanhshrink", [{}]),
    ("threshold", [{"threshold": 0.5, "value": 20.0}, {"threshold": -1.0, "value": 0.0}]),
    ("logsigmoid", [{}]),
    ("sigmoid", [{}]),
    ("tanh", [{}]),
    ("rrelu", [{}, {"lower": 0.1, "upper": 0.2}]),
]
GRID = [(name, options) for name, several in POINTWISE for options in several]
INPLACE = [
    "relu", "leaky_relu", "relu6", "elu", "celu", "selu", "silu", "mish", "hardswish",
    "hardsigmoid", "hardtanh", "threshold", "rrelu",
]  # fmt: skip
rng = np.random.default_rng(0)
SHAPES = {
    "none": POINTS[:0].reshape(0, 3),
    "one row": rng.standard_normal((1, 5)),
    "one number": np.array(0.7),
}


@pytest.mark.parametrize(("name", "options"), GRID, ids=lambda x: str(x))
def test_pointwise(name, options):
    peer.same(getattr(F, name), getattr(TF, name), POINTS, **options)


@pytest.mark.parametrize("name", [name for name, _ in POINTWISE])
def test_odd_shapes(name):
    options = dict(POINTWISE)[name][-1]
    ours, theirs = getattr(F, name), getattr(TF, name)
    for x in SHAPES.values():
        peer.same(ours, theirs, x, **options)
    x = rng.standard_normal((6, 8))  # not contiguous: every second row of every third column
    peer.same(
        lambda x: ours(x.T[::3, ::2], **options), lambda x: theirs(x.T[::3, ::2], **options), x
    )


@pytest.mark.parametrize(
    ("name", "options"), [(name, several[0]) for name, several in POINTWISE], ids=lambda x: str(x)
)
def test_modes(name, options):
    peer.modes(getattr(F, name), POINTS.astype("float32")[1:-1], **options)


@pytest.mark.parametrize("name", INPLACE)
def test_inplace_is_taken_and_changes_nothing(name):
    options = dict(POINTWISE)[name][0]
    x = tg.tensor(POINTS)
    in_place = getattr(F, name)(x, inplace=True, **options)
    np.testing.assert_array_equal(in_place.numpy(), getattr(F, name)(x, **options).numpy())
    np.testing.assert_array_equal(x.numpy(), POINTS)


def test_integers_stay_integers_where_pytorchs_do():
    for name, options in [("relu", {}), ("relu6", {}), ("threshold", {"threshold": 1, "value": 7})]:
        peer.same(getattr(F, name), getattr(TF, name), np.array([-2, 3, 9]), **options)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    ("name", "options"),
    [("elu", {}), ("celu", {"alpha": 2.0}), ("selu", {}), ("gelu", {}),
     ("gelu", {"approximate": "tanh"}), ("mish", {}), ("silu", {}), ("hardswish", {})],
)  # fmt: skip
def test_16_bits_are_as_exact_as_they_can_be(name, options, dtype):
    """Also where 1 + erf(x) or exp(x) has few digits left, and where x^3 overflows."""
    points = np.array([-3e4, -300.0, -20.0, -9.0, -6.0, -3.0, -2.0, -0.5, 0.3, 2.0, 300.0, 3e4])
    there = torch.tensor(points).to(getattr(torch, dtype)).requires_grad_()
    theirs = getattr(TF, name)(there, **options)
    (slope,) = torch.autograd.grad(theirs.sum(), there)
    here = tg.tensor(points, dtype=dtype)
    function = getattr(F, name)
    mine = function(here, **options)
    my_slope = tg.grad(lambda x: tg.sum(function(x, **options)))(here)
    assert mine.dtype == my_slope.dtype == dtype
    limit = {"rtol": 2e-3 if dtype == "float16" else 1.6e-2, "atol": 1e-7}
    for a, b in ((mine, theirs), (my_slope, slope)):
        np.testing.assert_allclose(a.astype("float64").numpy(), b.detach().double(), **limit)


def test_hardswish_has_a_slope_at_infinity():
    peer.same(F.hardswish, TF.hardswish, np.array([np.inf, 3.0, -3.0]))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_narrow_floats_stay_so(dtype):
    x = np.linspace(-4, 4, 9).astype(dtype)
    limit = {"rtol": 5e-3, "atol": 5e-3} if dtype == "float16" else {"rtol": 1e-5, "atol": 1e-6}
    for name, several in POINTWISE:
        peer.same(getattr(F, name), getattr(TF, name), x, **several[0], **limit)


# -------------------------------------------------------------------------------- with weights


@pytest.mark.parametrize(
    ("shape", "weights"),
    [
        ((4, 3), 3),
        ((4, 3), 1),
        ((2, 3, 4, 5), 3),
        ((2, 3, 4, 5), 1),
        ((7,), 1),
        ((), 1),
        ((0, 3), 3),
    ],
    ids=str,
)
def test_prelu(shape, weights):
    x, slopes = rng.standard_normal(shape), rng.standard_normal(weights)
    if x.size:
        x.flat[0] = 0.0
    peer.same(F.prelu, TF.prelu, x, slopes)
    peer.same_module(nn.PReLU(weights), T.PReLU(weights), x)


def test_prelu_in_all_modes():
    x = rng.standard_normal((3, 4, 5)).astype("float32")
    peer.modes(F.prelu, x, np.array([0.1, 0.2, -0.3, 0.4], "float32"))


def test_prelu_of_one_number_and_what_it_refuses():
    x = rng.standard_normal((2, 3))
    peer.same(F.prelu, TF.prelu, x, np.array(0.3))
    for shape, weight in [((2, 3), (2,)), ((3,), (3,)), ((2, 3), (1, 3))]:
        with pytest.raises(RuntimeError):
            TF.prelu(torch.ones(shape), torch.ones(weight))
        with pytest.raises(tg.errors.ShapeError, match="prelu: expected"):
            F.prelu(tg.ones(shape), tg.ones(weight))


# ------------------------------------------------------------------------------------ the gates


@pytest.mark.parametrize(("shape", "dim"), [((3, 4), -1), ((4, 3), 0), ((2, 6, 5), 1), ((0, 4), 1)])
def test_glu(shape, dim):
    x = rng.standard_normal(shape)
    peer.same(F.glu, TF.glu, x, dim=dim)
    peer.same_module(nn.GLU(dim), T.GLU(dim), x)


def _halves(gate):
    def gated(x, dim=-1):
        a, b = x.chunk(2, dim)
        return a * gate(b)

    return gated


GATES = {"swiglu": TF.silu, "geglu": TF.gelu, "reglu": TF.relu}


@pytest.mark.parametrize("name", GATES)
def test_other_gates(name):
    for x, dim in [(rng.standard_normal((3, 8)), -1), (rng.standard_normal((2, 4, 3)), 1)]:
        peer.same(getattr(F, name), _halves(GATES[name]), x, dim=dim)


def test_maxout():
    def theirs(x):
        return x.unflatten(1, (2, 3)).amax(2)

    peer.same(lambda x: F.maxout(x, 3, 1), theirs, rng.standard_normal((4, 6, 5)))
    peer.same(lambda x: F.maxout(x, 3, 1), theirs, np.zeros((1, 6, 2)))  # ties share


@pytest.mark.parametrize("name", ["glu", *GATES])
def test_gates_in_all_modes(name):
    peer.modes(getattr(F, name), rng.standard_normal((5, 8)).astype("float32"))
    peer.modes(F.maxout, rng.standard_normal((5, 8)).astype("float32"), groups=4)


# ------------------------------------------------------------------------------- probabilities

DISTRIBUTIONS = ["softmax", "softmin", "log_softmax"]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize(
    ("shape", "dim"), [((3, 4), -1), ((3, 4), 0), ((2, 3, 4), 1), ((5,), 0), ((1, 1), 1)]
)
def test_distributions(name, shape, dim):
    x = rng.standard_normal(shape) * 3
    peer.same(getattr(F, name), getattr(TF, name), x, dim=dim)
    ours, theirs = getattr(F, name), getattr(TF, name)
    peer.same(lambda x: ours(x[::2, ...], dim), lambda x: theirs(x[::2, ...], dim), x)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions_of_extremes_and_of_nothing(name):
    ours, theirs = getattr(F, name), getattr(TF, name)
    peer.same(ours, theirs, np.array([[1000.0, 0.0, -1000.0], [5.0, 5.0, 5.0]]), dim=1)
    for shape, dim in [((0, 3), 1), ((0, 3), 0), ((3, 0), 1), ((3, 0), 0), ((0,), 0)]:
        peer.same(ours, theirs, np.ones(shape), dim=dim)
    with tg.backend("numpy"):
        peer.close(ours(tg.tensor([1, 2]), dtype="float64"),
                   theirs(torch.tensor([1, 2]), dim=-1, dtype=torch.float64))  # fmt: skip


def test_softmax2d():
    for shape in [(2, 3, 4, 5), (3, 4, 5), (0, 3, 2, 2)]:
        peer.same_module(nn.Softmax2d(), T.Softmax2d(), rng.standard_normal(shape))


@pytest.mark.parametrize("name", [*DISTRIBUTIONS, "sparsemax"])
def test_distributions_in_all_modes(name):
    x = rng.standard_normal((4, 5)).astype("float32")
    peer.modes(getattr(F, name), x, dim=0)
    peer.modes(getattr(F, name), x)


# -------------------------------------------------------------------------------- the modules

MODULES = [
    ("ReLU", ()), ("ReLU6", ()), ("LeakyReLU", ()), ("LeakyReLU", (0.2,)), ("RReLU", (0.1, 0.3)),
    ("Hardtanh", ()), ("Hardtanh", (-2.0, 0.5)), ("Sigmoid", ()), ("Hardsigmoid", ()),
    ("Tanh", ()), ("SiLU", ()), ("Mish", ()), ("Hardswish", ()), ("ELU", (0.5,)), ("CELU", (0.5,)),
    ("SELU", ()), ("GELU", ()), ("GELU", ("tanh",)), ("Hardshrink", ()), ("Softshrink", (0.7,)),
    ("LogSigmoid", ()), ("Softplus", ()), ("Softplus", (2.0, 1.0)), ("Softsign", ()),
    ("Tanhshrink", ()), ("Threshold", (0.1, 20.0)), ("PReLU", ()), ("PReLU", (5, 0.1)),
    ("Softmin", (1,)), ("Softmax", (0,)), ("LogSoftmax", (1,)), ("Softmax2d", ()), ("GLU", (0,)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), MODULES, ids=lambda x: str(x))
def test_modules(name, options):
    ours, theirs = getattr(nn, name)(*options), getattr(T, name)(*options)
    assert repr(ours) == repr(theirs)
    shape = (2, 3, 4) if name == "Softmax2d" else (2, 5)
    peer.same_module(ours.eval(), theirs.eval(), rng.standard_normal(shape))


INPLACE_MODULES = [
    "CELU", "ELU", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "Mish", "RReLU", "ReLU",
    "ReLU6", "SELU", "SiLU", "Threshold",
]  # fmt: skip


@pytest.mark.parametrize("name", INPLACE_MODULES)
def test_modules_take_inplace(name):
    options = {"threshold": 0.0, "value": 0.0} if name == "Threshold" else {}
    module = getattr(nn, name)(**options, inplace=True).eval()
    peer.same_module(module, getattr(T, name)(**options).eval(), POINTS)


# ---------------------------------------------------------------------------------- what fails


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda F, x: F.softshrink(x, -1.0), "softshrink: expected lambd from 0, got -1.0"),
        (lambda F, x: F.celu(x, 0.0), "celu: expected alpha other than 0, got 0"),
        (lambda F, x: F.rrelu(x, 0.5, 0.1), "rrelu: expected lower <= upper, got 0.5 and 0.1"),
        (lambda F, x: F.hardtanh(x, 1.0, -1.0), "hardtanh: expected min_val <= max_val, got 1.0"),
        (lambda F, x: F.glu(x), r"glu: expected an even size to halve, got 3 in dimension -1"),
        (lambda F, x: F.gelu(x, approximate="fast"), "gelu: expected approximate 'none' or 'tanh'"),
    ],
    ids=["softshrink", "celu", "rrelu", "hardtanh", "glu", "gelu"],
)
def test_what_pytorch_refuses(call, message):
    with pytest.raises((ValueError, RuntimeError)):
        call(TF, torch.ones(3))
    with pytest.raises(ValueError, match=message):
        call(F, tg.ones(3))
