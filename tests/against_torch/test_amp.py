"""The scale of the loss, step by step; and which functions autocast turns into which dtype."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import amp, nn, optim
from tinygraph.nn import functional as F


@pytest.fixture(autouse=True)
def numpy_backend():
    with tg.backend("numpy"):
        yield


SLOPES = [1.0, 2.0, math.inf, 1.0, 1.0, 1.0, math.nan, -math.inf, 1.0, 3.0, 1.0, 1.0, 0.5, 1.0]
SCALES = {"init_scale": 1024.0, "growth_interval": 3}
OPTIONS = [
    SCALES, {**SCALES, "growth_factor": 4.0, "backoff_factor": 0.25},
    {**SCALES, "growth_interval": 1}, {**SCALES, "enabled": False}, {"init_scale": 2.0**127,
    "growth_interval": 1},
]  # fmt: skip


class Side:
    """A parameter, its optimizer and its scaler, here or in PyTorch."""

    def __init__(self, library, options):
        self.library, self.tensor = library, library.tensor
        start = np.array([1.0, -2.0], "float32")
        if library is tg:
            self.w = nn.Parameter(start)
            self.optimizer = optim.Adam([self.w], lr=0.1)
            self.scaler = amp.GradScaler("cpu", **options)
            self.clip = nn.utils.clip_grad_norm_
        else:
            self.w = torch.nn.Parameter(torch.tensor(start))
            self.optimizer = torch.optim.Adam([self.w], lr=0.1)
            self.scaler = torch.amp.GradScaler("cpu", **options)
            self.clip = torch.nn.utils.clip_grad_norm_

    def step(self, slope, clip=None):
        loss = (self.w * self.tensor([slope, 1.0])).sum()
        self.scaler.scale(loss).backward()
        if clip is not None:
            self.scaler.unscale_(self.optimizer)
            self.clip([self.w], clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()

    def state(self):
        return self.scaler.state_dict()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("clip", [None, 0.5])
def test_scaler(options, clip):
    mine, yours = Side(tg, options), Side(torch, options)
    slopes = [s for s in SLOPES if math.isfinite(s)] if "enabled" in options else SLOPES
    for slope in slopes:
        mine.step(slope, clip)
        yours.step(slope, clip)
        peer.close(mine.w, yours.w, rtol=1e-5, atol=1e-6)
        assert mine.state() == yours.state()
        assert mine.scaler.get_scale() == yours.scaler.get_scale()
    assert mine.scaler.is_enabled() == yours.scaler.is_enabled()


def test_a_state_of_pytorch_is_taken_over():
    mine, yours = Side(tg, {}), Side(torch, SCALES)
    for slope in SLOPES[:5]:
        yours.step(slope)
    mine.scaler.load_state_dict(yours.state())
    assert mine.state() == yours.state()
    assert mine.scaler.get_growth_factor() == yours.scaler.get_growth_factor()
    assert mine.scaler.get_backoff_factor() == yours.scaler.get_backoff_factor()
    assert mine.scaler.get_growth_interval() == yours.scaler.get_growth_interval()


def test_defaults():
    assert amp.GradScaler().state_dict() == torch.amp.GradScaler("cpu").state_dict()


def test_new_scales():
    mine, yours = Side(tg, SCALES), Side(torch, SCALES)
    for side in (mine, yours):
        side.step(1.0)
        side.scaler.scale((side.w * 2).sum()).backward()
        side.scaler.step(side.optimizer)
        side.scaler.update(64.0)
    assert mine.state() == yours.state()


def test_several_optimizers_share_a_scale():
    """An overflow in one lets the other make its step, and the scale fall."""
    sides = Side(tg, SCALES), Side(torch, SCALES)
    for side in sides:
        other = Side(side.library, SCALES)
        loss = (side.w * side.tensor([math.inf, 1.0])).sum() + (other.w * 2).sum()
        side.scaler.scale(loss).backward()
        side.scaler.step(side.optimizer)
        side.scaler.step(other.optimizer)
        side.scaler.update()
        assert side.w.tolist() == [1.0, -2.0]
        np.testing.assert_allclose(other.w.tolist(), [0.9, -2.1], rtol=1e-6)
    assert sides[0].state() == sides[1].state()


def test_what_is_scaled():
    for side, library in ((Side(tg, SCALES), tg), (Side(torch, SCALES), torch)):
        found = side.scaler.scale([library.ones(2), (library.ones(1),)])
        assert isinstance(found, list)
        assert isinstance(found[1], tuple)
        assert [found[0].tolist(), found[1][0].tolist()] == [[1024.0, 1024.0], [1024.0]]
    half = amp.GradScaler(init_scale=8.0).scale(tg.ones(2, dtype="float16"))
    assert (half.dtype.name, half.tolist()) == ("float16", [8.0, 8.0])


@pytest.mark.parametrize(
    "calls",
    ["unscale_ unscale_", "step step", "step unscale_", "update"],
)
def test_calls_out_of_order(calls):
    for side in (Side(tg, SCALES), Side(torch, SCALES)):
        side.scaler.scale(side.w.sum()).backward()
        *good, bad = calls.split()
        for name in good:
            getattr(side.scaler, name)(side.optimizer)
        arguments = () if bad == "update" else (side.optimizer,)
        with pytest.raises((RuntimeError, AssertionError)):
            getattr(side.scaler, bad)(*arguments)


def test_float16_gradients_are_not_unscaled():
    w = nn.Parameter([1.0], dtype="float16")
    v = torch.nn.Parameter(torch.ones(1, dtype=torch.float16))
    pairs = (
        (w, optim.SGD([w]), amp.GradScaler(**SCALES)),
        (v, torch.optim.SGD([v], lr=0.1), torch.amp.GradScaler("cpu", **SCALES)),
    )
    for parameter, optimizer, scaler in pairs:
        scaler.scale(parameter.sum()).backward()
        with pytest.raises(ValueError, match=r"(?i)float16|fp16"):
            scaler.unscale_(optimizer)


# --------------------------------------------------------------------------------- autocast

CASES = {
    "linear": (lambda f, x, w: f.linear(x, w), [(3, 4), (2, 4)]),
    "bilinear": (lambda f, x, y, w: f.bilinear(x, y, w), [(3, 4), (3, 5), (2, 4, 5)]),
    "matmul": (lambda f, x, y: x @ y, [(3, 4), (4, 2)]),
    "conv1d": (lambda f, x, w: f.conv1d(x, w), [(2, 3, 8), (4, 3, 3)]),
    "conv2d": (lambda f, x, w: f.conv2d(x, w), [(2, 3, 8, 8), (4, 3, 3, 3)]),
    "conv_transpose2d": (lambda f, x, w: f.conv_transpose2d(x, w), [(2, 3, 4, 4), (3, 4, 3, 3)]),
    "attention": (
        lambda f, q, k, v: f.scaled_dot_product_attention(q, k, v), [(2, 3, 4)] * 3,
    ),
    "relu": (lambda f, x: f.relu(x), [(3, 4)]),
    "mse_loss": (lambda f, x, y: f.mse_loss(x, y), [(3, 4)] * 2),
    "linear and loss": (lambda f, x, w, y: f.mse_loss(f.linear(x, w), y), [(3, 4), (2, 4), (3, 2)]),
    "mixed sum": (lambda f, x, w, b: f.linear(x, w) + b, [(3, 4), (2, 4), (2,)]),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", CASES)
def test_autocast(name, dtype):
    """The same dtypes of results and gradients, and the same values to a few roundings."""
    function, shapes = CASES[name]
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype("float32") for shape in shapes]
    mine = [tg.tensor(a, requires_grad=True) for a in arrays]
    yours = [torch.tensor(a, requires_grad=True) for a in arrays]
    with amp.autocast("cpu", dtype=dtype):
        here = function(F, *mine)
    with torch.autocast("cpu", dtype=getattr(torch, dtype)):
        there = function(torch.nn.functional, *yours)
    assert here.dtype.name == str(there.dtype).removeprefix("torch.")
    near = {"rtol": 0.02, "atol": 0.05} if dtype == "bfloat16" else {"rtol": 3e-3, "atol": 6e-3}
    for m, y in zip(
        [here, *_slopes(here, mine)], [there, *_slopes(there, yours)], strict=True
    ):  # fmt: skip
        assert m.dtype.name == str(y.dtype).removeprefix("torch.")
        found, expected = m.astype("float32").numpy(), y.detach().float().numpy()
        np.testing.assert_allclose(found, expected, **near)


def _slopes(result, leaves):
    result.sum().backward()
    return [leaf.grad for leaf in leaves]


def test_float64_is_left_alone():
    """As in PyTorch, whose functions want one dtype; where it takes two, the larger is ours."""
    x, w = np.ones((2, 3)), np.ones((4, 3))
    with amp.autocast("cpu"):
        here = F.linear(tg.tensor(x), tg.tensor(w))
    with torch.autocast("cpu"):
        there = torch.nn.functional.linear(torch.tensor(x), torch.tensor(w))
    peer.close(here, there)


def test_it_ports_line_by_line():
    """A loop of PyTorch's documentation, with the import changed."""

    def train(lib, net, opt, scaler, autocast, x, y, mse_loss):
        losses = []
        for _ in range(5):
            opt.zero_grad()
            with autocast(device_type="cpu", dtype=lib.bfloat16):
                output = net(x)
                loss = mse_loss(output, y)
            scaler.scale(loss).backward()
            scaler.unscale_(opt)
            scaler.step(opt)
            scaler.update()
            losses.append(loss.item())
        return losses

    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((8, n)).astype("float32") for n in (4, 2))
    torch.manual_seed(0)
    there = torch.nn.Linear(4, 2)
    here = nn.Linear(4, 2)
    here.load_state_dict({name: t.detach().numpy() for name, t in there.state_dict().items()})
    yours = train(
        torch, there, torch.optim.SGD(there.parameters(), lr=0.1), torch.amp.GradScaler("cpu"),
        torch.autocast, torch.tensor(x), torch.tensor(y), torch.nn.functional.mse_loss,
    )  # fmt: skip
    mine = train(
        tg, here, optim.SGD(here.parameters(), lr=0.1), amp.GradScaler("cpu"), amp.autocast,
        tg.tensor(x), tg.tensor(y), F.mse_loss,
    )  # fmt: skip
    np.testing.assert_allclose(mine, yours, rtol=5e-3)
