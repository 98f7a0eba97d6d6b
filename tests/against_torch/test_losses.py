"""Losses: the same numbers and gradients as PyTorch, over their options and odd shapes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F

TF = torch.nn.functional
REDUCTIONS = ("mean", "sum", "none")
rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def between(*shape):
    """Probabilities, away from 0 and 1."""
    return rng.uniform(0.05, 0.95, shape)


def signs(*shape):
    return rng.choice([-1.0, 1.0], shape)


def strided(make, *shape):
    """A transposed array with gaps, of the given shape."""
    wide = make(*shape[::-1], 2)
    return wide[..., 0].T


def both(name, *inputs, rtol=peer.RTOL, atol=peer.ATOL, **options):
    """The function of that name is the same here and there. What `options` hold of arrays are
    constants: PyTorch has no gradients for most weights and some targets."""

    def of(functions, make):
        fixed = {k: make(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        return lambda *xs: getattr(functions, name)(*xs, **fixed)

    peer.same(of(F, tg.tensor), of(TF, torch.tensor), *inputs, rtol=rtol, atol=atol)


W5 = between(5)
SHAPES = [(4, 5), (1, 3), (6,), (), (0, 3), (2, 3, 4)]


# --------------------------------------------------------------------- element by element

# name: the function's name, how to make the input, how to make the target, option sets
ELEMENTWISE = {
    "mse_loss": (normal, normal, [{}]),
    "l1_loss": (normal, normal, [{}]),
    "huber_loss": (normal, normal, [{}, {"delta": 0.4}, {"delta": 3}]),
    "smooth_l1_loss": (normal, normal, [{}, {"beta": 0.4}, {"beta": 0.0}, {"beta": 5.0}]),
    "binary_cross_entropy": (between, between, [{}]),
    "binary_cross_entropy_with_logits": (normal, between, [{}]),
    "kl_div": (normal, between, [{}]),
    "poisson_nll_loss": (
        between, lambda *shape: rng.uniform(0, 5, shape),
        [{}, {"full": True}, {"log_input": False}, {"log_input": False, "full": True, "eps": 0.1}],
    ),
    "soft_margin_loss": (normal, signs, [{}]),
    "hinge_embedding_loss": (normal, signs, [{}, {"margin": 0.3}]),
}  # fmt: skip
CASES = [
    pytest.param(name, options, id=f"{name}{options or ''}")
    for name, (_, _, sets) in ELEMENTWISE.items()
    for options in sets
]
QUIET = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")


# PyTorch has no gradient for the targets of these
FIXED_TARGETS = ("soft_margin_loss",)


def compare(name, x, y, **options):
    if name in FIXED_TARGETS:
        both(name, x, target=y, **options)
    else:
        both(name, x, y, **options)


@QUIET
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_elementwise(name, options, reduction):
    make_input, make_target, _ = ELEMENTWISE[name]
    for shape in SHAPES:
        x, y = np.array(make_input(*shape)), np.array(make_target(*shape))
        compare(name, x, y, reduction=reduction, **options)
    x, y = strided(make_input, 3, 4), make_target(6, 8)[::2, ::2]
    compare(name, x, y, reduction=reduction, **options)


@QUIET
@pytest.mark.parametrize(("name", "options"), CASES)
def test_elementwise_in_every_mode(name, options):
    make_input, make_target, _ = ELEMENTWISE[name]
    x, y = make_input(3, 4).astype("float32"), make_target(3, 4).astype("float32")
    peer.modes(getattr(F, name), x, y, **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_weights_of_elements(name, reduction):
    for shape in [(4, 5), (1,), (0, 2)]:
        x, y, weight = normal(*shape), normal(*shape), between(*shape)
        both(name, x, y, weight=weight, reduction=reduction)


def test_at_the_kinks():
    """Where the left and the right slope differ, or a power has its end."""
    ends = np.array([-1.0, 0.0, 1.0, 2.0])
    for delta in (1.0, 2.0):
        both("huber_loss", ends, ends * 0, delta=delta, reduction="none")
    for beta in (0.0, 1.0, 2.0):
        both("smooth_l1_loss", ends, ends * 0, beta=beta, reduction="none")
    both("l1_loss", ends, ends, reduction="none")
    for y in (-np.ones(4), np.ones(4), np.zeros(4), np.full(4, 0.5)):
        for name in ("hinge_embedding_loss", "soft_margin_loss"):
            both(name, ends, target=y, reduction="none")
    both("margin_ranking_loss", ends, ends, np.ones(4), reduction="none")
    for p in (1, 2):
        both("multi_margin_loss", ends, np.array(1), p=p)
    both("multilabel_margin_loss", ends, np.array([1, 3, -1, 0]))


def test_targets_and_weights_that_broadcast():
    x = normal(3, 4)
    for name in ("kl_div", "poisson_nll_loss", "soft_margin_loss", "hinge_embedding_loss"):
        for target in (between(4), between(3, 1), np.array(0.5)):
            compare(name, x, target, reduction="none")
    for weight in (between(3, 4), between(4), between(3, 1), np.array(0.5)):
        for name in ("binary_cross_entropy", "binary_cross_entropy_with_logits"):
            both(name, between(3, 4), between(3, 4), weight=weight)


@QUIET
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_result_has_the_dtype_of_the_input(name, dtype):
    make_input, make_target, _ = ELEMENTWISE[name]
    x, y = make_input(3, 4).astype(dtype), make_target(3, 4).astype(dtype)
    rtol = 1e-2 if dtype == "float16" else 1e-5
    for reduction in REDUCTIONS:
        compare(name, x, y, reduction=reduction, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "poisson_nll_loss"])
def test_other_dtypes_of_targets(name):
    x = normal(5).astype("float32")
    for y in (np.arange(5), np.arange(5).astype("float64")):
        both(name, x, y, rtol=1e-5, atol=1e-6)


# --------------------------------------------------------------------- binary cross-entropy


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("names", [["weight"], ["pos_weight"], ["weight", "pos_weight"]])
def test_weights_of_logits(names, reduction):
    weights = {"weight": between(4, 5), "pos_weight": between(5) * 3}
    given = {name: weights[name] for name in names}
    x, y = normal(4, 5), between(4, 5)
    both("binary_cross_entropy_with_logits", x, target=y, reduction=reduction, **given)


@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
def test_probabilities_at_the_ends(y):
    """The value and the slope in p; that in y is infinite in PyTorch where p is 0 or 1."""
    p = np.array([0.0, 1e-50, 1e-13, 1e-12, 1e-11, 0.5, 1 - 1e-11, 1 - 1e-13, 1.0])
    targets = np.full(9, y)
    both("binary_cross_entropy", p, target=targets, reduction="none")
    x = tg.tensor(targets, requires_grad=True)
    F.binary_cross_entropy(tg.tensor(p), x, reduction="sum").backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_logits_that_overflow():
    x = np.array([-1e4, -100.0, 0.0, 100.0, 1e4])
    for y in (0.0, 0.5, 1.0):
        both("binary_cross_entropy_with_logits", x, np.full(5, y), reduction="none")


# ------------------------------------------------------------------------------- classes

FORMS = [((4, 5), (4,)), ((1, 3), (1,)), ((5,), ()), ((0, 3), (0,)), ((2, 3, 4), (2, 4)),
         ((2, 3, 2, 2), (2, 2, 2))]  # fmt: skip


def number_of_classes(shape):
    return shape[0 if len(shape) == 1 else 1]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("ignore", [-100, 1])
def test_cross_entropy_of_classes(reduction, weighted, smoothing, ignore):
    for x_shape, t_shape in FORMS:
        classes = number_of_classes(x_shape)
        x, t = normal(*x_shape) * 3, np.array(rng.integers(0, classes, t_shape))
        options = {"reduction": reduction, "ignore_index": ignore}
        if weighted:
            options["weight"] = between(classes)
        both("cross_entropy", x, t, label_smoothing=smoothing, **options)
        if not smoothing:
            both("nll_loss", x, t, **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2, 1.0])
def test_cross_entropy_of_probabilities(reduction, weighted, smoothing):
    options = {"reduction": reduction, "label_smoothing": smoothing}
    for shape, _ in FORMS:
        if weighted:
            options["weight"] = between(number_of_classes(shape))
        both("cross_entropy", normal(*shape), np.array(between(*shape)), **options)
    options.pop("weight", None)
    both("cross_entropy", strided(normal, 4, 5), np.eye(5)[[1, 0, 4, 4]], **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_cross_entropy_with_its_linear_layer(reduction):
    for x_shape, w_shape, t_shape in [
        ((4, 6), (5, 6), (4,)), ((6,), (5, 6), ()), ((4, 6), (5, 2, 3, 6), (4, 2, 3)),
    ]:  # fmt: skip
        t = np.array(rng.integers(0, 5, t_shape))
        x, w, bias = normal(*x_shape), normal(*w_shape), normal(*w_shape[:-1])
        for options in ({}, {"ignore_index": 1, "label_smoothing": 0.1, "weight": between(5)}):
            both("linear_cross_entropy", x, w, t, linear_bias=bias, reduction=reduction, **options)
            both("linear_cross_entropy", x, w, t, reduction=reduction, **options)
        here = nn.LinearCrossEntropyLoss(6, 5, out_features=w_shape[1:-1], reduction=reduction)
        there = torch.nn.LinearCrossEntropyLoss(
            6, 5, out_features=w_shape[1:-1], reduction=reduction
        )
        peer.same_module(here, there, x, t)
    here = nn.LinearCrossEntropyLoss(6, 5, bias=True, weight=tg.tensor(W5), ignore_index=2)
    there = torch.nn.LinearCrossEntropyLoss(
        6, 5, bias=True, weight=torch.tensor(W5), ignore_index=2
    )
    peer.same_module(here, there, normal(4, 6), np.array([0, 2, 4, 1]))
    probabilities = between(4, 5)
    both("linear_cross_entropy", normal(4, 6), normal(5, 6), probabilities)


def test_cross_entropy_at_the_ends():
    x = np.array([[1e4, -1e4, 0.0], [0.0, 0.0, -np.inf], [300.0, 299.0, 0.0]])
    both("cross_entropy", x, np.array([1, 0, 2]), reduction="none")
    for reduction in REDUCTIONS:
        both("cross_entropy", x[[0, 0, 2]], np.full(3, -100), reduction=reduction)
    for dtype in ("uint8", "int64"):
        both("cross_entropy", x[[0, 2]], np.array([1, 0], dtype))
    both("cross_entropy", normal(2, 3).astype("float32"), between(2, 3), rtol=1e-5, atol=1e-6)


def test_classes_in_every_mode():
    x, t = normal(4, 5).astype("float32"), rng.integers(0, 5, 4)
    peer.modes(F.cross_entropy, x, t, label_smoothing=0.1)
    peer.modes(F.cross_entropy, x, between(4, 5).astype("float32"))
    peer.modes(F.nll_loss, x, t)
    peer.modes(F.multi_margin_loss, x, t)
    peer.modes(F.multilabel_margin_loss, x, np.array([[0, 2, -1, 3, 3]] * 4))
    peer.modes(F.multilabel_soft_margin_loss, x, signs(4, 5).astype("float32"))


# ------------------------------------------------------------------------- distributions


@QUIET
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
def test_divergences(reduction, log_target):
    for shape in [(4, 5), (3,), (), (0, 3), (2, 3, 4)]:
        target = np.array(normal(*shape) if log_target else between(*shape))
        both("kl_div", np.array(normal(*shape)), target, reduction=reduction, log_target=log_target)
    both("kl_div", normal(3), target=np.array([0.0, 1.0, 0.5]), reduction=reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("full", [False, True])
def test_normal_likelihoods(reduction, full):
    options = {"reduction": reduction, "full": full}
    for shape, variances in [
        ((4, 5), (4, 5)), ((4, 5), (4, 1)), ((4, 5), (4,)), ((4, 5), (1, 5)), ((3,), (3,)),
        ((0, 2), (0, 2)), ((2, 3, 4), (2, 3)), ((2, 3, 4), (2, 1, 4)), ((3,), ()),
    ]:  # fmt: skip
        var = np.array(rng.uniform(0.1, 2, variances))
        both("gaussian_nll_loss", normal(*shape), normal(*shape), var, **options)
    both("gaussian_nll_loss", normal(3), normal(3), 0.7, **options)
    both("gaussian_nll_loss", normal(4, 5), normal(5), np.ones((4, 5)), **options)
    for eps in (1e-6, 0.1):
        small = np.array([0.0, 1e-9, 0.09, 0.1, 0.11])
        both("gaussian_nll_loss", normal(5), normal(5), small, eps=eps, **options)


def test_normal_likelihoods_in_every_mode():
    x, y, var = (a.astype("float32") for a in (normal(4, 3), normal(4, 3), between(4)))
    peer.modes(F.gaussian_nll_loss, x, y, var)


# -------------------------------------------------------------------------------- margins


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [0.0, 0.7])
def test_rankings(reduction, margin):
    options = {"reduction": reduction, "margin": margin}
    for shapes in [((4, 5),) * 3, ((3,), (3,), (1,)), ((2, 3), (2, 1), (1, 3)), ((0,),) * 3,
                   ((),) * 3]:  # fmt: skip
        a, b, y = (np.array(make(*s)) for make, s in zip((normal, normal, signs), shapes))
        both("margin_ranking_loss", a, b, y, **options)
    peer.modes(F.margin_ranking_loss, *(normal(3).astype("float32") for _ in range(3)), **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("p", [1, 2])
def test_many_classes(reduction, weighted, p):
    options = {"reduction": reduction, "p": p}
    for margin in (1.0, 0.2):
        for x_shape, t_shape in [((4, 5), (4,)), ((1, 3), (1,)), ((5,), ()), ((5,), (1,))]:
            if weighted:
                options["weight"] = between(x_shape[-1])
            t = np.array(rng.integers(0, x_shape[-1], t_shape))
            both("multi_margin_loss", normal(*x_shape), t, margin=margin, **options)
    both("multi_margin_loss", strided(normal, 3, 5), np.array([3, 0, 1]), **options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_many_labels(reduction):
    for target in (
        [[3, 0, -1, 1], [-1, 2, 2, 2]], [[0, 1, 2, 3]], [[1, 1, -1, -1]], [-1, -1, -1, -1],
        [2, 0, -1, 0],
    ):  # fmt: skip
        t = np.array(target)
        both("multilabel_margin_loss", normal(*t.shape), t, reduction=reduction)
    for shape in [(4, 5), (1, 3), (6,), (2, 3, 4), (0, 3)]:
        for weight in (None, between(shape[-1]), between(*shape)):
            x, y = normal(*shape), between(*shape)
            both("multilabel_soft_margin_loss", x, y, weight=weight, reduction=reduction)


# ----------------------------------------------------------------- those that PyTorch lacks


@pytest.mark.parametrize(
    "name",
    ["log_cosh_loss", "mape_loss", "msle_loss", "binary_crossentropy", "sigmoid_focal_loss",
     "focal_loss", "categorical_cross_entropy", "categorical_hinge_loss"],
)  # fmt: skip
def test_others_in_every_mode(name):
    x, y = between(4, 5).astype("float32"), between(4, 5).astype("float32")
    peer.modes(getattr(F, name), x, y)


def test_other_losses_of_classes_and_signs_in_every_mode():
    x, t, y = between(4, 5).astype("float32"), rng.integers(0, 5, 4), signs(4, 5).astype("float32")
    for function in (F.focal_loss, F.sparse_categorical_cross_entropy):
        peer.modes(function, x, t)
    for function in (F.perceptron_loss, F.hinge_loss, F.squared_hinge_loss):
        peer.modes(function, x - 0.5, y)


# -------------------------------------------------------------------------------- modules

X, Y, P, S, T = normal(4, 3), normal(4, 3), between(4, 3), signs(4, 3), np.array([0, 2, 1, 1])
W = between(3)
MODULES = {
    "MSELoss": ([{}], X, Y),
    "L1Loss": ([{}], X, Y),
    "HuberLoss": ([{}, {"delta": 0.5}], X, Y),
    "SmoothL1Loss": ([{}, {"beta": 0.5}, {"beta": 0.0}], X, Y),
    "BCELoss": ([{}, {"weight": W}], P, P[::-1].copy()),
    "BCEWithLogitsLoss": (
        [{}, {"weight": W}, {"pos_weight": W}, {"weight": W, "pos_weight": W}], X, P,
    ),
    "CrossEntropyLoss": (
        [{}, {"weight": W}, {"ignore_index": 1}, {"weight": W, "label_smoothing": 0.1}], X, T,
    ),
    "NLLLoss": ([{}, {"weight": W}, {"ignore_index": 1}], X, T),
    "KLDivLoss": ([{}, {"log_target": True}], X, P),
    "GaussianNLLLoss": ([{}, {"full": True}, {"eps": 0.5}], X, Y, P),
    "PoissonNLLLoss": (
        [{}, {"log_input": False}, {"full": True}, {"log_input": False, "eps": 0.1}], P, P * 4,
    ),
    "MultiMarginLoss": ([{}, {"p": 2}, {"margin": 0.5}, {"weight": W}], X, T),
    "MultiLabelMarginLoss": ([{}], X, np.array([[0, -1, 1], [2, 1, 0], [1, 1, -1], [-1, 0, 0]])),
    "MultiLabelSoftMarginLoss": ([{}, {"weight": W}], X, P),
    "SoftMarginLoss": ([{}], X, S.astype("int64")),  # no gradient for targets
    "MarginRankingLoss": ([{}, {"margin": 0.5}], X, Y, S),
    "HingeEmbeddingLoss": ([{}, {"margin": 0.5}], X, S),
}  # fmt: skip


@QUIET
@pytest.mark.parametrize("name", MODULES)
def test_modules(name):
    sets, *inputs = MODULES[name]
    ours, theirs = getattr(nn, name), getattr(torch.nn, name)
    reductions = [*REDUCTIONS, "batchmean"] if name == "KLDivLoss" else REDUCTIONS
    for options in sets:
        for reduction in reductions:
            here, there = (
                {key: make(v) if isinstance(v, np.ndarray) else v for key, v in options.items()}
                for make in (tg.tensor, torch.tensor)
            )
            layer, layer_there = (
                ours(reduction=reduction, **here),
                theirs(reduction=reduction, **there),
            )
            peer.same_module(layer, layer_there, *inputs)
    assert repr(ours()) == repr(theirs())
    assert ours().reduction == theirs().reduction


def test_class_numbers_of_a_segmentation_train_alike():
    x, t = normal(2, 3, 4, 4), rng.integers(0, 3, (2, 4, 4))
    t[0, 0] = 255
    peer.same_module(
        nn.CrossEntropyLoss(tg.tensor(W), ignore_index=255),
        torch.nn.CrossEntropyLoss(torch.tensor(W), ignore_index=255),
        x, t,
    )  # fmt: skip


# -------------------------------------------------------------- what PyTorch refuses, so do we

WRONG = [
    pytest.param("huber_loss", (X, Y), {"delta": 0.0}, ValueError, id="no delta"),
    pytest.param("smooth_l1_loss", (X, Y), {"beta": -1.0}, ValueError, id="negative beta"),
    pytest.param("mse_loss", (X, Y), {"reduction": "avg"}, ValueError, id="reduction"),
    pytest.param("mse_loss", (X, Y), {"weight": W}, ShapeError, id="weight of another shape"),
    pytest.param("binary_cross_entropy", (P, P[0]), {}, ShapeError, id="bce shapes"),
    pytest.param("kl_div", (X, T[:3]), {}, DTypeError, id="kl of integers"),
    pytest.param("cross_entropy", (X, T[:3]), {}, ShapeError, id="batches"),
    pytest.param("multi_margin_loss", (X, T), {"p": 3}, ValueError, id="power"),
    pytest.param("multi_margin_loss", (X, T[:3]), {}, ShapeError, id="margin batches"),
    pytest.param("multi_margin_loss", (X, T), {"weight": W[:2]}, ShapeError, id="margin weight"),
    pytest.param("multilabel_margin_loss", (X, T), {}, ShapeError, id="labels"),
    pytest.param("gaussian_nll_loss", (X, Y, W), {}, ShapeError, id="variances"),
    pytest.param("gaussian_nll_loss", (X, Y, -1.0), {}, ValueError, id="negative variance"),
    pytest.param("margin_ranking_loss", (X, Y, W), {}, ShapeError, id="dimensions"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "inputs", "options", "error"), WRONG)
def test_errors(name, inputs, options, error):
    def given(make):
        arrays = [make(a) if isinstance(a, np.ndarray) else a for a in inputs]
        named = {k: make(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        return arrays, named

    arrays, named = given(torch.tensor)
    with pytest.raises((ValueError, RuntimeError, TypeError)):
        getattr(TF, name)(*arrays, **named)
    arrays, named = given(tg.tensor)
    with pytest.raises(error, match=name if error is not ValueError else "expected"):
        getattr(F, name)(*arrays, **named)
