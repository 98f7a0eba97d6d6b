"""The loss of a variational autoencoder against its formula."""

import numpy as np
import pytest
from fused import count, count_with_gradient

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import ShapeError
from tinygraph.nn import functional as F

REDUCTIONS = {"none": lambda x: x, "sum": np.sum, "mean": np.mean}


def divergence(mu, log_var):
    return -0.5 * (1 + log_var - mu**2 - np.exp(log_var)).reshape(len(mu), -1).sum(1)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(4, 3), (1, 2), (2, 3, 4, 5)])
def test_divergence(shape, reduction, rng):
    mu, log_var = rng.standard_normal((2, *shape))
    expected = REDUCTIONS[reduction](divergence(mu, log_var))
    m, v = tg.tensor(mu), tg.tensor(log_var)
    np.testing.assert_allclose(F.gaussian_kl(m, v, reduction).numpy(), expected)
    np.testing.assert_allclose(nn.GaussianKLLoss(reduction)(m, v).numpy(), expected)
    one = F.gaussian_kl(m.reshape(-1), v.reshape(-1), "none")
    np.testing.assert_allclose(one.numpy(), divergence(mu, log_var).sum())


def test_the_divergence_of_a_standard_normal_is_zero():
    mu, log_var = tg.zeros((2, 3)), tg.zeros((2, 3))
    value, slopes = tg.value_and_grad(F.gaussian_kl, (0, 1))(mu, log_var)
    assert value.item() == 0
    assert not any(slope.numpy().any() for slope in slopes)
    near = F.gaussian_kl(tg.zeros((1, 1)), tg.full((1, 1), 1e-3))
    assert near.item() == pytest.approx(2.5e-7, rel=1e-2)  # lost in 1 + log_var - exp(log_var)


def test_the_divergence_of_a_certain_or_a_wide_distribution_is_finite():
    log_var = tg.tensor([[-1e4, 80.0]])
    for found in tg.value_and_grad(lambda v: F.gaussian_kl(tg.zeros((1, 2)), v))(log_var):
        assert np.isfinite(found.numpy()).all()


# ------------------------------------------------------------------------------------ draws


def test_draws_have_the_mean_and_the_deviation():
    mu, log_var = tg.full((100_000,), 2.0), tg.full((100_000,), np.log(9.0))
    z = F.reparametrize(mu, log_var, tg.random.Generator(3)).numpy()
    assert z.mean() == pytest.approx(2, abs=0.05)
    assert z.std() == pytest.approx(3, rel=0.01)


def test_gradients_pass_a_draw():
    """dz/dmu is 1, dz/dlog_var is half of what was added to mu."""
    mu, log_var = (tg.tensor([0.5, -1.0], requires_grad=True) for _ in range(2))
    z = F.reparametrize(mu, log_var, tg.random.Generator(0))
    tg.sum(z).backward()
    assert mu.grad.tolist() == [1.0, 1.0]
    np.testing.assert_allclose(log_var.grad.numpy(), ((z - mu) / 2).numpy(), rtol=1e-6)


def test_one_seed_gives_one_draw():
    mu = tg.zeros((3, 4))
    first, again, other = (F.reparametrize(mu, mu, tg.random.Generator(s)) for s in (1, 1, 2))
    assert tg.array_equal(first, again)
    assert not tg.array_equal(first, other)
    tg.manual_seed(5)
    drawn = F.reparametrize(mu, mu)
    tg.manual_seed(5)
    assert tg.array_equal(drawn, F.reparametrize(mu, mu))
    assert not tg.array_equal(drawn, F.reparametrize(mu, mu))


def test_a_compiled_draw_is_a_new_one_each_time():
    mu = tg.placeholder((None, 2), name="mu")
    draw = tg.function([mu], F.reparametrize(mu, mu))
    zeros = np.zeros((3, 2), "float32")
    assert not tg.array_equal(draw(zeros), draw(zeros))


def test_module_of_draws():
    layer = nn.Reparametrize(tg.random.Generator(0))
    mu = tg.ones((2, 3))
    assert not tg.array_equal(layer(mu, mu), mu)
    assert layer.eval()(mu, mu) is mu


# ------------------------------------------------------------------------------------- loss


def errors(x, y):
    p = 1 / (1 + np.exp(-x))
    entropy = lambda q: -(y * np.log(q) + (1 - y) * np.log(1 - q))
    return {"mse": (x - y) ** 2, "bce_with_logits": entropy(p), "bce": entropy(np.clip(x, 0, 1))}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("beta", [1.0, 4.0, 0.0])
@pytest.mark.parametrize("reconstruction", ["mse", "bce", "bce_with_logits"])
@pytest.mark.parametrize("shape", [(3, 8), (2, 1, 3, 3)])
def test_loss(shape, reconstruction, beta, reduction, rng):
    x, y = rng.uniform(0.05, 0.95, (2, *shape))
    mu, log_var = rng.standard_normal((2, len(x), 2))
    error = errors(x, y)[reconstruction].reshape(len(x), -1).sum(1)
    expected = REDUCTIONS[reduction](error + beta * divergence(mu, log_var))
    inputs = [tg.tensor(a) for a in (x, y, mu, log_var)]
    with tg.backend("numpy"):
        got = F.vae_loss(*inputs, beta, reconstruction, reduction)
        np.testing.assert_allclose(got.numpy(), expected)
        got = nn.VAELoss(beta, reconstruction, reduction)(*inputs)
        np.testing.assert_allclose(got.numpy(), expected)


def test_gradients(rng):
    mu, log_var = rng.standard_normal((2, 3, 2))
    x, y = rng.uniform(0.1, 0.9, (2, 3, 4))
    with tg.backend("numpy"):
        tg.testing.check_grads(F.gaussian_kl, [mu, log_var], order=2)
        for name in ("mse", "bce", "bce_with_logits"):
            loss = nn.VAELoss(reconstruction=name)
            tg.testing.check_grads(loss, [x, y, mu, log_var], order=2)


def test_with_a_batch_of_any_size(rng):
    arrays = [rng.random((3, n)).astype("float32") for n in (5, 5, 2, 2)]
    inputs = [tg.placeholder((None, a.shape[1]), name=f"x{i}") for i, a in enumerate(arrays)]
    loss = tg.value_and_grad(F.vae_loss, (0, 2, 3))
    found = tg.tree.flatten(tg.function(inputs, loss(*inputs))(*arrays))[0]
    for way in (tg.lazy, tg.eager):
        with way():
            wanted = tg.tree.flatten(loss(*map(tg.tensor, arrays)))[0]
            for want, have in zip(wanted, found, strict=True):
                np.testing.assert_allclose(have.numpy(), want.numpy(), rtol=1e-5, atol=1e-6)


def test_what_is_computed_together():
    pair, all_four = [(8, 30)] * 2, [(8, 100), (8, 100), (8, 30), (8, 30)]
    assert count(F.gaussian_kl, *pair) == 1
    assert count_with_gradient(F.gaussian_kl, *pair) <= 3
    assert count(F.reparametrize, *pair) <= 2  # the key of the draw, and all else
    assert count(F.vae_loss, *all_four) <= 2  # one for the pixels, one for the latent numbers
    assert count_with_gradient(F.vae_loss, *all_four) <= 5


def test_half_precision():
    wide = tg.full((1, 20), 11.0, dtype="float16")
    assert F.gaussian_kl(tg.zeros((1, 20), dtype="float16"), wide, "none").dtype == tg.float16
    assert F.reparametrize(wide, wide).dtype == tg.float16


def test_errors():
    x = tg.ones((2, 3))
    with pytest.raises(ShapeError, match="gaussian_kl: expected a log_var of the shape of"):
        F.gaussian_kl(x, tg.ones((2, 4)))
    with pytest.raises(ShapeError, match="vae_loss: expected a log_var of the shape"):
        F.vae_loss(x, x, x, tg.ones((2, 4)))
    with pytest.raises(ShapeError, match="expected a target of the shape"):
        F.vae_loss(x, tg.ones((2, 4)), x, x)
    for make in (
        lambda: F.vae_loss(x, x, x, x, 1.0, "l1"),
        lambda: nn.VAELoss(reconstruction="l1"),
    ):
        with pytest.raises(
            ValueError, match="reconstruction out of mse, bce, bce_with_logits, got"
        ):
            make()
