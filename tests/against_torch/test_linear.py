"""Linear and bilinear layers, distances, shuffles and the change of shapes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError
from tinygraph.nn import functional as F

T = torch.nn
TF = torch.nn.functional


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("lead", [(), (1,), (5,), (0,), (2, 3), (2, 0, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(lead, bias, rng):
    mine, yours = nn.Linear(4, 3, bias), T.Linear(4, 3, bias)
    assert repr(mine) == repr(yours)
    peer.same_module(mine, yours, rng.standard_normal((*lead, 4)))


def test_linear_function(rng):
    x, w = rng.standard_normal((5, 4)), rng.standard_normal((3, 4))
    peer.same(F.linear, TF.linear, x, w, rng.standard_normal(3))
    peer.same(F.linear, TF.linear, x, w, rng.standard_normal(1))
    peer.same(F.linear, TF.linear, x, w[0])
    peer.same(lambda x, w: F.linear(x.T, w[:, ::2]), lambda x, w: TF.linear(x.T, w[:, ::2]),
              rng.standard_normal((2, 5)), w)  # fmt: skip


@pytest.mark.parametrize("lead", [(), (1,), (5,), (0,), (2, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_bilinear(lead, bias, rng):
    mine, yours = nn.Bilinear(4, 3, 2, bias), T.Bilinear(4, 3, 2, bias)
    assert repr(mine) == repr(yours)
    peer.same_module(mine, yours, rng.standard_normal((*lead, 4)), rng.standard_normal((*lead, 3)))


def test_the_first_weights_are_spread_alike():
    for arguments in (("Linear", 64, 128), ("Bilinear", 16, 9, 32)):
        name, *sizes = arguments
        mine, yours = getattr(nn, name)(*sizes).weight, getattr(T, name)(*sizes).weight
        assert mine.numpy().std() == pytest.approx(yours.detach().numpy().std(), rel=0.05)
        assert np.abs(mine.numpy()).max() <= np.abs(sizes[0]) ** -0.5


@pytest.mark.parametrize(
    "shapes",
    [((5, 4), (5, 4)), ((5, 4), (1, 4)), ((5, 1), (4,)), ((0, 4), (4,)), ((2, 3, 4), (3, 1))],
    ids=str,
)
def test_distances(shapes, rng):
    x, y = (rng.standard_normal(shape) for shape in shapes)
    for p in (2.0, 1.0, 3.0, float("inf"), 0.5):
        for keepdim in (False, True):
            peer.same(F.pairwise_distance, TF.pairwise_distance, x, y, p=p, keepdim=keepdim)
    for dim in (-1, 0, 1):
        peer.same(F.cosine_similarity, TF.cosine_similarity, x, y, dim=dim)


def test_distance_modules(rng):
    x, y = rng.standard_normal((5, 4, 3)), rng.standard_normal((5, 4, 3))
    peer.same_module(nn.CosineSimilarity(dim=2, eps=0.1), T.CosineSimilarity(dim=2, eps=0.1), x, y)
    peer.same_module(nn.PairwiseDistance(1.0, keepdim=True), T.PairwiseDistance(1.0, keepdim=True),
                     x, y)  # fmt: skip


def test_vectors_of_no_length(rng):
    x, y = np.zeros((2, 4)), rng.standard_normal((2, 4))
    peer.same(F.cosine_similarity, TF.cosine_similarity, x, y)
    peer.same(F.cosine_similarity, TF.cosine_similarity, y, y)
    peer.same(F.pairwise_distance, TF.pairwise_distance, y, y)
    peer.same(F.pairwise_distance, TF.pairwise_distance, y, y, eps=0.0)


@pytest.mark.parametrize("p", [2.0, 1.0, 0.5, 3.0, float("inf")])
@pytest.mark.parametrize("rows", [2, 6])  # of fewer, PyTorch crashes
def test_distances_of_all_pairs(p, rows, rng):
    x = rng.standard_normal((rows, 3))
    if rows == 6 and p >= 1:
        x[4] = x[1]
    peer.same(F.pdist, TF.pdist, x, p=p)


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
@pytest.mark.parametrize("r", [1, 2, 3])
def test_pixels(lead, r, rng):
    x = rng.standard_normal((*lead, 2 * r * r, 3, 4))
    peer.same(F.pixel_shuffle, TF.pixel_shuffle, x, r)
    y = rng.standard_normal((*lead, 2, 3 * r, 4 * r))
    peer.same(F.pixel_unshuffle, TF.pixel_unshuffle, y, r)
    mine, yours = nn.PixelShuffle(r), T.PixelShuffle(r)
    assert repr(mine) == repr(yours)
    peer.same_module(mine, yours, x)
    mine, yours = nn.PixelUnshuffle(r), T.PixelUnshuffle(r)
    assert repr(mine) == repr(yours)
    peer.same_module(mine, yours, y)


def test_pixels_of_no_image():
    """Without gradients, which PyTorch does not have here."""
    x = np.zeros((0, 8, 3, 4))
    shuffled = F.pixel_shuffle(tg.tensor(x), 2)
    peer.close(shuffled, TF.pixel_shuffle(torch.tensor(x), 2))
    peer.close(F.pixel_unshuffle(shuffled, 2), x)


@pytest.mark.parametrize("size", [(5,), (5, 2), (1, 2, 3)])
def test_channels_are_shuffled(size, rng):
    x = rng.standard_normal((2, 12, *size))
    for groups in (1, 3, 4, 12):
        mine, yours = nn.ChannelShuffle(groups), T.ChannelShuffle(groups)
        assert repr(mine) == repr(yours)
        peer.same_module(mine, yours, x)
        peer.same(F.channel_shuffle, TF.channel_shuffle, x, groups)


def test_shapes(rng):
    x = rng.standard_normal((2, 3, 4, 6))
    for arguments in ((), (0,), (2, 3), (0, -2), (1, 1)):
        mine, yours = nn.Flatten(*arguments), T.Flatten(*arguments)
        assert repr(mine) == repr(yours)
        peer.same_module(mine, yours, x)
    for arguments in ((3, (2, 3)), (-1, (3, -1)), (2, (2, 1, 2))):
        mine, yours = nn.Unflatten(*arguments), T.Unflatten(*arguments)
        assert repr(mine) == repr(yours)
        peer.same_module(mine, yours, x)
    peer.same_module(nn.Identity(5, any_thing=1), T.Identity(5, any_thing=1), x)


def test_all_ways_to_run(rng):
    def floats(*shape):
        return rng.standard_normal(shape).astype("float32")

    peer.modes(F.linear, floats(5, 4), floats(3, 4), floats(3))
    peer.modes(F.bilinear, floats(5, 4), floats(5, 3), floats(2, 4, 3), floats(2))
    peer.modes(F.cosine_similarity, floats(5, 4), floats(1, 4))
    peer.modes(F.pairwise_distance, floats(5, 4), floats(1, 4), p=1.0)
    peer.modes(F.pdist, floats(5, 4))
    peer.modes(F.pixel_shuffle, floats(2, 8, 3, 2), upscale_factor=2)
    peer.modes(F.pixel_unshuffle, floats(2, 2, 4, 6), downscale_factor=2)
    peer.modes(F.channel_shuffle, floats(2, 6, 3), groups=3)
    x = tg.placeholder((None, 4), name="x")
    run = tg.function([x], nn.Linear(4, 3)(x))
    assert [run(floats(n, 4)).shape for n in (1, 3)] == [(1, 3), (3, 3)]


def test_a_tensor_of_pytorch_is_told_from_ours():
    with pytest.raises(DTypeError, match=r"linear: expected a Tensor.*got torch.Tensor; make a"):
        nn.Linear(4, 3)(torch.ones(4))
    for dtype in ("float32", "float64", "int32"):
        assert tg.tensor(torch.ones(4, dtype=getattr(torch, dtype))).dtype == dtype
