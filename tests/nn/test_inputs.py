"""What layers take for an input, and how they say what they cannot take."""

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import nn
from tinygraph.errors import DTypeError, ShapeError
from tinygraph.nn import functional as F

LAYERS = {
    "ActivityRegularization": (nn.ActivityRegularization(0.1), [(3, 4)]),
    "BahdanauAttention": (nn.BahdanauAttention(4, 4, 2), [(3, 2, 4), (3, 5, 4)]),
    "BatchNorm1d": (nn.BatchNorm1d(4), [(3, 4)]),
    "ConstantPad1d": (nn.ConstantPad1d(1, 2.0), [(3, 4)]),
    "GRU": (nn.GRU(4, 2), [(3, 5, 4), (1, 5, 2)]),
    "InstanceNorm1d": (nn.InstanceNorm1d(4), [(3, 4, 5)]),
    "LSTMCell": (nn.LSTMCell(4, 2), [(3, 4)]),
    "LearnedPositionalEmbedding": (nn.LearnedPositionalEmbedding(4, 9), [(3, 4)]),
    "Linear": (nn.Linear(4, 2), [(3, 4)]),
    "MultiheadAttention": (nn.MultiheadAttention(4, 2), [(3, 2, 4)] * 3),
    "ReflectionPad1d": (nn.ReflectionPad1d(1), [(3, 4)]),
    "Reparametrize": (nn.Reparametrize().eval(), [(3, 4), (3, 4)]),
    "SinusoidalPositionalEncoding": (nn.SinusoidalPositionalEncoding(4), [(3, 4)]),
    "Transformer": (nn.Transformer(4, 2, 1, 1, 8, 0.0), [(3, 2, 4)] * 2),
    "TransformerDecoderLayer": (nn.TransformerDecoderLayer(4, 2, 8, 0.0), [(3, 2, 4)] * 2),
}
WRONG = {"list": [[1.0]], "str": "x", "NoneType": None, "ReLU": nn.ReLU()}


def arrays(shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype("float32") for shape in shapes]


def flat(result):
    return result if isinstance(result, tuple) else (result,)


def values(result):
    return [part.numpy() for part in flat(result)]


@pytest.mark.parametrize("name", LAYERS)
def test_arrays_are_taken_as_tensors_are(name):
    layer, shapes = LAYERS[name]
    inputs = arrays(shapes)
    for of_arrays, of_tensors in zip(
        values(layer(*inputs)), values(layer(*map(tg.tensor, inputs))), strict=True
    ):
        np.testing.assert_array_equal(of_arrays, of_tensors)


@pytest.mark.parametrize("name", LAYERS)
def test_all_sizes_may_be_open(name):
    layer, shapes = LAYERS[name]
    inputs = arrays(shapes)
    opened = [tg.placeholder((None,) * len(shape), name=f"x{i}") for i, shape in enumerate(shapes)]
    run = tg.function(opened, list(flat(layer(*opened))))
    for found, expected in zip(run(*inputs), flat(layer(*inputs)), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_array_is_named_with_the_users_line(name, kind):
    layer, shapes = LAYERS[name]
    if name == "Reparametrize":
        layer.train()
    with pytest.raises(DTypeError, match=rf"^\w+: expected a Tensor.* got {kind}") as caught:
        layer(WRONG[kind], *arrays(shapes)[1:])
    assert "test_inputs.py" in str(caught.value)


def test_an_error_of_a_layer_names_the_line_of_the_network():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x):
            return self.norm(x)  # here

    with pytest.raises(ShapeError) as caught:
        nn.Sequential(Network())(tg.ones((2, 3)))
    text = str(caught.value)
    assert text.startswith("BatchNorm2d: expected an input with 4 dimensions, got shape (2, 3)")
    assert text.endswith("return self.norm(x)  # here")


def test_a_penalty_of_activations_needs_a_batch():
    with pytest.raises(ShapeError, match=r"expected \(batch, ...\), got shape \(\)"):
        nn.ActivityRegularization(0.1)(tg.tensor(1.0))


IMAGES, KERNELS = tg.ones((1, 4, 6, 6)), tg.ones((6, 4, 3, 3))
NUMBERS = [
    (lambda: nn.Linear(tg.tensor(3.5), 2), TypeError, "an integer .* is an index, not float"),
    (lambda: nn.Conv2d(1, 1, tg.tensor(1.5)), TypeError, "is an index, not float32"),
    (lambda: F.conv2d(IMAGES, KERNELS, groups=tg.tensor(1.0)), TypeError, "is an index, not float"),
    (lambda: F.conv2d(IMAGES, KERNELS, groups=-1), ShapeError, "groups of at least 1, got -1"),
    (lambda: F.conv_transpose2d(IMAGES, KERNELS, groups="a"), DTypeError, "groups to be made of"),
    (lambda: F.mixup(IMAGES, tg.tensor([0]), num_classes=-1), ValueError, "num_classes, .*got -1"),
    (lambda: F.smooth_labels(tg.tensor([0]), 0.1, 0), ValueError, "num_classes, .*got 0"),
    (
        lambda: F.batch_norm(IMAGES, np.zeros(4), np.ones(4)),
        DTypeError,
        "batch_norm: expected running_mean to be a Tensor, since it changes, got ndarray",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), NUMBERS, ids=[row[2] for row in NUMBERS])
def test_wrong_numbers_are_neither_rounded_nor_handed_on(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_tensor_may_be_a_size():
    assert nn.Linear(tg.tensor(3), 2).in_features == 3
    assert F.conv2d(IMAGES, KERNELS, groups=tg.tensor(1)).shape == (1, 6, 4, 4)
