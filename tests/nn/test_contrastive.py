"""Losses of vectors against their formulas."""

import numpy as np
import pytest
from fused import count, count_with_gradient

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F

REDUCTIONS = {"none": lambda x: x, "sum": np.sum, "mean": np.mean}


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def check_grads(function, args):
    with tg.backend("numpy"):  # where nothing is compiled
        tg.testing.check_grads(function, args, order=2)


def log_sum(x):
    return np.log(np.exp(x).sum(-1))


# ---------------------------------------------------------------------------------- pairs


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [1.0, 3.0])
def test_contrastive(margin, reduction, rng):
    """Hadsell et al.: twice their equation 4, whose Y is 1 - y."""
    a, b = rng.standard_normal((2, 6, 4))
    y = np.array([1, 0, 1, 0, 0, 0.5])
    d = np.sqrt(((a - b) ** 2).sum(1))
    expected = REDUCTIONS[reduction](y * d**2 + (1 - y) * np.maximum(0, margin - d) ** 2)
    loss = nn.ContrastiveLoss(margin, reduction)
    np.testing.assert_allclose(loss(tg.tensor(a), tg.tensor(b), tg.tensor(y)).numpy(), expected)
    check_grads(lambda a, b: F.contrastive_loss(a, b, tg.tensor(y), margin, reduction), [a, b])


def test_the_same_vectors_have_no_slope():
    """At distance 0 the direction away from each other is not known."""
    for y in (0.0, 1.0):
        a, b = (tg.tensor([[1.0, 2.0]], requires_grad=True) for _ in range(2))
        loss = F.contrastive_loss(a, b, tg.tensor([y]), margin=2.0)
        loss.backward()
        assert loss.item() == 4.0 * (1 - y)
        assert not a.grad.numpy().any()
        assert not b.grad.numpy().any()


# --------------------------------------------------------------------------- one against many


def naive_nt_xent(z1, z2, t):
    """Row by row, as in equation 1 of the paper."""
    z, n = unit(np.concatenate([z1, z2])), len(z1)
    losses = []
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        others = [np.exp(z[i] @ z[k] / t) for k in range(2 * n) if k != i]
        losses.append(-np.log(np.exp(z[i] @ z[j] / t) / sum(others)))
    return np.array(losses)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("t", [0.1, 0.5])
def test_nt_xent(t, reduction, rng):
    z1, z2 = rng.standard_normal((2, 5, 4))
    expected = REDUCTIONS[reduction](naive_nt_xent(z1, z2, t))
    loss = nn.NTXentLoss(t, reduction)
    np.testing.assert_allclose(loss(tg.tensor(z1), tg.tensor(z2)).numpy(), expected)
    # by rows, columns and strides
    got = F.nt_xent_loss(tg.tensor(z1.T.copy()).T, tg.tensor(z2), t, reduction)
    np.testing.assert_allclose(got.numpy(), expected)


def test_nt_xent_of_one_sample_is_zero():
    """There is nothing else that it could be."""
    z = tg.tensor([[1.0, 2.0]], requires_grad=True)
    loss = F.nt_xent_loss(z, tg.tensor([[5.0, -1.0]]))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert not z.grad.numpy().any()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("negatives", [None, "shared", "own"])
def test_info_nce(negatives, normalize, reduction, rng):
    q, k = rng.standard_normal((2, 5, 4))
    shape = {None: None, "shared": (7, 4), "own": (5, 7, 4)}[negatives]
    wrong = shape and rng.standard_normal(shape)
    given = [x for x in (q, k, wrong) if x is not None]
    unitary = [unit(x) for x in given] if normalize else given
    right = (unitary[0] * unitary[1]).sum(1)
    if negatives is None:
        scores = unitary[0] @ unitary[1].T
    else:
        against = np.broadcast_to(unitary[2], (5, 7, 4))
        scores = np.c_[right, np.einsum("bf,bkf->bk", unitary[0], against)]
    expected = REDUCTIONS[reduction](log_sum(scores / 0.2) - right / 0.2)
    loss = nn.InfoNCELoss(0.2, reduction, normalize)
    np.testing.assert_allclose(loss(*map(tg.tensor, given)).numpy(), expected)
    check_grads(lambda *xs: F.info_nce_loss(*xs, temperature=0.2, normalize=normalize), given)


def test_both_directions_of_info_nce_leave_out_the_own_view(rng):
    """SimCLR's denominator has the other samples of both views, InfoNCE's that of one."""
    z1, z2 = (tg.tensor(unit(z)) for z in rng.standard_normal((2, 4, 3)))
    one_way = F.info_nce_loss(z1, z2, temperature=0.5, reduction="none").numpy()
    assert (F.nt_xent_loss(z1, z2, reduction="none").numpy()[:4] > one_way).all()


@pytest.mark.parametrize("temperature", [1e-4, 0.5])
@pytest.mark.parametrize("loss", [F.nt_xent_loss, F.info_nce_loss])
def test_zeros_and_low_temperatures_stay_finite(loss, temperature):
    z = tg.tensor([[0.0, 0.0], [1e4, 0.0], [-1e4, 1e4]])
    for found in tg.value_and_grad(lambda z: loss(z, z, temperature=temperature))(z):
        assert np.isfinite(found.numpy()).all()


def test_large_products_without_normalization():
    q = tg.tensor([[1e3, 0.0]])
    for keys, expected in [([[1e3, 0.0]], np.log(2)), ([[-1e3, 0.0]], 0.0), ([[2e3, 0]], 1e7)]:
        loss = F.info_nce_loss(q, q, tg.tensor(keys), normalize=False)
        assert loss.item() == pytest.approx(expected)


def test_gradients(rng):
    z1, z2, z3 = rng.standard_normal((3, 4, 3))
    y = tg.tensor([1, -1, 1, -1])
    check_grads(F.nt_xent_loss, [z1, z2])
    check_grads(lambda a, b: F.cosine_embedding_loss(a, b, y), [z1, z2])
    check_grads(lambda *xs: F.triplet_margin_loss(*xs, swap=True), [z1, z2, z3])


# ------------------------------------------------------------------------------------ modes

Y, S = np.array([1.0, 0.0, 1.0]), np.array([1, -1, 1])
LOSSES = {
    "contrastive": (lambda a, b: F.contrastive_loss(a, b, tg.tensor(Y)), 2),
    "cosine": (lambda a, b: F.cosine_embedding_loss(a, b, tg.tensor(S)), 2),
    "triplet": (F.triplet_margin_loss, 3),
    "nt_xent": (F.nt_xent_loss, 2),
    "info_nce": (F.info_nce_loss, 2),
    "info_nce of keys": (F.info_nce_loss, 3),
}


@pytest.mark.parametrize("name", LOSSES)
def test_with_a_batch_of_any_size(name, rng):
    function, number = LOSSES[name]
    arrays = rng.standard_normal((number, 3, 4)).astype("float32")
    inputs = [tg.placeholder((None, 4), name=f"x{i}") for i in range(number)]
    open_size = tg.function(inputs, tg.value_and_grad(function)(*inputs))(*arrays)
    tensors = [tg.tensor(a) for a in arrays]
    for way in (tg.lazy, tg.eager):
        with way():
            wanted = tg.value_and_grad(function)(*tensors)
            for want, have in zip(wanted, open_size, strict=True):
                np.testing.assert_allclose(have.numpy(), want.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("keys", [None, (2, 3), (0, 2, 3)])
def test_no_samples_and_no_negatives(keys):
    """Nothing to sum up; and without negatives the positive key is the only choice."""
    none, negatives = tg.zeros((0, 3)), keys and tg.ones(keys)
    assert F.info_nce_loss(none, none, negatives, reduction="sum").item() == 0
    assert F.nt_xent_loss(none, none, reduction="none").shape == (0,)
    assert F.contrastive_loss(none, none, tg.zeros(0), reduction="sum").item() == 0
    pair = tg.ones((2, 3))
    assert F.info_nce_loss(pair, pair, none, reduction="none").tolist() == [0, 0]


def test_half_precision(rng):
    """The sums have 32 bits: the squares of these would overflow in 16."""
    a, b = (tg.tensor(rng.standard_normal((3, 8)) * 300, "float16") for _ in range(2))
    for loss in (F.nt_xent_loss(a, b), F.info_nce_loss(a, b), F.info_nce_loss(a, b, b),
                 F.cosine_embedding_loss(a, b, tg.tensor(S))):  # fmt: skip
        assert loss.dtype == tg.float16
        assert np.isfinite(loss.item())


# instructions of the loss, and of the loss with all gradients
@pytest.mark.parametrize(("name", "forward", "backward"), [
    ("contrastive", 1, 3), ("cosine", 1, 4), ("triplet", 1, 5), ("nt_xent", 6, 14),
    ("info_nce", 5, 13), ("info_nce of keys", 4, 12),
])  # fmt: skip
def test_what_is_computed_together(name, forward, backward):
    function, number = LOSSES[name]
    assert count(function, *[(3, 40)] * number) <= forward
    assert count_with_gradient(function, *[(3, 40)] * number) <= backward


# ----------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(("function", "shapes", "message"), [
    (F.contrastive_loss, [(2, 3), (2, 4), (2,)], r"input2 of the shape of the input, \(2, 3\)"),
    (F.contrastive_loss, [(2, 3), (2, 3), (2, 1)], r"target of the shape of the input, \(2,\)"),
    (F.contrastive_loss, [(), (), ()], r"expected vectors \(\.\.\., features\)"),
    (F.nt_xent_loss, [(2, 3), (3, 3)], r"z2 of the shape of the input, \(2, 3\)"),
    (F.nt_xent_loss, [(3,), (3,)], r"expected z1 \(batch, features\), got shape \(3,\)"),
    (F.info_nce_loss, [(2, 3), (3, 3)], r"expected a positive_key of the shape of the input"),
    (F.info_nce_loss, [(3,), (3,)], r"expected query \(batch, features\), got shape \(3,\)"),
    (F.info_nce_loss, [(2, 3), (2, 3), (5, 4)], r"expected negative_keys \(keys, features\)"),
    (F.info_nce_loss, [(2, 3), (2, 3), (3, 5, 3)], r"for queries \(2, 3\), got \(3, 5, 3\)"),
    (F.info_nce_loss, [(2, 3), (2, 3), (3,)], r"expected negative_keys \(keys, features\)"),
])  # fmt: skip
def test_shapes_that_do_not_fit(function, shapes, message):
    with pytest.raises(ShapeError, match=f"{function.__name__}: .*{message}"):
        function(*[tg.ones(shape) for shape in shapes])


def test_options_that_make_no_sense():
    z = tg.ones((2, 3))
    for make in (
        lambda: F.nt_xent_loss(z, z, temperature=0.0), lambda: nn.NTXentLoss(-1.0),
        lambda: F.info_nce_loss(z, z, temperature=0.0), lambda: nn.InfoNCELoss(0.0),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="expected a temperature of more than 0, got"):
            make()
    for make in (
        lambda: F.nt_xent_loss(z, z, reduction="avg"), lambda: nn.ContrastiveLoss(reduction="avg"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="expected reduction out of mean, sum, none"):
            make()
