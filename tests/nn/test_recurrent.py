"""Recurrent layers and cells against loops over their formulas, and what PyTorch's have not."""

import numpy as np
import pytest
from fused import tape_of

import tinygraph as tg
from tinygraph import nn
from tinygraph.compiler.compile import body_tape
from tinygraph.errors import DTypeError, ShapeError, TraceError
from tinygraph.graph.graph import topological
from tinygraph.nn.utils.rnn import pack_padded_sequence

LAYERS = {
    "RNN": nn.RNN,
    "LSTM": nn.LSTM,
    "GRU": nn.GRU,
    "PeepholeLSTM": nn.PeepholeLSTM,
    "GRU before": lambda *sizes, **options: nn.GRU(*sizes, reset_after=False, **options),
    "LSTM projected": lambda *sizes, **options: nn.LSTM(*sizes, proj_size=2, **options),
}
CELLS = {
    "RNN": nn.RNNCell,
    "LSTM": nn.LSTMCell,
    "GRU": nn.GRUCell,
    "PeepholeLSTM": lambda *sizes: nn.LSTMCell(*sizes, peephole=True),
    "GRU before": lambda *sizes: nn.GRUCell(*sizes, reset_after=False),
}
every_layer = pytest.mark.parametrize("kind", LAYERS)


# --------------------------------------------------------------------------------- by formula


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn(x, w, h):
    return (np.tanh(w["ih"] @ x + w["hh"] @ h + w["b"]),)


def lstm(x, w, h, c):
    i, f, g, o = np.split(w["ih"] @ x + w["hh"] @ h + w["b"], 4)
    if "ch" in w:
        seen = np.split(w["ch"] @ c, 3)
        i, f, o = i + seen[0], f + seen[1], o + seen[2]
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (w["hr"] @ h if "hr" in w else h), c


def gru(x, w, h):
    xr, xz, xn = np.split(w["ih"] @ x + w["b_ih"], 3)
    hr, hz, hn = np.split(w["hh"] @ h + w["b_hh"], 3)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    return ((1 - z) * np.tanh(xn + r * hn) + z * h,)


def gru_before(x, w, h):
    ur, uz, un = np.split(w["hh"], 3)
    xr, xz, xn = np.split(w["ih"] @ x + w["b"], 3)
    r, z = sigmoid(xr + ur @ h), sigmoid(xz + uz @ h)
    return ((1 - z) * np.tanh(xn + un @ (r * h)) + z * h,)


STEPS = {"RNN": rnn, "LSTM": lstm, "GRU": gru, "PeepholeLSTM": lstm, "GRU before": gru_before,
         "LSTM projected": lstm}  # fmt: skip


def weights(module, end=""):
    """The parameters of a cell, or of one direction of a layer, by short names."""
    found = module.state_dict()
    w = {k: found[f"weight_{k}{end}"] for k in ("ih", "hh", "hr", "ch")
         if f"weight_{k}{end}" in found}  # fmt: skip
    w |= {f"b_{k}": found.get(f"bias_{k}{end}", np.zeros(len(w["ih"]))) for k in ("ih", "hh")}
    return {**w, "b": w["b_ih"] + w["b_hh"]}


def naive(kind, layer, x, length, start):
    """One sequence x (steps, features), of which `length` count, through all layers; the state
    `start[s][k]` is state s of direction k of all in turn."""
    last = []
    for number in range(layer.num_layers):
        sides = []
        for end in ("", "_reverse") if layer.bidirectional else ("",):
            memory = tuple(state[len(last)] for state in start)
            side = np.zeros((len(x), memory[0].size))
            for t in reversed(range(length)) if end else range(length):
                memory = STEPS[kind](x[t], weights(layer, f"_l{number}{end}"), *memory)
                side[t] = memory[0]
            sides.append(side)
            last.append(memory)
        x = np.concatenate(sides, axis=-1)
    return x, [np.stack(states) for states in zip(*last, strict=True)]


def flat(states):
    return list(states) if isinstance(states, tuple) else [states]


def first_states(layer, batch, rng):
    """A memory for each sequence, as arrays and as the layer takes it."""
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    sizes = [layer.proj_size or layer.hidden_size]
    sizes += [layer.hidden_size] * isinstance(layer, nn.LSTM)
    arrays = [rng.standard_normal((count, batch, size)) for size in sizes]
    given = tuple(map(tg.tensor, arrays))
    return arrays, given if len(given) > 1 else given[0]


@pytest.mark.parametrize(
    "options",
    [{}, {"bias": False}, {"num_layers": 2, "batch_first": True},
     {"num_layers": 2, "bidirectional": True}],
    ids=str,
)  # fmt: skip
@every_layer
def test_values(kind, options, rng):
    layer = LAYERS[kind](3, 4, **options).to("float64")
    x, lengths = rng.standard_normal((6, 3, 3)), [6, 2, 5]
    arrays, hx = first_states(layer, 3, rng)
    given = np.swapaxes(x, 0, 1) if layer.batch_first else x
    for counts in (None, lengths):
        output, last = layer(tg.tensor(given), hx, lengths=counts)
        output = output.numpy().swapaxes(0, 1) if layer.batch_first else output.numpy()
        for b, length in enumerate(counts or [6] * 3):
            start = [state[:, b] for state in arrays]
            expected, states = naive(kind, layer, x[:, b], length, start)
            np.testing.assert_allclose(output[:, b], expected, atol=1e-12)
            for state, wanted in zip(flat(last), states, strict=True):
                np.testing.assert_allclose(state.numpy()[:, b], wanted, atol=1e-12)


@pytest.mark.parametrize("kind", CELLS)
def test_cells(kind, rng):
    cell = CELLS[kind](3, 4).to("float64")
    memory = [rng.standard_normal(4) for _ in range(2 if "LSTM" in kind else 1)]
    x = rng.standard_normal(3)
    hx = tuple(map(tg.tensor, memory)) if len(memory) > 1 else tg.tensor(memory[0])
    for found, wanted in zip(flat(cell(tg.tensor(x), hx)),
                             STEPS[kind](x, weights(cell), *memory), strict=True):  # fmt: skip
        np.testing.assert_allclose(found.numpy(), wanted)


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_in_a_loop_is_the_layer(kind, rng):
    layer, cell = LAYERS[kind](3, 4), CELLS[kind](3, 4)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x = tg.tensor(rng.standard_normal((5, 2, 3)).astype("float32"))
    memory = None
    for t in range(5):
        memory = cell(x[t], memory)
    for found, wanted in zip(flat(layer(x)[1]), flat(memory), strict=True):
        np.testing.assert_allclose(found.numpy()[0], wanted.numpy(), rtol=1e-5, atol=1e-6)


def test_peepholes():
    layer = nn.PeepholeLSTM(3, 4, 2, bidirectional=True)
    names = [name for name in layer.state_dict() if name.startswith("weight_ch")]
    assert names == ["weight_ch_l0", "weight_ch_l0_reverse", "weight_ch_l1", "weight_ch_l1_reverse"]
    assert all(layer.state_dict()[name].shape == (12, 4) for name in names)
    assert repr(layer).startswith("PeepholeLSTM(3, 4, num_layers=2")
    plain = nn.LSTM(3, 4, peephole=True)
    assert plain.state_dict().keys() == nn.PeepholeLSTM(3, 4).state_dict().keys()
    assert repr(plain) == "LSTM(3, 4, peephole=True)"


def test_shapes_of_parameters():
    lstm, gru = nn.LSTM(8, 16), nn.GRU(8, 16)
    assert {name: value.shape for name, value in lstm.state_dict().items()} == {
        "weight_ih_l0": (64, 8), "weight_hh_l0": (64, 16), "bias_ih_l0": (64,),
        "bias_hh_l0": (64,),
    }  # fmt: skip
    count = {layer: sum(p.size for p in layer.parameters()) for layer in (lstm, gru)}
    assert count[gru] * 4 == count[lstm] * 3


def test_the_cell_is_a_highway_for_the_gradient(rng):
    """dc'/dc is the forget gate where h does not reach the gates."""
    cell = nn.LSTMCell(3, 4).to("float64")
    cell.weight_hh.assign(np.zeros((16, 4)))
    x, h, c = (tg.tensor(rng.standard_normal(size)) for size in (3, 4, 4))
    slope = tg.grad(lambda c: tg.sum(cell(x, (h, c))[1]))(c)
    w = weights(cell)
    forget = np.split(w["ih"] @ x.numpy() + w["b"], 4)[1]
    np.testing.assert_allclose(slope.numpy(), sigmoid(forget))


# ----------------------------------------------------------------------------------- gradients


@every_layer
def test_gradients(kind, rng):
    layer = LAYERS[kind](2, 3, bidirectional=True).to("float64")
    x = rng.standard_normal((3, 2, 2))
    tg.testing.check_grads(lambda x: layer(x, lengths=[3, 2])[0], [x], order=2)


@pytest.mark.parametrize("kind", CELLS)
def test_the_gradient_of_a_shared_weight_is_the_sum_over_the_steps(kind, rng):
    """Backpropagation through time: the parameters of each step as parameters of their own."""
    steps = [CELLS[kind](2, 3).to("float64") for _ in range(4)]
    layer = LAYERS[kind](2, 3).to("float64")
    for cell in steps:
        cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x = tg.tensor(rng.standard_normal((4, 5, 2)))
    memory = None
    for t, cell in enumerate(steps):
        memory = cell(x[t], memory)
    tg.sum(flat(memory)[0] ** 2).backward()
    tg.sum(layer(x)[0][-1] ** 2).backward()
    for name, parameter in layer.named_parameters():
        parts = [getattr(cell, name.removesuffix("_l0")).grad.numpy() for cell in steps]
        assert all(np.any(part != parts[0]) for part in parts[1:])
        np.testing.assert_allclose(parameter.grad.numpy(), np.sum(parts, axis=0))


def test_what_stands_in_the_padding_does_not_matter(rng):
    layer = nn.GRU(3, 4, num_layers=2, bidirectional=True)
    clean = rng.standard_normal((5, 2, 3)).astype("float32")
    clean[3:, 0] = 0
    dirty = clean.copy()
    dirty[3:, 0] = np.nan
    found = []
    for array in (clean, dirty):
        x = tg.tensor(array, requires_grad=True)
        layer.zero_grad()
        output, h = layer(x, lengths=np.array([3, 5], "int32"))
        tg.sum(output * output).backward()
        parts = [output, h, x.grad, *[p.grad for p in layer.parameters()]]
        found.append([part.numpy() for part in parts])
    for one, other in zip(*found, strict=True):
        assert np.all(np.isfinite(one))
        np.testing.assert_array_equal(one, other)
    assert not np.any(found[0][2][3:, 0])


# -------------------------------------------------------------------------------------- graphs


def reachable(*tensors):
    """How many nodes a computation has, with those within its loops."""
    nodes = topological([tensor.node for tensor in tensors])
    return sum(1 + (len(n.params["body"].nodes) if n.op.name == "scan" else 0) for n in nodes)


@every_layer
def test_the_graph_does_not_grow_with_the_length(kind):
    layer = LAYERS[kind](3, 4)
    sizes = []
    for length in (10, 1000):
        x = tg.placeholder((length, 2, 3), name="x")
        output, _ = layer(x, lengths=tg.placeholder((2,), "int64", name="n"))
        sizes.append(reachable(output, tg.grad(lambda x: tg.sum(layer(x)[0]))(x)))
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(
    ("kind", "forward", "backward"),
    [("RNN", 1, 2), ("LSTM", 2, 2), ("GRU", 2, 3), ("PeepholeLSTM", 3, 4), ("GRU before", 3, 4),
     ("LSTM projected", 3, 3)],
)  # fmt: skip
def test_kernels_of_a_step(kind, forward, backward):
    """What one step becomes, but for copies: a matrix product and what follows it, mostly."""
    layer = LAYERS[kind](3, 4)
    x = tg.placeholder((5, 2, 3), name="x")
    output = layer(x)[0]
    tg.sum(output * output).backward()
    grads = [parameter.grad for parameter in layer.parameters()]
    for outputs, expected in (([output], [forward]), (grads, [forward, backward])):
        tape = tape_of(*outputs, inputs=[x])
        loops = [ins.params["body"] for ins in tape.instructions if ins.kernel.name == "scan"]
        kernels = [
            [ins.kernel for ins in body_tape(body, fuse=True).instructions] for body in loops
        ]
        assert [sum(k.name != "copy" for k in step) for step in kernels] == expected


@every_layer
def test_lengths_as_an_input_of_a_graph_with_open_sizes(kind, rng):
    layer = LAYERS[kind](3, 4, bidirectional=True, batch_first=True)
    x = tg.placeholder((None, None, 3), name="x")
    lengths = tg.placeholder((None,), "int64", name="lengths")
    output, last = layer(x, lengths=lengths)
    run = tg.function([x, lengths], [output, *flat(last)])
    for batch, counts in ((2, [4, 1]), (3, [2, 0, 6])):
        array = rng.standard_normal((batch, max(counts), 3)).astype("float32")
        found = run(array, np.array(counts))
        for b, count in enumerate(counts):
            if not count:
                assert not any(np.any(part.numpy()[b if i == 0 else (slice(None), b)])
                               for i, part in enumerate(found))  # fmt: skip
                continue
            alone, states = layer(tg.tensor(array[b, :count]))
            np.testing.assert_allclose(found[0].numpy()[b, :count], alone.numpy(), atol=1e-6)
            assert not np.any(found[0].numpy()[b, count:])
            for one, wanted in zip(found[1:], flat(states), strict=True):
                np.testing.assert_allclose(one.numpy()[:, b], wanted.numpy(), atol=1e-6)


def test_an_lstm_recalls_the_first_symbol_after_twenty_steps(rng):
    tg.manual_seed(0)
    layer, head = nn.LSTM(4, 16), nn.Linear(16, 2)
    layer.bias_ih_l0.assign(np.repeat([0, 3, 0, 0], 16).astype("float32"))  # forgets little
    optimizer = tg.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.01)
    for _ in range(60):  # new sequences each time, so the last are ones that it has not seen
        symbols = rng.integers(2, 4, (21, 64))
        symbols[0] -= 2
        x = tg.tensor(np.eye(4, dtype="float32")[symbols])
        logits = head(layer(x)[1][0][0])
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits, tg.tensor(symbols[0])).backward()
        optimizer.step()
    assert np.all(logits.numpy().argmax(axis=1) == symbols[0])


def test_jit_compiles_a_layer_once(rng):
    layer = nn.LSTM(3, 4)
    traced = []

    @tg.jit
    def run(x, lengths):
        traced.append(x)
        return layer(x, lengths=lengths)[0]

    x = tg.tensor(rng.standard_normal((5, 2, 3)).astype("float32"))
    for counts in ([5, 2], [1, 3]):
        found = run(x, tg.tensor(counts))
        np.testing.assert_allclose(found.numpy(), layer(x, lengths=counts)[0].numpy(), atol=1e-6)
    assert len(traced) == 1


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@every_layer
def test_other_floats(kind, dtype, rng):
    layer = LAYERS[kind](3, 4, dtype=dtype)
    x = rng.standard_normal((5, 2, 3))
    output, last = layer(tg.tensor(x, dtype=dtype), lengths=[5, 2])
    assert {part.dtype.name for part in (output, *flat(last))} == {dtype}
    exact = LAYERS[kind](3, 4, dtype="float64")
    exact.load_state_dict({k: v.astype("float64") for k, v in layer.state_dict().items()})
    wanted = exact(tg.tensor(x), lengths=[5, 2])[0].numpy()
    np.testing.assert_allclose(output.numpy(), wanted, atol=1e-2)


def test_one_sequence_with_a_length(rng):
    layer = nn.LSTM(3, 4, bidirectional=True)
    x = tg.tensor(rng.standard_normal((5, 3)).astype("float32"))
    output, (h, _) = layer(x, lengths=3)
    alone, (wanted, _) = layer(x[:3])
    np.testing.assert_allclose(output.numpy()[:3], alone.numpy(), atol=1e-6)
    np.testing.assert_allclose(h.numpy(), wanted.numpy(), atol=1e-6)
    assert output.shape == (5, 8)
    assert not np.any(output.numpy()[3:])


# ------------------------------------------------------------------------------------- dropout


def test_dropout_acts_between_layers_while_training(rng):
    layer = nn.LSTM(3, 4, num_layers=2, dropout=0.5)
    x = tg.tensor(rng.standard_normal((5, 2, 3)).astype("float32"))
    once, again = layer(x)[0].numpy(), layer(x)[0].numpy()
    assert np.any(once != again)
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].numpy(), layer(x)[0].numpy())


def test_what_is_all_dropped_leaves_the_biases(rng):
    layer = nn.RNN(3, 4, num_layers=2, dropout=1.0)
    x = tg.tensor(rng.standard_normal((1, 2, 3)).astype("float32"))
    biases = layer.state_dict()["bias_ih_l1"] + layer.state_dict()["bias_hh_l1"]
    np.testing.assert_allclose(layer(x)[0].numpy()[0, 0], np.tanh(biases), rtol=1e-6)


# -------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"input_size": 0}, ValueError, "expected input_size to be an integer from 1, got 0"),
        ({"hidden_size": 0}, ValueError, "expected hidden_size to be an integer from 1, got 0"),
        ({"num_layers": 0}, ValueError, "expected num_layers to be an integer from 1, got 0"),
        ({"dropout": 2}, ValueError, "expected dropout from 0 to 1, got 2"),
        ({"dropout": True}, ValueError, "expected dropout from 0 to 1, got True"),
        ({"bias": 1}, TypeError, "expected bias to be a bool, got 1"),
        ({"batch_first": "no"}, TypeError, "expected batch_first to be a bool, got 'no'"),
        ({"bidirectional": 2}, TypeError, "expected bidirectional to be a bool, got 2"),
    ],
)
def test_wrong_options(kind, options, error, message):
    with pytest.raises(error, match=f"{kind.__name__}: {message}"):
        kind(**{"input_size": 3, "hidden_size": 4, **options})


def test_wrong_options_of_single_layers():
    with pytest.raises(ValueError, match="LSTM: expected proj_size below 4, got 4"):
        nn.LSTM(3, 4, proj_size=4)
    for kind in (nn.RNN, nn.RNNCell):
        with pytest.raises(ValueError, match=f"{kind.__name__}: expected a nonlinearity of"):
            kind(3, 4, nonlinearity="sigmoid")
    with pytest.raises(ValueError, match=r"RNNBase: expected a mode of RNN_TANH, .* got 'SRU'"):
        nn.RNNBase("SRU", 3, 4)
    with pytest.raises(TypeError, match="GRUCell: expected bias to be a bool, got 3"):
        nn.GRUCell(3, 4, 3)


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((5, 2, 2), {}, "(length, batch, 3) or (length, 3), got shape (5, 2, 2)"),
        ((5, 2, 2), {"batch_first": True}, "(batch, length, 3) or (length, 3), got shape"),
        ((3,), {}, "(length, batch, 3) or (length, 3), got shape (3,)"),
    ],
)
def test_wrong_inputs(shape, options, expected):
    with pytest.raises(ShapeError) as caught:
        nn.LSTM(3, 4, **options)(tg.ones(shape))
    assert f"LSTM: expected an input {expected}" in str(caught.value)


def test_wrong_types_of_inputs():
    layer = nn.LSTM(3, 4)
    message = "LSTM: expected an input of float32, as the parameters are; got "
    for dtype in ("int64", "float64"):
        with pytest.raises(DTypeError, match=message + dtype):
            layer(tg.ones((5, 2, 3), dtype=dtype))
    with pytest.raises(DTypeError, match=message + "float64"):
        layer(np.ones((5, 2, 3)))
    with pytest.raises(DTypeError, match=r"LSTM: expected a Tensor, .*, got list"):
        layer([1.0])


def test_wrong_states():
    layer, x = nn.LSTM(3, 4), tg.ones((5, 2, 3))
    h = tg.ones((1, 2, 4))
    with pytest.raises(ShapeError, match=r"LSTM: expected h of shape \(1, 2, 4\), got \(1, 5, 4\)"):
        layer(x, (tg.ones((1, 5, 4)), h))
    with pytest.raises(ShapeError, match=r"LSTM: expected c of shape \(1, 2, 4\), got \(1, 4\)"):
        layer(x, (h, tg.ones((1, 4))))
    with pytest.raises(ShapeError, match=r"LSTM: expected h of shape \(1, 4\), got \(1, 1, 4\)"):
        layer(x[:, 0], (h[:, :1], h[:, :1]))
    with pytest.raises(DTypeError, match="LSTM: expected c of float32, as the input is; got int64"):
        layer(x, (h, h.astype("int64")))
    with pytest.raises(TypeError, match="LSTM: expected h to be a Tensor, got a int"):
        layer(x, (1, 2))
    with pytest.raises(TypeError, match=r"LSTM: expected hx to be a pair \(h, c\), got a Tensor"):
        layer(x, h)
    with pytest.raises(TypeError, match="GRU: expected h to be a Tensor, got a tuple"):
        nn.GRU(3, 4)(x, (h, h))
    with pytest.raises(ShapeError, match=r"expected h of shape \(5, 4\), got \(2, 4\)"):
        nn.GRUCell(3, 4)(x[:, 0], tg.ones((2, 4)))
    with pytest.raises(ShapeError, match=r"GRUCell: expected an input \(batch, 3\) or \(3\), got"):
        nn.GRUCell(3, 4)(x)


def test_wrong_lengths():
    layer, x = nn.GRU(3, 4), tg.ones((5, 2, 3))
    with pytest.raises(ShapeError, match=r"GRU: expected lengths of shape \(2,\), got \(3,\)"):
        layer(x, lengths=[1, 2, 3])
    with pytest.raises(DTypeError, match="GRU: expected lengths of integers, got float"):
        layer(x, lengths=tg.tensor([1.0, 2.0]))
    for counts, wrong in (([6, 2], 6), ([-1, 2], -1)):
        with pytest.raises(IndexError, match=f"length {wrong} is out of range: expected 0 to 5"):
            layer(x, lengths=counts)[0].numpy()
    packed = pack_padded_sequence(x, [5, 2])
    with pytest.raises(TypeError, match="GRU: a PackedSequence has its lengths"):
        layer(packed, lengths=[5, 2])
    with pytest.raises(ShapeError, match=r"expected an input \(sum of the lengths, 3\), got"):
        layer(pack_padded_sequence(x[..., 0], [5, 2]))


def test_lengths_of_packed_sequences_are_known_when_the_graph_is_built():
    x, lengths = tg.placeholder((5, 2, 3), name="x"), tg.placeholder((2,), "int64", name="n")
    with pytest.raises(TraceError, match=r"the values of lengths while .* lengths=lengths"):
        pack_padded_sequence(x, lengths)
    with pytest.raises(TraceError, match="the values of lengths while the graph is built"):
        tg.jit(lambda n: pack_padded_sequence(tg.ones((5, 2)), n).data)(tg.tensor([5, 2]))
    output, _ = nn.GRU(3, 4)(pack_padded_sequence(x, [5, 2]))
    assert output.data.shape == (7, 4)
