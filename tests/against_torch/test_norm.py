"""Normalization against PyTorch: functions and modules over their options and odd shapes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn
from tinygraph.nn import functional as F

TF = torch.nn.functional
SHAPES = [(5, 6), (1, 6), (0, 6), (2, 6, 3), (1, 6, 4), (0, 6, 3), (2, 6, 3, 4), (2, 6, 2, 1, 3)]


def draw(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape) * 2 + 1


def cases(*, spatial=False, several=False):
    """Shapes (batch, channel, ...) of which there is something to normalize."""
    for shape in SHAPES:
        if spatial and len(shape) < 3:
            continue
        if several and shape[0] * int(np.prod(shape[2:])) == 1:
            continue
        yield shape


def affine(shape, weight, bias):
    return [draw(shape, 1) if weight else None, draw(shape, 2) if bias else None]


AFFINE = [(False, False), (True, False), (True, True), (False, True)]


@pytest.mark.parametrize(("weight", "bias"), AFFINE)
@pytest.mark.parametrize("shape", [(4, 5), (1, 5), (0, 5), (2, 3, 5), (5,)])
def test_layer_norm(shape, weight, bias):
    for dims in range(1, len(shape) + 1):
        sizes = shape[-dims:]
        if 0 not in sizes:
            peer.same(F.layer_norm, TF.layer_norm, draw(shape), sizes, *affine(sizes, weight, bias))
    peer.same(F.layer_norm, TF.layer_norm, draw(shape), shape[-1:], eps=0.3)


@pytest.mark.parametrize("eps", [None, 0.3, 0.0])
@pytest.mark.parametrize("shape", [(4, 5), (1, 5), (0, 5), (2, 3, 5), (5,)])
def test_rms_norm(shape, eps):
    for dims in range(1, len(shape) + 1):
        sizes = shape[-dims:]
        if 0 not in sizes:
            peer.same(F.rms_norm, TF.rms_norm, draw(shape), sizes, draw(sizes, 1), eps=eps)
            peer.same(F.rms_norm, TF.rms_norm, draw(shape), sizes, eps=eps)


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize(("weight", "bias"), AFFINE[:3])  # PyTorch's own fails with a bias alone
@pytest.mark.parametrize("shape", list(cases()), ids=str)
def test_group_norm(shape, groups, weight, bias):
    args = draw(shape), groups, *affine(6, weight, bias)
    if shape == (1, 6) and groups == 6:
        for function, made in ((F.group_norm, peer.ours), (TF.group_norm, peer.theirs)):
            with pytest.raises(ValueError, match=r"ore than (one|1) value"):
                function(*made(args))
    else:
        peer.same(F.group_norm, TF.group_norm, *args)
    peer.same(F.group_norm, TF.group_norm, draw((3, 6, 2)), groups, eps=0.3)


@pytest.mark.parametrize(("weight", "bias"), AFFINE)
@pytest.mark.parametrize("shape", list(cases(spatial=True)), ids=str)
def test_instance_norm(shape, weight, bias):
    # PyTorch's own fails with weights and no sample
    given = affine(6, weight, bias) if shape[0] else []
    peer.same(F.instance_norm, TF.instance_norm, draw(shape), None, None, *given)
    peer.same(F.instance_norm, TF.instance_norm, draw(shape), None, None, *given, eps=0.3)


@pytest.mark.parametrize(("weight", "bias"), AFFINE)
@pytest.mark.parametrize("shape", list(cases(several=True)), ids=str)
def test_batch_norm(shape, weight, bias):
    given = affine(6, weight, bias)
    peer.same(F.batch_norm, TF.batch_norm, draw(shape), None, None, *given, training=True)
    peer.same(F.batch_norm, TF.batch_norm, draw(shape), None, None, *given, training=True, eps=0.3)


@pytest.mark.parametrize("size", [1, 2, 3, 6, 8, 20])
@pytest.mark.parametrize("shape", list(cases(spatial=True)), ids=str)
def test_local_response_norm(shape, size):
    peer.same(F.local_response_norm, TF.local_response_norm, draw(shape), size)
    options = {"alpha": 0.5, "beta": 1.3, "k": 0.7}
    peer.same(F.local_response_norm, TF.local_response_norm, draw(shape), size, **options)
    peer.same_module(
        nn.LocalResponseNorm(size, **options), torch.nn.LocalResponseNorm(size, **options),
        draw(shape),
    )  # fmt: skip


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
def test_normalize(p, dim):
    x = draw((3, 4, 2))
    x[1, 2] = 0.0
    peer.same(F.normalize, TF.normalize, x, p=p, dim=dim)
    peer.same(F.normalize, TF.normalize, x, p=p, dim=dim, eps=2.0)


# ----------------------------------------------------------------------------------- modules

TRACKED = [
    ("BatchNorm1d", (5, 6)), ("BatchNorm1d", (2, 6, 3)), ("BatchNorm2d", (2, 6, 3, 4)),
    ("BatchNorm3d", (2, 6, 2, 1, 3)), ("InstanceNorm1d", (2, 6, 3)), ("InstanceNorm1d", (6, 3)),
    ("InstanceNorm2d", (2, 6, 3, 4)), ("InstanceNorm2d", (6, 3, 4)),
    ("InstanceNorm3d", (2, 6, 2, 1, 3)), ("InstanceNorm3d", (6, 2, 1, 3)),
]  # fmt: skip


def pair(name, *args, **options):
    """The layer here and there, with weights and averages that are not those at the start."""
    torch.manual_seed(0)
    there = getattr(torch.nn, name)(*args, **options)
    for tensor in there.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    here = getattr(nn, name)(*args, **options)
    assert repr(here) == repr(there)
    return here, there


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("track", [False, True])
@pytest.mark.parametrize("momentum", [0.1, 0.7, None, 0.0])
@pytest.mark.parametrize(("name", "shape"), TRACKED)
def test_tracked_modules(name, shape, momentum, track, affine):
    options = {"momentum": momentum, "affine": affine, "track_running_stats": track}
    here, there = pair(name, 6, **options)
    for step in range(3):  # the averages are compared as buffers
        peer.same_module(here, there, draw(shape, step))
    peer.same_module(here.eval(), there.eval(), draw(shape, 5))
    peer.same_module(here.train(), there.train(), draw(shape, 6))


@pytest.mark.parametrize(("name", "shape"), TRACKED)
def test_tracked_modules_with_other_options(name, shape):
    options = {"affine": True, "eps": 0.3, "bias": False}
    peer.same_module(*pair(name, 6, **options), draw(shape))
    here, there = pair(name, 6, affine=True, track_running_stats=True)
    here.track_running_stats = there.track_running_stats = False  # from now on
    peer.same_module(here, there, draw(shape))
    peer.same_module(here.eval(), there.eval(), draw(shape))
    here.reset_running_stats(), there.reset_running_stats()
    peer.same_module(here, there, draw(shape))
    here.reset_parameters(), there.reset_parameters()
    peer.same_module(here, there, draw(shape))


@pytest.mark.parametrize(("name", "shape"), TRACKED)
@pytest.mark.parametrize("order", ["strided", "transposed"])
def test_other_layouts_in_memory(name, shape, order):
    x = draw((*shape, 2))[..., 1] if order == "strided" else draw(shape[::-1]).T
    peer.same_module(*pair(name, 6, track_running_stats=True), x)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("BatchNorm1d", (0, 6)), ("BatchNorm1d", (0, 6, 3)), ("BatchNorm1d", (1, 6, 3)),
     ("BatchNorm1d", (2, 6, 0)), ("InstanceNorm1d", (0, 6, 3)), ("InstanceNorm1d", (1, 6, 3))],
)  # fmt: skip
def test_few_samples(name, shape):
    here, there = pair(name, 6, affine=name == "BatchNorm1d", track_running_stats=True)
    peer.same_module(here.eval(), there.eval(), draw(shape))
    if shape[0] or name == "BatchNorm1d":  # PyTorch's averages become NaN there
        peer.same_module(here.train(), there.train(), draw(shape))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("BatchNorm1d", (1, 6), "1 value per channel|one value in each channel"),
        ("BatchNorm2d", (1, 6, 1, 1), "1 value per channel|one value in each channel"),
        ("InstanceNorm1d", (2, 6, 1), "1 spatial element|one value in each channel"),
        ("InstanceNorm2d", (6, 1, 1), "1 spatial element|one value in each channel"),
        ("BatchNorm1d", (6,), "2D or 3D|2 or 3 dimensions"),
        ("BatchNorm2d", (2, 6, 3), "4D|4 dimensions"),
        ("BatchNorm3d", (2, 6, 3), "5D|5 dimensions"),
        ("InstanceNorm1d", (6,), "2D or 3D|2 or 3 dimensions"),
        ("InstanceNorm2d", (6, 3), "3D or 4D|3 or 4 dimensions"),
        ("InstanceNorm3d", (6, 3), "4D or 5D|4 or 5 dimensions"),
        ("InstanceNorm1d", (2, 5, 3), "6.*got.* 5|6 channels, got an input of shape"),
    ],
)
def test_what_both_refuse(name, shape, message):
    here, there = pair(name, 6, affine=True)
    for layer, made in ((here, tg.ones(shape)), (there, torch.ones(shape))):
        with pytest.raises(ValueError, match=message):
            layer(made)


@pytest.mark.parametrize("options", [{}, {"affine": False}, {"bias": False}, {"eps": 0.3}])
def test_group_norm_module(options):
    for shape in ((4, 6), (2, 6, 3), (2, 6, 3, 2)):
        peer.same_module(*pair("GroupNorm", 3, 6, **options), draw(shape))
    assert here_and_there_refuse("GroupNorm", 4, 6)


def here_and_there_refuse(name, *args):
    for library in (nn, torch.nn):
        with pytest.raises(ValueError, match="divi"):
            getattr(library, name)(*args)
    return True


@pytest.mark.parametrize(
    "options", [{}, {"elementwise_affine": False}, {"eps": 0.3}], ids=lambda options: str(options)
)
@pytest.mark.parametrize("name", ["LayerNorm", "RMSNorm"])
def test_modules_over_the_last_dimensions(name, options):
    for sizes in (5, (5,), [3, 5], (2, 3, 5)):
        peer.same_module(*pair(name, sizes, **options), draw((2, 3, 5)))
    if name == "LayerNorm":
        peer.same_module(*pair(name, 5, bias=False), draw((2, 3, 5)))


# ------------------------------------------------------------------- modes, precision, dtypes

F32 = draw((4, 6, 5)).astype("float32")


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w, b: F.layer_norm(x, (6, 5), w[:, None] * b[:5], b[:, None] * w[:5]),
        lambda x, w, b: F.rms_norm(x, (5,), w[:5]),
        lambda x, w, b: F.group_norm(x, 3, w, b),
        lambda x, w, b: F.instance_norm(x, None, None, w, b),
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        lambda x, w, b: F.batch_norm(x, w, b * b + 1, b, w),
        lambda x, w, b: F.local_response_norm(x, 3, 0.5) * w[:, None],
        lambda x, w, b: F.normalize(x * w[:, None]),
    ],
    ids=["layer", "rms", "group", "instance", "batch", "evaluation", "response", "normalize"],
)
def test_every_mode(function):
    peer.modes(function, F32, *(draw(6, seed).astype("float32") for seed in (1, 2)))


@pytest.mark.parametrize("name", ["BatchNorm1d", "InstanceNorm1d"])
def test_averages_in_every_mode(name):
    def averages(x):
        layer = getattr(nn, name)(6, track_running_stats=True)
        result = layer(x)
        return result, layer.running_mean, layer.running_var

    peer.modes(averages, F32)


KINDS = {
    "layer": lambda f, x: f.layer_norm(x, (x.shape[-1],)),
    "group": lambda f, x: f.group_norm(x, 2),
    "instance": lambda f, x: f.instance_norm(x),
    "batch": lambda f, x: f.batch_norm(x, None, None, training=True),
    "rms": lambda f, x: f.rms_norm(x, (x.shape[-1],)),
}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("kind", ["layer", "group", "instance", "batch"])
def test_a_large_mean_cancels_no_variance(kind, backend):
    x = (np.random.default_rng(0).standard_normal((8, 6, 200)) + 1e4).astype("float32")
    exact = KINDS[kind](TF, torch.tensor(x.astype("float64"))).numpy()
    theirs = np.abs(KINDS[kind](TF, torch.tensor(x)).numpy() - exact).max()
    with tg.backend(backend):
        ours = np.abs(KINDS[kind](F, tg.tensor(x)).numpy() - exact).max()
    assert ours < max(2 * theirs, 2e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:.*non-writable")
def test_16_bit_floats(kind, dtype):
    x = draw((4, 6, 50)).astype("float32") * 100
    ours = KINDS[kind](F, tg.tensor(x, dtype))
    yours = KINDS[kind](TF, torch.tensor(x).to(getattr(torch, dtype)))
    assert ours.dtype.name == dtype
    unit = 2**-10 if dtype == "float16" else 2**-7
    np.testing.assert_allclose(
        ours.numpy().astype("float32"), yours.float().numpy(), rtol=unit, atol=unit
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_eps_of_rms_norm_is_that_of_the_numbers_it_computes_with(dtype):
    x = np.full((1, 4), 1e-4, dtype)
    ours = F.rms_norm(tg.tensor(x), (4,)).numpy()
    np.testing.assert_allclose(ours, TF.rms_norm(torch.tensor(x), (4,)).numpy(), rtol=1e-3)


def test_wide_weights_leave_the_dtype_of_the_input():
    x, w = draw((4, 6, 3)).astype("float16"), draw(6).astype("float32")
    for ours, yours in (
        (F.group_norm(tg.tensor(x), 2, tg.tensor(w)),
         TF.group_norm(torch.tensor(x), 2, torch.tensor(w), torch.zeros(6))),
        (F.batch_norm(tg.tensor(x), None, None, tg.tensor(w), training=True),
         TF.batch_norm(torch.tensor(x), None, None, torch.tensor(w), training=True)),
    ):  # fmt: skip
        assert ours.dtype == "float16"
        np.testing.assert_allclose(ours.numpy(), yours.numpy(), rtol=2e-3, atol=2e-3)
