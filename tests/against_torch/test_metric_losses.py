"""Losses of pairs and triplets: the same numbers and gradients as PyTorch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F

TF = torch.nn.functional
REDUCTIONS = ("mean", "sum", "none")
rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape)


def signs(*shape):
    return rng.choice([-1, 1], shape)


def both(name, *inputs, rtol=peer.RTOL, atol=peer.ATOL, **options):
    peer.same(getattr(F, name), getattr(TF, name), *inputs, rtol=rtol, atol=atol, **options)


# --------------------------------------------------------------------------------- cosines


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [0.0, 0.5, -0.4])
def test_cosine_embedding(margin, reduction):
    options = {"margin": margin, "reduction": reduction}
    for shape in [(6, 5), (1, 3), (0, 4)]:
        both("cosine_embedding_loss", normal(*shape), normal(*shape), signs(shape[0]), **options)
    x, y, target = normal(4, 5), normal(4, 5), np.array([1, -1, 0, 1])
    both("cosine_embedding_loss", x, y, target, **options)
    both("cosine_embedding_loss", normal(5, 4).T, normal(8, 10)[::2, ::2], target, **options)
    both("cosine_embedding_loss", x, y[:1], target, **options)
    both("cosine_embedding_loss", x, y, target[:1], **options)
    for one in (1, -1):
        both("cosine_embedding_loss", x[0], y[0], np.array(one), **options)
        both("cosine_embedding_loss", x, y, np.full(4, float(one)), **options)


def test_cosines_at_the_ends():
    """The same and opposite vectors, zeros, tiny and huge ones, and right at the margin."""
    x = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [1e-9, 0.0], [1e60, 0.0]])
    y = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [3.0, 4.0], [1e-9, 0.0], [1e60, 1e60]])
    for target in (1, -1):
        both("cosine_embedding_loss", x, y, np.full(6, target), reduction="none")
    right = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    both("cosine_embedding_loss", *right, np.array([-1]), margin=0.0)


# -------------------------------------------------------------------------------- triplets

SHAPES = [((4, 5),) * 3, ((1, 3),) * 3, ((3,),) * 3, ((2, 3, 4),) * 3, ((0, 3),) * 3,
          ((4, 3), (1, 3), (4, 3))]  # fmt: skip


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
def test_triplets(p, swap, reduction):
    for shapes in SHAPES:
        inputs = [normal(*shape) for shape in shapes]
        for margin in (0.3, 4.0):
            both("triplet_margin_loss", *inputs, margin=margin, p=p, swap=swap, reduction=reduction)
    inputs = normal(3, 4).T, normal(8, 6)[::2, ::2], normal(4, 3)
    both("triplet_margin_loss", *inputs, p=p, eps=0.1, swap=swap, reduction=reduction)


@pytest.mark.parametrize("swap", [False, True])
def test_triplets_that_are_the_same(swap):
    x = normal(3, 4)
    for inputs in [(x, x, x), (x, x, x + 1), (x, x + 1, x), (x, x + 1, x + 1)]:
        both("triplet_margin_loss", *inputs, eps=0.0, swap=swap, reduction="none")
        both("triplet_margin_loss", *inputs, swap=swap, reduction="none")


def cosine(functions):
    return lambda x, y: 1.0 - functions.cosine_similarity(x, y, dim=-1)


def squares(functions):
    return lambda x, y: ((x - y) ** 2).sum(-1)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("distance", [None, cosine, squares])
def test_triplets_with_any_distance(distance, swap, reduction):
    def of(functions):
        measure = distance and distance(functions)
        return lambda *xs: functions.triplet_margin_with_distance_loss(
            *xs, distance_function=measure, margin=0.7, swap=swap, reduction=reduction
        )

    for shape in [(4, 5), (1, 3), (2, 3, 4), (0, 3)]:
        peer.same(of(F), of(TF), normal(*shape), normal(*shape), normal(*shape))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_result_has_the_dtype_of_the_vectors(dtype):
    x, y, z = (normal(4, 6).astype(dtype) for _ in range(3))
    near = 1e-2 if dtype == "float16" else 1e-5
    for reduction in REDUCTIONS:
        both("triplet_margin_loss", x, y, z, reduction=reduction, rtol=near, atol=near)
        both("cosine_embedding_loss", x, y, signs(4), reduction=reduction, rtol=near, atol=near)


# --------------------------------------------------------------------------------- modules

MODULES = {
    "CosineEmbeddingLoss": ([{}, {"margin": 0.3}], (normal(4, 3), normal(4, 3), signs(4))),
    "TripletMarginLoss": (
        [{}, {"margin": 2.0, "p": 1.0}, {"swap": True, "eps": 0.1}],
        (normal(4, 3), normal(4, 3), normal(4, 3)),
    ),
    "TripletMarginWithDistanceLoss": (
        [{}, {"margin": 2.0, "swap": True}], (normal(4, 3), normal(4, 3), normal(4, 3)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_modules(name):
    sets, inputs = MODULES[name]
    ours, theirs = getattr(nn, name), getattr(torch.nn, name)
    for options in sets:
        for reduction in REDUCTIONS:
            layer, there = (
                ours(reduction=reduction, **options),
                theirs(reduction=reduction, **options),
            )
            peer.same_module(layer, there, *inputs)
            assert repr(layer) == repr(there)
    narrow = [a.astype("float32") if a.dtype.kind == "f" else a for a in inputs]
    peer.modes(ours(), *narrow)


def test_a_distance_that_is_learned():
    """Its parameters are those of the loss, under the same name."""

    class Distance:
        def __init__(self, library):
            super().__init__()
            self.layer = library.Linear(3, 2)

        def forward(self, x, y):
            return ((self.layer(x) - self.layer(y)) ** 2).sum(-1)

    def loss(library):
        learned = type("Learned", (Distance, library.Module), {})(library)
        return library.TripletMarginWithDistanceLoss(distance_function=learned, margin=5.0)

    peer.same_module(loss(nn), loss(torch.nn), normal(4, 3), normal(4, 3), normal(4, 3))


# ---------------------------------------------------------------------------------- errors

X, Y = normal(4, 3), signs(4)
WRONG = [
    pytest.param("cosine_embedding_loss", (X, X, Y[:3]), {}, ShapeError, id="targets"),
    pytest.param("cosine_embedding_loss", (X, X, X), {}, ShapeError, id="targets of 2 dimensions"),
    pytest.param("cosine_embedding_loss", (X[0], X[0], Y), {}, ShapeError, id="vectors"),
    pytest.param("cosine_embedding_loss", (X, X[:, :2], Y), {}, ShapeError, id="features"),
    pytest.param("triplet_margin_loss", (X, X, X[0]), {}, ShapeError, id="dimensions"),
    pytest.param("triplet_margin_loss", (X, X, X), {"margin": 0.0}, ValueError, id="margin"),
    pytest.param("triplet_margin_loss", (X, X, X[:, :2]), {}, ShapeError, id="triplet features"),
    pytest.param(
        "triplet_margin_with_distance_loss", (X, X, X), {"margin": -1.0}, ValueError, id="negative"
    ),
    pytest.param(
        "triplet_margin_with_distance_loss", (X, X[0], X), {}, ShapeError, id="other dimensions"
    ),
]


@pytest.mark.parametrize(("name", "inputs", "options", "error"), WRONG)
def test_errors(name, inputs, options, error):
    with pytest.raises((ValueError, RuntimeError)):
        getattr(TF, name)(*map(torch.tensor, inputs), **options)
    with pytest.raises(error, match=r"expected|do not broadcast"):
        getattr(F, name)(*map(tg.tensor, inputs), **options)


@pytest.mark.parametrize("name", ["TripletMarginLoss", "TripletMarginWithDistanceLoss"])
def test_a_module_without_a_margin(name):
    for library in (nn, torch.nn):
        with pytest.raises(ValueError, match="margin"):
            getattr(library, name)(margin=0)
