"""Weight and spectral normalization, with PyTorch's state and its steps of power iteration."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

import tinygraph as tg
from tinygraph import nn
from tinygraph.nn.utils import orthogonal

T = torch.nn

LAYERS = {
    "Linear": ((5, 4), (3, 5)),
    "Conv1d": ((4, 6, 3), (2, 4, 7)),
    "Conv2d": ((4, 6, 3), (2, 4, 5, 6)),
    "ConvTranspose2d": ((4, 6, 3), (2, 4, 5, 6)),
    "Bilinear": ((5, 3, 4), (2, 5), (2, 3)),
}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def pair(name, function, **options):
    """The layer of both sides, changed by the function of this dotted name."""
    sizes, *shapes = LAYERS[name]
    found = []
    for layer, utils in ((getattr(nn, name), nn.utils), (getattr(T, name), T.utils)):
        change = utils
        for part in function.split("."):
            change = getattr(change, part)
        found.append(change(layer(*sizes), **options))
    return *found, shapes


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("options", [{}, {"dim": 1}, {"dim": None}], ids=str)
@pytest.mark.parametrize("function", ["parametrizations.weight_norm", "weight_norm"])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weight_norm(name, options, function, rng):
    mine, yours, shapes = pair(name, function, **options)
    inputs = [rng.standard_normal(shape) for shape in shapes]
    peer.same_module(mine, yours, *inputs)
    if function == "parametrizations.weight_norm":
        mine = nn.utils.parametrize.remove_parametrizations(mine, "weight")
        yours = T.utils.parametrize.remove_parametrizations(yours, "weight")
    else:
        mine, yours = nn.utils.remove_weight_norm(mine), T.utils.remove_weight_norm(yours)
    peer.close(mine.weight, yours.weight)
    peer.same_module(mine, yours, *inputs)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("options", [{}, {"n_power_iterations": 3}, {"dim": 1}], ids=str)
@pytest.mark.parametrize("function", ["parametrizations.spectral_norm", "spectral_norm"])
@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
def test_spectral_norm(name, options, function, rng):
    mine, yours, shapes = pair(name, function, **options)
    inputs = [rng.standard_normal(shape) for shape in shapes]
    for training in (True, False):
        mine.train(training)
        yours.train(training)
        peer.same_module(mine, yours, *inputs)
    if function == "spectral_norm":
        mine, yours = nn.utils.remove_spectral_norm(mine), T.utils.remove_spectral_norm(yours)
        peer.close(mine.weight, yours.weight)


def test_a_vector_is_brought_to_length_1(rng):
    mine, yours = nn.LayerNorm(4), T.LayerNorm(4)
    nn.utils.parametrizations.spectral_norm(mine)
    T.utils.parametrizations.spectral_norm(yours)
    peer.same_module(mine, yours, rng.standard_normal((2, 4)))


@pytest.mark.parametrize("sizes", [(4, 4), (5, 3), (3, 5), (1, 1), (4, 1)], ids=str)
@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder", None])
@pytest.mark.parametrize("use_trivialization", [True, False])
def test_orthogonal(sizes, kind, use_trivialization, rng):
    mine, yours = nn.Linear(*sizes), T.Linear(*sizes)
    for layer, utils in ((mine, nn.utils), (yours, T.utils)):
        utils.parametrizations.orthogonal(
            layer, orthogonal_map=kind, use_trivialization=use_trivialization
        )
    with torch.no_grad():
        below = torch.tensor(rng.standard_normal(sizes[::-1])).tril(-1)
        tall = below if sizes[1] >= sizes[0] else below.mT.tril(-1).mT
        yours.parametrizations.weight.original += tall
    x = rng.standard_normal((2, sizes[0]))
    peer.same_module(mine, yours, x)
    value = rng.standard_normal(sizes[::-1])
    square = np.linalg.qr(value)[0] if sizes[0] == sizes[1] else value
    if use_trivialization or yours.parametrizations.weight[0].orthogonal_map.name == "householder":
        mine.weight = tg.tensor(square)
        yours.weight = torch.tensor(square)
        if sizes[0] == sizes[1] or not use_trivialization:  # else what fills it up is random
            peer.close(mine.weight, yours.weight)
    else:
        with pytest.raises(NotImplementedError):
            mine.weight = tg.tensor(square)


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 30.0, 3000.0])
def test_the_exponential_of_a_matrix(scale, rng):
    a = scale * rng.standard_normal((2, 5, 5))
    a -= a.swapaxes(1, 2)
    peer.same(orthogonal.matrix_exp, torch.matrix_exp, a, rtol=1e-6, atol=1e-8 * max(scale, 1.0))
    if scale == 1.0:
        peer.modes(orthogonal.matrix_exp, a.astype("float32"))


@pytest.mark.parametrize("function", ["parametrizations.spectral_norm", "spectral_norm"])
@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
def test_steps_of_training(function, rng):
    """The vectors follow the weight over several steps, however the steps are run."""
    mine, yours, _ = pair("Linear", function)
    peer.load(mine, yours)
    yours.float()
    mine.to("float32")
    first = {name: t.numpy().copy() for name, t in yours.state_dict().items()}
    x = rng.standard_normal((4, 3, 5)).astype("float32")
    optimizer = torch.optim.SGD(yours.parameters(), lr=0.1)
    for batch in x:
        loss = (yours(torch.tensor(batch)) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for run in (lazily, eagerly, traced, as_a_graph):
        mine.load_state_dict(first)
        run(mine, x)
        for key, value in yours.state_dict().items():
            np.testing.assert_allclose(mine.state_dict()[key], value.numpy(), rtol=1e-4, atol=1e-5,
                                       err_msg=f"{run.__name__}: {key}")  # fmt: skip


def step(module, optimizer):
    def train(batch):
        loss = (module(batch) ** 2).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return train


def lazily(module, x):
    train = step(module, tg.optim.SGD(module.parameters(), lr=0.1))
    for batch in x:
        train(tg.tensor(batch))


def eagerly(module, x):
    with tg.eager():
        lazily(module, x)


def traced(module, x):
    train = tg.jit(step(module, tg.optim.SGD(module.parameters(), lr=0.1)))
    for batch in x:
        train(tg.tensor(batch)).item()
    assert train.traces == 1


def as_a_graph(module, x):
    optimizer = tg.optim.SGD(module.parameters(), lr=0.1)
    batch = tg.placeholder((None, 5), name="batch")
    loss = (module(batch) ** 2).sum()
    train = tg.function([batch], loss, updates=optimizer.minimize(loss))
    for values in x:
        train(values).item()
