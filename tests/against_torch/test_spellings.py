"""What PyTorch calls otherwise than the Array API: each expression is run here and in PyTorch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")

import peer

import tinygraph as tg

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4)) + 3
M, V = RNG.normal(size=(4, 2)), RNG.normal(size=4)
N, D = RNG.integers(-9, 9, (3, 4)), np.array([[2, -3, 4, -5]])
INDEX = np.array([2, 0, 2])

# `t` is the module: tinygraph or torch. The arrays come as Tensors.
FUNCTIONS = {
    "mul": lambda t, x, y: t.mul(x, y) + x.mul(2.0),
    "sub": lambda t, x, y: t.sub(x, y) * x.sub(y, alpha=0.5),
    "add": lambda t, x, y: x.add(y, alpha=0.5) + x.add(1),
    "div": lambda t, x, y: t.div(x, y) + x.div(2),
    "div rounded": lambda t, x, y: t.div(x, y, rounding_mode="floor"),
    "div truncated": lambda t, x, y: x.div(y, rounding_mode="trunc"),
    "neg": lambda t, x, y: t.neg(x) + x.neg(),
    "absolute": lambda t, x, y: t.absolute(x) + x.absolute(),
    "clamp": lambda t, x, y: t.clamp(x, 0.0, 0.5) + x.clamp(min=-0.5) + t.clamp(x, max=0.1),
    "clamp_min": lambda t, x, y: t.clamp_min(x, 0.1) + x.clamp_max(0.2) + t.clamp_max(x, 0.3),
    "addcmul": lambda t, x, y: t.addcmul(x, x, y, value=0.1) + x.addcmul(x, y),
    "addcdiv": lambda t, x, y: t.addcdiv(x, x, y, value=0.1) + x.addcdiv(x, y),
    "norm": lambda t, x, y: t.norm(x) + t.norm(y, p=1, dim=0) + x.norm(2, dim=0),
    "movedim": lambda t, x, y: t.movedim(x, 0, 1) + x.movedim(-1, 0),
    "t": lambda t, x, y: t.t(x) + x.t(),
    "clone": lambda t, x, y: t.clone(x) * t.detach(x) + x.clone(),
    "expand_as": lambda t, x, y: x[:, :1].expand_as(y) * y,
    "view_as": lambda t, x, y: x.view_as(y.view(2, 6)) + x.reshape_as(y.view(2, 6)),
    "narrow": lambda t, x, y: t.narrow(x, 1, 1, 2) + x.narrow(dim=1, start=-2, length=2),
    "where": lambda t, x, y: x.where(x > 0, y),
    "index_add": lambda t, x, y: x.index_add(0, t.tensor([2, 0, 2]), y, alpha=0.5),
    "type_as": lambda t, x, y: (x > 0).type_as(y) * y,
    "std": lambda t, x, y: x.std(unbiased=True) + t.var(y, dim=0, unbiased=False),
    "new_full": lambda t, x, y: x.new_full((3, 4), 7.0) * x + x.new_tensor([1.0]),
    "cdist": lambda t, x, y: t.cdist(x, y) + t.cdist(x, y, p=1.0),
    "size": lambda t, x, y: x.view(x.size(0), -1, 2) * x.size(-1) * len(x.size()) * x.size()[0],
    "norm of all": lambda t, x, y: t.norm(x, p=1) + x.norm(1.5, dim=1, keepdim=True).norm(),
    "dist": lambda t, x, y: t.dist(x, y) + x.dist(y, 1),
    "max": lambda t, x, y: t.max(x, y) * t.min(x, x * y),
    "frac": lambda t, x, y: t.frac(y) + x.frac(),
    "logit": lambda t, x, y: t.logit(t.sigmoid(x)) + t.logit(x, eps=0.4),
    "nan_to_num": lambda t, x, y: t.nan_to_num(t.log(x), nan=0.5) + (y / 0.0).nan_to_num(posinf=1),
    "arcs": lambda t, x, y: t.arctan(x) + t.arcsin(x / 9) + t.arccos(x / 9) + t.arctan2(x, y),
    "arcsinh": lambda t, x, y: t.arcsinh(x) + t.arctanh(x / 9) + (x.abs() + 2).arccosh(),
    "inverse": lambda t, x, y: t.inverse(x[:, :3]) + t.det(x[:, 1:]),
    "select": lambda t, x, y: t.select(x, 0, 1) + x.select(dim=0, index=-1),
    "swapdims": lambda t, x, y: t.swapdims(x, 0, 1),
    "index_add in place": lambda t, x, y: t.index_add(x, 1, t.tensor([1, 1, 0, 3]), y),
    "take_along_dim": lambda t, x, y: t.take_along_dim(x, t.argsort(y, dim=1), dim=1),
    "broadcast_tensors": lambda t, x, y: t.broadcast_tensors(x, y[0])[1] * x,
    "data": lambda t, x, y: x * x.data + t.tril(x).data,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_methods(name):
    expression = FUNCTIONS[name]
    peer.same(lambda x, y: expression(tg, x, y), lambda x, y: expression(torch, x, y), X, Y)


def test_functions_run_in_every_mode():
    def all_of_them(x, y):
        kept = [
            name for name in FUNCTIONS if name not in ("div rounded", "div truncated", "inverse")
        ]
        return [FUNCTIONS[name](tg, x, y) for name in kept]

    peer.modes(all_of_them, X.astype("float32"), Y.astype("float32"))


@pytest.mark.parametrize("name", ["mv", "addmm", "addmm scaled", "baddbmm", "empty cdist"])
def test_products(name):
    expression = {
        "mv": lambda t, x, m, v: t.mv(x, v) + x.mv(v),
        "addmm": lambda t, x, m, v: t.addmm(v[:2], x, m) + v[:2].addmm(x, m),
        "addmm scaled": lambda t, x, m, v: t.addmm(v[:2], x, m, beta=0.5, alpha=2.0),
        "baddbmm": lambda t, x, m, v: t.baddbmm(
            v[:1].expand(2, 3, 2), t.stack([x, x]), t.stack([m, m])
        ),
        "empty cdist": lambda t, x, m, v: t.cdist(x[:0], x),
    }[name]
    peer.same(lambda *a: expression(tg, *a), lambda *a: expression(torch, *a), X, M, V)


@pytest.mark.parametrize("mode", [None, "floor", "trunc"])
@pytest.mark.parametrize("dtype", ["int64", "int32", "float64"])
def test_rounded_division(mode, dtype):
    ours, theirs = tg.tensor(N.astype(dtype)), torch.tensor(N.astype(dtype))
    mine = tg.div(ours, tg.tensor(D.astype(dtype)), rounding_mode=mode)
    peer.close(mine, torch.div(theirs, torch.tensor(D.astype(dtype)), rounding_mode=mode))


IN_PLACE = {
    "add_": lambda t, x, y: x.add_(y, alpha=0.5).add_(1.0),
    "sub_": lambda t, x, y: x.sub_(y, alpha=2),
    "mul_": lambda t, x, y: x.mul_(0.9).add_(y, alpha=0.1),
    "div_": lambda t, x, y: x.div_(y),
    "neg_": lambda t, x, y: x.neg_().abs_(),
    "pow_": lambda t, x, y: x.pow_(2).sqrt_().exp_().log_(),
    "clamp_": lambda t, x, y: x.clamp_(-0.5, 0.5).clamp_min_(-0.2).clamp_max_(0.2),
    "relu_": lambda t, x, y: x.relu_().sigmoid_().tanh_(),
    "lerp_": lambda t, x, y: x.lerp_(y, 0.25),
    "addcmul_": lambda t, x, y: x.addcmul_(x, y, value=0.1).addcdiv_(x, y, value=-0.1),
    "masked_fill_": lambda t, x, y: x.masked_fill_(x > 0, 0.5),
    "scatter_": lambda t, x, y: x.scatter_(1, t.tensor([[0], [2], [1]]), 5.0),
    "scatter_add_": lambda t, x, y: x.scatter_add_(0, t.tensor([[0, 0, 1, 2]]), y[:1]),
    "index_add_": lambda t, x, y: x.index_add_(0, t.tensor([2, 0, 2]), y),
    "triu_": lambda t, x, y: x.triu_().add_(y.tril_(-1)),
    "floor_": lambda t, x, y: x.mul_(3).floor_().add_(y.ceil_()).add_(y.round_()),
    "sin_": lambda t, x, y: x.sin_().cos_().square_().reciprocal_().rsqrt_().sign_().trunc_(),
    "fill_": lambda t, x, y: x.fill_(2.0).copy_(y[0]),
    "zero_": lambda t, x, y: x.zero_(),
}


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("way", ["plain", "a leaf", "data"])
def test_in_place(name, way):
    """As a Tensor that nothing is known of, as a parameter under no_grad, and through `.data`."""
    found = []
    for t in (tg, torch):
        x, y = t.tensor(X, requires_grad=way != "plain"), t.tensor(Y)
        with t.no_grad():
            target = x.data if way == "data" else x
            assert IN_PLACE[name](t, target, y) is target
        assert x.requires_grad == (way != "plain")
        assert x.is_leaf
        found.append(x)
    peer.close(*found)


def test_data_is_the_parameter():
    for t in (tg, torch):
        w = t.tensor([1.0, 2.0], requires_grad=True)
        data = w.data
        data[0] = 5.0
        w.data -= 1.0
        assert data.tolist() == w.tolist() == [4.0, 1.0]
        w.data = t.tensor([3.0, 3.0])
        (w * w.data).sum().backward()
        assert w.grad.tolist() == [3.0, 3.0]
        w.grad.data.zero_()
        assert w.grad.tolist() == [0.0, 0.0]
        with pytest.raises(RuntimeError if t is torch else tg.errors.GraphError):
            w.mul_(2.0)


def test_gradients_are_turned_on_and_off():
    for t in (tg, torch):
        w = t.tensor(1.0, requires_grad=True)
        seen = [t.is_grad_enabled()]
        with t.set_grad_enabled(False):
            seen += [t.is_grad_enabled(), (w * 2).requires_grad]
            with t.set_grad_enabled(True):
                seen.append((w * 2).requires_grad)
            seen.append(t.is_grad_enabled())
        t.set_grad_enabled(False)
        seen.append((w * 2).requires_grad)
        t.set_grad_enabled(True)
        with t.inference_mode():
            seen.append((w * 2).requires_grad)
        assert seen == [True, False, False, True, False, False, False]
        assert t.is_grad_enabled()


def test_detach_in_place():
    for t in (tg, torch):
        w = t.tensor([2.0], requires_grad=True)
        h = w * 3
        assert h.detach_() is h
        assert not h.requires_grad
        (h * w).sum().backward()
        assert w.grad.tolist() == [6.0]
        assert not w.detach_().requires_grad


@pytest.mark.filterwarnings("ignore:Using backward")
def test_backward_with_a_graph_of_its_own():
    for t in (tg, torch):
        w = t.tensor([2.0, 3.0], requires_grad=True)
        (w**3).sum().backward(retain_graph=True, create_graph=True)
        slope = w.grad
        w.grad = None
        slope.sum().backward()
        assert w.grad.tolist() == [12.0, 18.0]


def test_kinds_and_dtypes():
    for t in (tg, torch):
        assert t.zeros(1, dtype=t.float).dtype == t.float32
        assert t.zeros(1, dtype=t.double).dtype == t.float64
        assert t.zeros(1, dtype=t.half).dtype == t.float16
        assert t.zeros(1, dtype=t.long).dtype == t.int64
        assert t.zeros(1, dtype=t.int).dtype == t.int32
        assert t.zeros(1, dtype=t.short).dtype == t.zeros(1).short().dtype == t.int16
        assert t.zeros(1).bfloat16().dtype == t.bfloat16
        assert t.FloatTensor([1, 2]).dtype == t.Tensor([1, 2]).dtype == t.float32
        assert t.LongTensor(np.array([1, 2])).dtype == t.int64
        assert t.DoubleTensor([1]).dtype == t.float64
        assert t.IntTensor([1]).dtype == t.int32
        assert t.BoolTensor([1, 0]).tolist() == [True, False]
        assert t.is_tensor(t.zeros(1))
        assert not t.is_tensor(1.0)
        assert t.is_floating_point(t.zeros(1))
        assert not t.arange(2).is_floating_point()
        assert t.numel(t.zeros(2, 3)) == t.zeros(2, 3).nelement() == 6
        assert t.zeros(2, 3).ndimension() == 2
        assert t.as_tensor([1.5]).tolist() == [1.5]
        assert t.bitwise_not(t.tensor([True])).tolist() == [False]
        assert t.zeros(2).allclose(t.zeros(2))
        assert t.tensor([0, 3]).nonzero(as_tuple=False).tolist() == [[1]]


@pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons(name):
    for a, b in ((N, D), (X, 0.0)):
        mine = getattr(tg, name)(tg.tensor(a), tg.tensor(b))
        yours = getattr(torch, name)(torch.tensor(a), torch.tensor(b))
        peer.close(mine, yours)


@pytest.mark.parametrize("sizes", [(3, 3, 0), (2, 4, 1), (4, 2, -1), (0, 3, 0)])
def test_places_in_triangles(sizes):
    peer.close(tg.tril_indices(*sizes), torch.tril_indices(*sizes))
    peer.close(tg.triu_indices(*sizes), torch.triu_indices(*sizes))


def test_places_and_counts():
    for t in (tg, torch):
        x, n = t.tensor([[0, 3], [3, 1]]), t.tensor([2, 0, 2])
        assert t.argwhere(x).tolist() == [[0, 1], [1, 0], [1, 1]]
        assert t.unique(x).tolist() == x.unique().tolist() == [0, 1, 3]
        values, inverse, counts = t.unique(x, return_inverse=True, return_counts=True)
        assert (values.tolist(), counts.tolist()) == ([0, 1, 3], [1, 1, 2])
        assert inverse.tolist() == [[0, 2], [2, 1]]
        assert t.bincount(n).tolist() == [1, 0, 2]
        assert n.bincount(minlength=5).tolist() == [1, 0, 2, 0, 0]
        assert t.bincount(n[:0], minlength=2).tolist() == [0, 0]
        assert t.bincount(n, weights=t.tensor([0.5, 1.0, 2.0])).tolist() == [1.0, 0.0, 2.5]
        assert t.linspace(start=0, end=1, steps=3).tolist() == [0.0, 0.5, 1.0]
        assert t.arange(start=1, end=3).tolist() == [1, 2]
        assert t.full(size=(2,), fill_value=1.0).tolist() == [1.0, 1.0]


def test_draws_have_the_same_form():
    p = np.array([[0.2, 0.0, 0.8], [0.0, 1.0, 0.0]])
    for t in (tg, torch):
        t.manual_seed(1)
        mean = t.tensor(p)
        assert t.normal(mean, 0.0).tolist() == p.tolist()
        assert t.normal(mean, t.zeros_like(mean)).dtype == t.float64
        assert t.normal(0.0, 1.0, size=(2, 3)).dtype == t.float32
        assert t.bernoulli(mean[1]).tolist() == [0.0, 1.0, 0.0]
        assert t.bernoulli(mean).dtype == t.float64
        assert t.zeros(3).bernoulli_(1.0).tolist() == [1.0] * 3
        assert t.multinomial(mean[1], 3, replacement=True).tolist() == [1] * 3
        assert sorted(t.multinomial(mean[0], 2).tolist()) == [0, 2]
        assert t.multinomial(mean, 1).dtype == t.int64
        assert t.multinomial(mean.float(), 1)[1].tolist() == [1]
        drawn = t.randint(5, (1000,))
        assert (drawn.min().item(), drawn.max().item()) == (0, 4)
        assert t.randint(low=2, high=4, size=(3, 2)).shape == (3, 2)
        g = t.Generator().manual_seed(3)
        first = t.rand(4, generator=g)
        assert (t.rand(4, generator=g.manual_seed(3)) == first).all()


@pytest.mark.parametrize("replacement", [True, False])
def test_places_are_drawn_in_proportion(replacement):
    """The first of two draws follows the weights, the second what is left."""
    tg.manual_seed(0)
    weights = np.array([1.0, 2.0, 5.0])
    rows = tg.tensor(np.tile(weights, (20_000, 1)))
    drawn = tg.multinomial(rows, 2, replacement).numpy()
    p = weights / weights.sum()
    rest = p if replacement else sum(p[i] * np.where(np.arange(3) == i, 0, p) / (1 - p[i])
                                     for i in range(3))  # fmt: skip
    for column, expected in zip(drawn.T, (p, rest)):
        np.testing.assert_allclose(np.bincount(column) / len(column), expected, atol=0.02)
    assert replacement or (drawn[:, 0] != drawn[:, 1]).all()


# ------------------------------------------------------------------------- autograd.grad

GRADS = {
    "one": lambda t, x, y: t.autograd.grad((x * x * y).sum(), x),
    "two": lambda t, x, y: t.autograd.grad([(x * y).sum(), y.sum()], [x, y]),
    "weighted": lambda t, x, y: t.autograd.grad(x * y, (x, y), grad_outputs=t.ones_like(x) * 2),
    "unused": lambda t, x, y: t.autograd.grad(x.sum(), [x, y], materialize_grads=True),
    "of a result": lambda t, x, y: (lambda h: t.autograd.grad((h * y).sum(), h))(x * 2),
    "twice": lambda t, x, y: t.autograd.grad(
        t.autograd.grad((x**3 * y).sum(), x, create_graph=True)[0].pow(2).sum(), [x, y]
    ),
}


@pytest.mark.parametrize("name", GRADS)
def test_grad(name):
    results = []
    for t in (tg, torch):
        x, y = t.tensor(X, requires_grad=True), t.tensor(Y, requires_grad=True)
        results.append(GRADS[name](t, x, y))
        assert x.grad is None
    assert isinstance(results[0], tuple)
    for mine, yours in zip(*results, strict=True):
        peer.close(mine, yours)


def test_grad_of_what_is_not_used():
    for t in (tg, torch):
        x, y = t.tensor(X, requires_grad=True), t.tensor(Y, requires_grad=True)
        assert t.autograd.grad(x.sum(), [x, y], allow_unused=True)[1] is None
        with pytest.raises(RuntimeError if t is torch else tg.errors.GraphError):
            t.autograd.grad(x.sum(), [x, y])
