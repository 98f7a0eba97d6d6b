"""Recurrent layers and cells, and packed sequences."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer
from torch.nn.utils import rnn as their_rnn

import tinygraph as tg
from tinygraph import nn
from tinygraph.nn.utils import rnn as our_rnn

LAYERS = ["RNN", "LSTM", "GRU"]
CELLS = ["RNNCell", "LSTMCell", "GRUCell"]


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def pair(name, *args, **options):
    """Our module and PyTorch's, made alike."""
    return getattr(nn, name)(*args, **options), getattr(torch.nn, name)(*args, **options)


def states(rng, name, *shape, size=None):
    """A first memory for a layer or cell: h, or (h, c)."""
    h = rng.standard_normal((*shape[:-1], size or shape[-1]))
    return (h, rng.standard_normal(shape)) if "LSTM" in name else h


# ---------------------------------------------------------------------------------------- layers

GRID = [
    {},
    {"bias": False},
    {"batch_first": True},
    {"bidirectional": True},
    {"num_layers": 3},
    {"num_layers": 2, "bidirectional": True, "batch_first": True},
    {"num_layers": 2, "bidirectional": True, "bias": False},
]


@pytest.mark.parametrize("options", GRID, ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, options, rng):
    ours, theirs = pair(name, 3, 4, **options)
    count = ours.num_layers * (2 if ours.bidirectional else 1)
    x = rng.standard_normal((5, 2, 3))
    batch = 5 if ours.batch_first else 2
    peer.same_module(ours, theirs, x)
    ours, theirs = pair(name, 3, 4, **options)
    peer.same_module(ours, theirs, x, states(rng, name, count, batch, 4))
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_projections(options, bias, rng):
    ours, theirs = pair("LSTM", 3, 5, proj_size=2, bias=bias, **options)
    count = ours.num_layers * (2 if ours.bidirectional else 1)
    x, hx = rng.standard_normal((4, 2, 3)), states(rng, "LSTM", count, 2, 5, size=2)
    peer.same_module(ours, theirs, x, hx)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("bias", [True, False])
def test_relu(bias, rng):
    x = rng.standard_normal((6, 3, 2))
    peer.same_module(*pair("RNN", 2, 3, 2, "relu", bias), x)
    zero = torch.nn.RNN(2, 3, nonlinearity="relu")  # all sums are 0: the kink
    torch.nn.init.zeros_(zero.bias_ih_l0)
    torch.nn.init.zeros_(zero.bias_hh_l0)
    peer.same_module(nn.RNN(2, 3, nonlinearity="relu"), zero, x * 0)


@pytest.mark.parametrize("options", [{}, {"batch_first": True, "bidirectional": True}], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_one_sequence_without_a_batch(name, options, rng):
    count = 2 if options else 1
    x = rng.standard_normal((5, 3))
    peer.same_module(*pair(name, 3, 4, **options), x)
    peer.same_module(*pair(name, 3, 4, **options), x, states(rng, name, count, 4))


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 4, 3), (6, 1, 3), (5, 0, 3)])
@pytest.mark.parametrize("name", LAYERS)
def test_odd_shapes(name, shape, rng):
    peer.same_module(*pair(name, 3, 2), rng.standard_normal(shape))


@pytest.mark.parametrize("name", LAYERS)
def test_non_contiguous_arrays(name, rng):
    x = rng.standard_normal((3, 8, 5)).T[:, ::2]
    peer.same_module(*pair(name, 3, 2), x)


@pytest.mark.parametrize("name", LAYERS)
def test_no_steps_is_an_error_on_both_sides(name):
    ours, theirs = pair(name, 3, 2)
    with pytest.raises(RuntimeError):
        theirs(torch.zeros(0, 2, 3))
    with pytest.raises(ValueError, match=f"{name}: expected a sequence of at least one step"):
        ours(tg.zeros((0, 2, 3)))


@pytest.mark.parametrize("name", LAYERS)
def test_the_same_in_every_mode(name, rng):
    layer = getattr(nn, name)(3, 4, num_layers=2, bidirectional=True)
    peer.modes(lambda x: layer(x), rng.standard_normal((5, 2, 3)).astype("float32"))


@pytest.mark.parametrize("name", [*LAYERS, *CELLS])
def test_parameters_are_drawn_from_the_same_range(name):
    ours, theirs = pair(name, 30, 64)
    drawn = []
    for (key, mine), (their_key, their) in zip(
        ours.named_parameters(), theirs.named_parameters(), strict=True
    ):
        assert key == their_key
        assert mine.shape == tuple(their.shape)
        drawn.append([mine.numpy().ravel(), their.detach().numpy().ravel()])
    for side in zip(*drawn, strict=True):
        values = np.concatenate(side)
        assert 0.124 < abs(values).max() <= 0.125
        assert values.std() == pytest.approx(0.125 / 3**0.5, rel=0.05)


def test_all_weights():
    ours, theirs = pair("LSTM", 3, 5, 2, bidirectional=True, proj_size=2)
    shapes = [[tuple(w.shape) for w in weights] for weights in theirs.all_weights]
    assert [[w.shape for w in weights] for weights in ours.all_weights] == shapes
    ours.flatten_parameters()


@pytest.mark.filterwarnings("ignore:dropout option adds")
def test_one_layer_warns_of_dropout_on_both_sides():
    torch.nn.GRU(2, 3, dropout=0.5)
    with pytest.warns(UserWarning, match=r"GRU: dropout=0.5 acts between layers"):
        nn.GRU(2, 3, dropout=0.5)


# ------------------------------------------------------------------------------------ cells


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(2,), (), (0,)])
@pytest.mark.parametrize("name", CELLS)
def test_cells(name, shape, bias, rng):
    x = rng.standard_normal((*shape, 3))
    peer.same_module(*pair(name, 3, 4, bias), x)
    ours, theirs = pair(name, 3, 4, bias)
    peer.same_module(ours, theirs, x, states(rng, name, *shape, 4))
    assert repr(ours) == repr(theirs)


def test_a_cell_with_relu(rng):
    ours, theirs = pair("RNNCell", 3, 4, True, "relu")
    peer.same_module(ours, theirs, rng.standard_normal((2, 3)))
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", CELLS)
def test_cells_in_every_mode(name, rng):
    cell = getattr(nn, name)(3, 4)
    x, h = (rng.standard_normal((2, n)).astype("float32") for n in (3, 4))
    peer.modes(lambda x, h: cell(x, (h, h * 2) if name == "LSTMCell" else h), x, h)


# ------------------------------------------------------------------------------- packed sequences

LENGTHS = [[5, 3, 2], [4, 4, 4], [1, 1, 1], [2, 5, 3]]


def packers(lengths, **options):
    """`pack_padded_sequence` of both sides."""
    kept = {"lengths": lengths, "enforce_sorted": lengths == sorted(lengths)[::-1], **options}
    return (lambda x: our_rnn.pack_padded_sequence(x, **kept),
            lambda x: their_rnn.pack_padded_sequence(x, **kept))  # fmt: skip


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("rest", [(), (2,), (2, 3)])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_packing_and_back(lengths, rest, batch_first, rng):
    x = rng.standard_normal(((3, 5) if batch_first else (5, 3)) + rest)
    ours, theirs = packers(lengths, batch_first=batch_first)
    peer.same(ours, theirs, x)
    options = {"batch_first": batch_first, "padding_value": -2.0, "total_length": 7}
    peer.same(
        lambda x: our_rnn.pad_packed_sequence(ours(x), **options),
        lambda x: their_rnn.pad_packed_sequence(theirs(x), **options),
        x,
    )


@pytest.mark.parametrize("dtype", ["int64", "bool", "float32"])
def test_packing_keeps_the_dtype(dtype, rng):
    x = rng.integers(0, 2, (4, 3)).astype(dtype)
    ours, theirs = packers([2, 4, 1])
    peer.same(ours, theirs, x)
    peer.same(
        lambda x: our_rnn.pad_packed_sequence(ours(x)),
        lambda x: their_rnn.pad_packed_sequence(theirs(x)),
        x,
    )


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("rest", [(), (2,)])
@pytest.mark.parametrize("lengths", [[2, 4, 1], [3], [2, 2], [0, 2, 3]], ids=str)
def test_padding(lengths, rest, batch_first, side, rng):
    parts = [rng.standard_normal((length, *rest)) for length in lengths]
    options = {"batch_first": batch_first, "padding_value": 1.5, "padding_side": side}
    peer.same(our_rnn.pad_sequence, their_rnn.pad_sequence, parts, **options)
    if min(lengths) and len(lengths) > 1:
        names = ("pack_sequence", "unpack_sequence")
        functions = []
        for module in (our_rnn, their_rnn):
            pack, unpack = (getattr(module, name) for name in names)
            functions.append(lambda *xs, p=pack, u=unpack: u(p(list(xs), enforce_sorted=False)))
        peer.same(*functions, *parts)


@pytest.mark.parametrize("batch_first", [False, True])
def test_unpadding(batch_first, rng):
    x, lengths = rng.standard_normal((4, 4, 2)), np.array([4, 0, 2, 3])
    peer.same(
        lambda x: our_rnn.unpad_sequence(x, lengths, batch_first),
        lambda x: their_rnn.unpad_sequence(x * 1, torch.tensor(lengths), batch_first),
        x,
    )


class Packed(nn.Module):
    """A recurrent layer over what is packed from a padded array, and padded again."""

    def __init__(self, layer, lengths):
        super().__init__()
        self.layer, self.pack = layer, packers(lengths)[0]

    def forward(self, x, *hx):
        output, last = self.layer(self.pack(x), *hx)
        return output, our_rnn.pad_packed_sequence(output), last


class TheirPacked(torch.nn.Module):
    def __init__(self, layer, lengths):
        super().__init__()
        self.layer, self.pack = layer, packers(lengths)[1]

    def forward(self, x, *hx):
        output, last = self.layer(self.pack(x), *hx)
        return output, their_rnn.pad_packed_sequence(output), last


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}], ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_layers_over_packed_sequences(name, options, lengths, rng):
    x = rng.standard_normal((5, 3, 2))
    for given in (False, True):
        ours, theirs = pair(name, 2, 4, **options)
        hx = [states(rng, name, 4 if options else 1, 3, 4)] if given else []
        peer.same_module(Packed(ours, lengths), TheirPacked(theirs, lengths), x, *hx)


@pytest.mark.parametrize("name", LAYERS)
def test_lengths_are_the_same_as_packing(name, rng):
    lengths = [2, 5, 3]

    class ByLengths(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            output, last = self.layer(x, lengths=tg.tensor(lengths))
            return our_rnn.pack_padded_sequence(output, lengths, enforce_sorted=False), output, last

    class Theirs(TheirPacked):
        def forward(self, x):
            output, (padded, _), last = super().forward(x)
            return output, padded, last

    ours, theirs = pair(name, 2, 4, 2, bidirectional=True)
    peer.same_module(ByLengths(ours), Theirs(theirs, lengths), rng.standard_normal((5, 3, 2)))


@pytest.mark.parametrize("name", LAYERS)
def test_lengths_in_every_mode(name, rng):
    layer = getattr(nn, name)(3, 4, bidirectional=True, batch_first=True)
    x = rng.standard_normal((3, 5, 3)).astype("float32")
    peer.modes(lambda x, n: layer(x, lengths=n), x, np.array([2, 5, 0]))


def test_packed_sequences_in_every_mode(rng):
    layer, pack = nn.GRU(3, 4), packers([2, 5, 3])[0]
    peer.modes(lambda x: layer(pack(x)), rng.standard_normal((5, 3, 3)).astype("float32"))


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([3, 4, 2], "expected falling lengths, got .* enforce_sorted=False"),
        ([4, 2], "expected a length for each .* got 2 lengths for 3 sequences"),
        ([4, 3, 0], r"expected lengths from 1 to 4, got \[4, 3, 0\]"),
    ],
)
def test_packing_errors(lengths, message):
    x = np.zeros((4, 3))
    with pytest.raises(RuntimeError):
        their_rnn.pack_padded_sequence(torch.tensor(x), lengths)
    with pytest.raises(ValueError, match="pack_padded_sequence: " + message):
        our_rnn.pack_padded_sequence(tg.tensor(x), lengths)
