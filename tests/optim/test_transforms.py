"""Gradient transformations: against NumPy, in every mode, in how many instructions; and errors."""

import numpy as np
import pytest
from training_step import adam_step

import tinygraph as tg
from tinygraph import io, nn, optim
from tinygraph.compiler.compile import TAPES
from tinygraph.errors import ShapeError, StateError

SHAPES = [(3, 4), (2, 3, 2), (5,), ()]


def arrays(rng, scale=1.0):
    return [np.asarray(scale * rng.standard_normal(shape)) for shape in SHAPES]


def after(transform, gradients, weights=None):
    """What the transformation makes of the gradients."""
    weights = gradients if weights is None else weights
    params = [nn.Parameter(w, dtype="float64") for w in weights]
    pairs = zip(params, gradients, strict=True)
    found = transform({param: tg.tensor(g, "float64") for param, g in pairs})
    return [found[param].numpy() for param in params]


def close(found, expected, rtol=1e-12):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-15)


# ------------------------------------------------------------------------------- the numbers


def test_by_value(rng):
    gradients = arrays(rng)
    close(after(optim.clip_by_value(0.5), gradients), [np.clip(g, -0.5, 0.5) for g in gradients])


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("limit", [0.1, 1.0, 100.0])
def test_by_norm(rng, order, limit):
    """Of each by itself, and of all together."""
    gradients = arrays(rng)
    norms = [np.linalg.norm(g.ravel(), order) for g in gradients]
    total = np.linalg.norm(np.concatenate([g.ravel() for g in gradients]), order)
    assert optim.global_norm([tg.tensor(g) for g in gradients], order).item() == (
        pytest.approx(total)
    )
    each = [g * min(1, limit / (n + 1e-6)) for g, n in zip(gradients, norms, strict=True)]
    close(after(optim.clip_by_norm(limit, order), gradients), each)
    together = [g * min(1, limit / (total + 1e-6)) for g in gradients]
    close(after(optim.clip_by_global_norm(limit, order), gradients), together)


def units(x):
    """The norms of what belongs to each output."""
    if x.ndim < 2:
        return np.full(x.shape, np.sqrt((x**2).sum()))
    return np.sqrt((x**2).sum(tuple(range(1, x.ndim)), keepdims=True)) + np.zeros(x.shape)


@pytest.mark.parametrize("scale", [0.0, 1e-4, 1.0])
def test_adaptive_clipping(rng, scale):
    """Equation (3) of the paper, unit by unit."""
    gradients, weights = arrays(rng), arrays(rng, scale)
    gradients[0][1] = 0.0
    expected = []
    for g, w in zip(gradients, weights, strict=True):
        norm, most = units(g), 0.1 * np.maximum(units(w), 1e-3)
        scaled = g * np.divide(most, norm, out=np.ones_like(norm), where=norm > 0)
        expected.append(np.where(norm > most, scaled, g))
    close(after(optim.adaptive_clip(0.1), gradients, weights), expected)


def test_centralization(rng):
    gradients = arrays(rng)
    expected = [
        g - g.mean(tuple(range(1, g.ndim)), keepdims=True) if g.ndim > 1 else g for g in gradients
    ]
    close(after(optim.centralize(), gradients), expected)


def test_the_variance_of_noise_falls():
    """eta / (1 + t)^gamma at steps 0, 1, 2."""
    w = nn.Parameter(np.zeros(200_000), dtype="float32")
    noise = optim.GradientNoise(0.3, 0.55, tg.random.Generator(1))
    zeros = tg.zeros(200_000)
    for t in range(3):
        found = noise({w: zeros})[w].numpy()
        assert found.var() == pytest.approx(0.3 / (1 + t) ** 0.55, rel=0.02)
        assert abs(found.mean()) < 0.005


def test_a_chain_goes_from_the_first_to_the_last(rng):
    gradients = arrays(rng)
    centred = after(optim.centralize(), gradients)
    chained = optim.chain(optim.centralize(), optim.clip_by_value(0.3))
    close(after(chained, gradients), [np.clip(g, -0.3, 0.3) for g in centred])
    close(after(optim.chain(), gradients), gradients)


def test_16_bit_norms_are_made_in_32_bits():
    w = nn.Parameter(np.zeros(1000), dtype="float16")
    g = tg.tensor(np.full(1000, 300, "float16"))
    for clip in (optim.clip_by_norm(1.0), optim.clip_by_global_norm(1.0)):
        found = clip({w: g})[w]
        assert found.dtype == "float16"
        np.testing.assert_allclose(found.numpy(), 1000**-0.5, rtol=2e-3)
    assert optim.global_norm([g]).item() == pytest.approx(300 * 1000**0.5)


# ----------------------------------------------------------------------------------- the modes

TRANSFORMS = {
    "value": lambda: optim.clip_by_value(0.5),
    "norm": lambda: optim.clip_by_norm(0.5),
    "global norm": lambda: optim.clip_by_global_norm(0.5),
    "adaptive": lambda: optim.adaptive_clip(0.1),
    "centralized": optim.centralize,
    "noise": lambda: optim.GradientNoise(0.1, generator=tg.random.Generator(3)),
    "chain": lambda: optim.chain(
        optim.GradientNoise(0.1, generator=tg.random.Generator(3)), optim.clip_by_global_norm(0.5)
    ),
}
EACH = pytest.mark.parametrize("name", TRANSFORMS)


def model_and_loss():
    w = nn.Parameter(np.arange(6.0).reshape(2, 3) / 3, dtype="float32")
    v = nn.Parameter([1.0, -2.0], dtype="float32")
    return [w, v], lambda: tg.sum(w * w * w) + tg.sum(w @ w.T) * tg.sum(v * v)


def steps(name, way):
    """The parameters after four steps, and the tapes made in each."""
    params, loss = model_and_loss()
    optimizer = optim.Transformed(optim.Adam(params, lr=0.1), TRANSFORMS[name]())

    def loop():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        return value

    misses = []
    if way == "graph":
        x = tg.placeholder((), name="x")
        value = loss() * x
        given = tg.function([x], value, updates=optimizer.minimize(value))
        step = lambda: given(1.0)
    else:
        step = tg.jit(loop) if way == "jit" else loop
    for _ in range(4):
        step()
        misses.append(TAPES.info().misses)
    return [param.numpy() for param in params], misses


@EACH
def test_the_modes_agree(name):
    with tg.eager():
        expected, _ = steps(name, "eager")
    for way in ("lazy", "jit", "graph"):
        found, misses = steps(name, way)
        close(found, expected, rtol=1e-4)
        assert misses[2] == misses[3], f"{way}: a later step compiled"


@EACH
def test_minimize_takes_one(name):
    params, loss = model_and_loss()
    expected, _ = steps(name, "lazy")
    x = tg.placeholder((), name="x")
    value = loss() * x
    updates = optim.Adam(params, lr=0.1).minimize(value, transform=TRANSFORMS[name]())
    step = tg.function([x], value, updates=updates)
    for _ in range(4):
        step(1.0)
    close([param.numpy() for param in params], expected, rtol=1e-4)


# ------------------------------------------------------------------------------- saved state


def test_noise_is_resumed_bit_by_bit(tmp_path):
    def start():
        w = nn.Parameter([1.0, 2.0])
        noise = optim.GradientNoise(0.5, generator=tg.random.Generator(5))
        transform = optim.chain(optim.clip_by_value(1.0), noise)
        return w, noise, optim.Transformed(optim.SGD([w], lr=0.1), transform)

    def run(w, optimizer, count):
        for _ in range(count):
            optimizer.zero_grad()
            tg.sum(w * w).backward()
            optimizer.step()

    w, noise, optimizer = start()
    run(w, optimizer, 3)
    io.save(optimizer.state_dict(), tmp_path / "state.safetensors")
    random, held = noise.generator.get_state(), w.numpy()
    run(w, optimizer, 3)
    other, its_noise, resumed = start()
    resumed.load_state_dict(io.load(tmp_path / "state.safetensors"))
    its_noise.generator.set_state(random)
    other.set(held)
    run(other, resumed, 3)
    np.testing.assert_array_equal(other.numpy(), w.numpy())
    assert its_noise.step.item() == 6


# ------------------------------------------------------------------------------- instructions


@pytest.mark.parametrize(
    ("transform", "more"),
    [
        (optim.clip_by_value(1.0), 0),  # in the optimizer's own kernel
        (optim.clip_by_global_norm(1.0), 7),  # a sum for each of six parameters, and the step
        (optim.clip_by_norm(1.0), 6),
        (optim.adaptive_clip(), 6),
        (optim.centralize(), 1),
    ],
)
def test_instructions_beside_those_of_adam(transform, more):
    assert len(adam_step(transform=transform)) <= len(adam_step()) + more


# ------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optim.clip_by_value(-1), ValueError, "clip_value of at least 0, got -1"),
        (lambda: optim.clip_by_norm("a"), TypeError, "a number as max_norm, got 'a'"),
        (lambda: optim.clip_by_global_norm(-0.5), ValueError, "max_norm of at least 0, got -0.5"),
        (lambda: optim.adaptive_clip(eps=-1), ValueError, "eps of at least 0, got -1"),
        (lambda: optim.GradientNoise(-1.0), ValueError, "eta of at least 0"),
        (lambda: optim.chain(3), TypeError, "expected functions of the gradients, got a int"),
        (lambda: optim.Transformed(3, optim.centralize()), TypeError, "expected an optimizer"),
        (lambda: optim.Transformed(optim.SGD([nn.Parameter(1.0)]), 3), TypeError, "as transform"),
        (lambda: optim.GradientNoise().load_state_dict({}), StateError, "what state_dict"),
        (lambda: optim.chain(optim.GradientNoise()).load_state_dict({}), StateError, r"\[0\]"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_bad_transforms():
    w = nn.Parameter([1.0, 2.0])
    tg.sum(w * w).backward()
    with pytest.raises(TypeError, match="expected the transform to return a mapping"):
        optim.Transformed(optim.SGD([w]), lambda grads: None).step()
    with pytest.raises(ShapeError, match=r"a gradient of shape \(\) for a parameter of shape"):
        optim.Transformed(
            optim.SGD([w]), lambda grads: {p: tg.sum(g) for p, g in grads.items()}
        ).step()
    assert w.tolist() == [1.0, 2.0]


def test_a_parameter_that_is_left_out_stays():
    v, w = nn.Parameter([1.0]), nn.Parameter([1.0])
    (tg.sum(v) + tg.sum(w)).backward()
    optim.Transformed(optim.SGD([v, w], lr=0.5), lambda grads: {v: grads[v]}).step()
    assert (v.item(), w.item()) == (0.5, 1.0)
