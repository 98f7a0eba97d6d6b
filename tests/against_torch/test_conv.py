"""Convolutions, their transposes and the windows they see, over the grid of their options."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn
from tinygraph.nn import functional as F

T = torch.nn
TF = torch.nn.functional
SIZES = {1: (9,), 2: (7, 6), 3: (5, 4, 6)}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def grid(**options):
    """All combinations of the options, as dictionaries."""
    for values in itertools.product(*options.values()):
        yield dict(zip(options, values, strict=True))


def label(options):
    return ",".join(f"{name}={value}" for name, value in options.items())


GRID = list(grid(stride=(1, 2, 3), padding=(0, 2), dilation=(1, 2), groups=(1, 2, 4)))


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("options", GRID, ids=label)
def test_convolution(dims, options, rng):
    x = rng.standard_normal((2, 4, *SIZES[dims]))
    w = rng.standard_normal((8, 4 // options["groups"], *(3, 2, 2)[:dims]))
    ours, theirs = getattr(F, f"conv{dims}d"), getattr(TF, f"conv{dims}d")
    peer.same(ours, theirs, x, w, rng.standard_normal(8), **options)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("options", GRID, ids=label)
def test_transposed_convolution(dims, options, rng):
    more = max(options["stride"], options["dilation"]) - 1
    x = rng.standard_normal((2, 4, *(4, 3, 3)[:dims]))
    w = rng.standard_normal((4, 8 // options["groups"], *(3, 4, 4)[:dims]))
    name = f"conv_transpose{dims}d"
    b = rng.standard_normal(8)
    peer.same(getattr(F, name), getattr(TF, name), x, w, b, output_padding=more, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 3)},
        {"padding": "same"},
        {"padding": "same", "dilation": (2, 3)},
        {"padding": "valid", "stride": (1, 4)},
    ],
    ids=label,
)
@pytest.mark.parametrize(
    ("shape", "kernel"),
    [((2, 3, 8, 7), (3, 2)), ((3, 8, 7), (2, 2)), ((0, 3, 8, 7), (1, 3)), ((1, 3, 7, 7), (1, 1))],
)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_odd_shapes(options, shape, kernel, bias, rng):
    x, w = rng.standard_normal(shape), rng.standard_normal((4, 3, *kernel))
    with_bias = (rng.standard_normal(4),) if bias else ()
    peer.same(F.conv2d, TF.conv2d, x, w, *with_bias, **options)


@pytest.mark.parametrize("shape", [(3, 4, 5), (0, 3, 4, 5), (2, 3, 1, 1)])
def test_odd_shapes_transposed(shape, rng):
    x, w = rng.standard_normal(shape), rng.standard_normal((3, 2, 3, 2))
    options = {"stride": (2, 3), "padding": (1, 0), "output_padding": (0, 2)}
    peer.same(F.conv_transpose2d, TF.conv_transpose2d, x, w, **options)


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
def test_arrays_with_gaps(name, rng):
    def strided(function):
        return lambda x, w: function(
            x.permute(3, 0, 2, 1)[:, :, 1:, ::2], w.permute(0, 1, 3, 2)[::2, :, :, ::3], padding=1
        )

    x, w = rng.standard_normal((4, 8, 7, 2)), rng.standard_normal((8, 4, 5, 3))
    peer.same(strided(getattr(F, name)), strided(getattr(TF, name)), x, w)
    peer.modes(strided(getattr(F, name)), x.astype("float32"), w.astype("float32"))


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [2, "same"])
def test_layers(dims, mode, padding, rng):
    options = {"padding": padding, "padding_mode": mode, "dilation": 2, "groups": 2}
    name = f"Conv{dims}d"
    mine, yours = getattr(nn, name)(4, 6, 2, **options), getattr(T, name)(4, 6, 2, **options)
    assert repr(mine) == repr(yours)
    peer.same_module(mine, yours, rng.standard_normal((2, 4, *SIZES[dims])))


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("extra", [0, 1, 2])
def test_transposed_layers_with_a_size(dims, extra, rng):
    name = f"ConvTranspose{dims}d"
    mine, yours = (getattr(lib, name)(4, 6, 3, 3, padding=1, groups=2) for lib in (nn, T))
    assert repr(mine) == repr(yours)
    x = rng.standard_normal((2, 4, *(4, 3, 2)[:dims]))
    size = [(n - 1) * 3 + 1 + extra for n in x.shape[2:]]
    peer.same_module(mine, yours, x, output_size=size)
    peer.same_module(mine, yours, x[0], output_size=size)
    peer.same_module(mine, yours, x, output_size=[2, 6, *size])


def test_a_size_that_cannot_be():
    for lib, tensor in ((nn, tg.ones((1, 2, 3, 3))), (T, torch.ones(1, 2, 3, 3))):
        layer = lib.ConvTranspose2d(2, 2, 3, stride=2)
        for size in ([9, 9], [6, 7], [7], [1, 2, 3]):
            with pytest.raises(ValueError, match="size"):
                layer(tensor, output_size=size)


@pytest.mark.parametrize(
    "arguments",
    [
        ("Conv2d", 3, 4, 3, 1, 0, 1, 2), ("Conv2d", 3, 4, 3, 2, "same"),
        ("Conv2d", 3, 4, 3, 1, "all"), ("Conv2d", 3, 4, 3, 1, 1, 1, 1, True, "mirror"),
        ("Conv2d", 4, 4, 3, 1, 0, 1, 0), ("ConvTranspose2d", 3, 4, 3, 1, 0, 0, 2),
        ("ConvTranspose2d", 3, 4, 3, 1, 0, 0, 1, True, 1, "reflect"),
    ],
    ids=str,
)  # fmt: skip
def test_the_same_errors(arguments):
    name, *rest = arguments
    for lib in (nn, T):
        with pytest.raises(ValueError):  # noqa: PT011
            getattr(lib, name)(*rest)


@pytest.mark.parametrize("name", ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d"])
def test_the_first_weights_are_spread_alike(name):
    mine, yours = (getattr(lib, name)(64, 32, 3, groups=4) for lib in (nn, T))
    found, wanted = np.abs(mine.weight.numpy()), np.abs(yours.weight.detach().numpy())
    assert found.max() == pytest.approx(wanted.max(), rel=0.02)
    assert found.mean() == pytest.approx(wanted.mean(), rel=0.1)
    assert 0.5 * wanted.max() < np.abs(mine.bias.numpy()).max() < 1.02 * wanted.max()


def test_all_ways_to_run(rng):
    x = rng.standard_normal((2, 4, 7, 6)).astype("float32")
    w = rng.standard_normal((6, 2, 3, 2)).astype("float32")
    peer.modes(F.conv2d, x, w, padding=1, stride=2, groups=2)
    peer.modes(F.conv2d, x, w, padding="full", dilation=2, groups=2)
    peer.modes(F.conv_transpose2d, x, w[:4], stride=2, output_padding=1, groups=2)


def test_single_precision(rng):
    """The kernels of the fast backend, over a smaller grid."""
    for options in grid(stride=(1, 2), padding=(0, 2), dilation=(1, 2), groups=(1, 4)):
        for name, (first, second) in {"conv2d": (8, 4), "conv_transpose2d": (4, 8)}.items():
            x = rng.standard_normal((3, 4, 9, 8)).astype("float32")
            w = rng.standard_normal((first, second // options["groups"], 3, 3)).astype("float32")
            _same_in_float32(getattr(F, name), getattr(TF, name), x, w, options)


def _same_in_float32(ours, theirs, x, w, options):
    mine = [tg.tensor(a, requires_grad=True) for a in (x, w)]
    yours = [torch.tensor(a, requires_grad=True) for a in (x, w)]
    got, want = ours(*mine, **options), theirs(*yours, **options)
    peer.close(got, want, rtol=1e-4, atol=1e-4)
    (got * got).sum().backward()
    (want * want).sum().backward()
    for leaf, their in zip(mine, yours, strict=True):
        scale = float(their.grad.abs().max())
        peer.close(leaf.grad, their.grad, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize("options", list(
    grid(kernel_size=((2, 3), 1), dilation=(1, 2), padding=(0, (1, 2)), stride=(1, 3))
), ids=label)  # fmt: skip
@pytest.mark.parametrize("lead", [(2, 3), (3,), (0, 3)])
def test_unfold_and_fold(options, lead, rng):
    x = rng.standard_normal((*lead, 5, 7))
    peer.same(F.unfold, TF.unfold, x, **options)
    columns = rng.standard_normal(F.unfold(tg.tensor(x), **options).shape)
    if lead != (0, 3):  # PyTorch refuses it
        peer.same(F.fold, TF.fold, columns, output_size=(5, 7), **options)
    mine, yours = nn.Unfold(**options), T.Unfold(**options)
    assert repr(mine) == repr(yours)
    back, theirs = nn.Fold((5, 7), **options), T.Fold((5, 7), **options)
    assert repr(back) == repr(theirs)
    peer.close(back(mine(tg.tensor(x))), theirs(yours(torch.tensor(x))))


def test_fold_in_all_ways(rng):
    x = rng.standard_normal((2, 12, 6)).astype("float32")
    peer.modes(F.fold, x, output_size=(4, 3), kernel_size=2)
    peer.modes(F.unfold, x.reshape(2, 3, 4, 6), kernel_size=2, padding=1)
