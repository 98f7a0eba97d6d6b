"""Which dtype each function computes in within `autocast`, and where the switch is on."""

import importlib
import threading

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import amp, nn
from tinygraph.array.precision import FULL, LOW, precision_of
from tinygraph.errors import DTypeError
from tinygraph.nn import functional as F

LOWS = ["bfloat16", "float16"]
BOTH = pytest.mark.parametrize("dtype", LOWS)

# ------------------------------------------------------------------------- which dtype results

PRODUCTS = {
    "@": lambda x: x @ x,
    "matmul": lambda x: tg.matmul(x, x),
    "dot": lambda x: tg.dot(x, x),
    "vecdot": lambda x: tg.vecdot(x, x),
    "tensordot": lambda x: tg.tensordot(x, x, 1),
    "einsum": lambda x: tg.einsum("ij,jk->ik", x, x),
    "linear": lambda x: F.linear(x, x, x[0]),
    "conv1d": lambda x: F.conv1d(x[None], x[:, :, None]),
    "conv2d": lambda x: F.conv2d(x[None, None], x[None, None, :2]),
    "conv_transpose1d": lambda x: F.conv_transpose1d(x[None], x[:, :, None]),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "flash attention": lambda x: F.flash_attention(x[None], x[None], x[None]),
    "linear attention": lambda x: F.linear_attention(x[None], x[None], x[None]),
    "self-attention": lambda x: F.self_attention(x, x, x, x)[0],
}
SUMS = {
    "sum": tg.sum,
    "mean": lambda x: x.mean(),
    "prod": tg.prod,
    "variance": tg.var,
    "cumulative sum": lambda x: tg.cumulative_sum(x, axis=0),
    "softmax": tg.softmax,
    "F.softmax": F.softmax,
    "log-softmax": F.log_softmax,
    "logsumexp": tg.logsumexp,
    "layer norm": lambda x: F.layer_norm(x, (4,)),
    "group norm": lambda x: F.group_norm(x, 2),
    "RMS norm": lambda x: F.rms_norm(x, (4,)),
    "batch norm": lambda x: F.batch_norm(x, None, None, training=True),
    "normalize": F.normalize,
    "norm": tg.linalg.norm,
    "mean square": lambda x: F.mse_loss(x, x),
    "cross-entropy": lambda x: F.cross_entropy(x, tg.tensor([0, 1, 2, 3])),
    "binary cross-entropy": lambda x: F.binary_cross_entropy_with_logits(x, x),
    "contrastive": lambda x: F.nt_xent_loss(x, x),
    "cosine": lambda x: F.cosine_similarity(x, x),
}
OTHERS = {
    "relu": F.relu,
    "exp": tg.exp,
    "times a number": lambda x: x * 2.5,
    "transposed": lambda x: x.T,
    "max": tg.max,
    "pooling": lambda x: F.max_pool1d(x[None], 2),
}


def given(dtype="float32"):
    return tg.tensor(np.eye(4) + 0.5, dtype=dtype)


@BOTH
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_made_in_16_bits(name, dtype):
    """Of 32 bits and of 16; close to what 32 give."""
    expected = PRODUCTS[name](given())
    with amp.autocast(dtype=dtype):
        for x in (given(), given("float16"), given("bfloat16")):
            found = PRODUCTS[name](x)
            assert found.dtype == dtype
            np.testing.assert_allclose(
                found.astype("float32").numpy(), expected.numpy(), rtol=0.02, atol=0.02
            )


@BOTH
@pytest.mark.parametrize("name", SUMS)
def test_sums_and_losses_are_made_in_32_bits(name, dtype):
    """To float32's precision, of what they are given, products within them too."""
    x = given(dtype)
    expected = SUMS[name](x.astype("float32"))
    with amp.autocast(dtype=dtype):
        found = SUMS[name](x)
        assert found.dtype == "float32"
        assert SUMS[name](given()).dtype == "float32"
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6)


@BOTH
@pytest.mark.parametrize("name", OTHERS)
def test_others_take_what_they_get(name, dtype):
    with amp.autocast(dtype=dtype):
        assert OTHERS[name](given()).dtype == "float32"
        assert OTHERS[name](given(dtype)).dtype == dtype


def test_16_and_32_bits_together_are_32():
    with amp.autocast():
        assert (given() + given("bfloat16")).dtype == "float32"


def test_64_bits_and_integers_are_left_alone():
    with amp.autocast():
        for table in (PRODUCTS, SUMS):
            for function in table.values():
                assert function(given("float64")).dtype == "float64"
        assert (given("int32") @ given("int32")).dtype == "int32"
        assert tg.sum(tg.ones(3, dtype="int64")).dtype == "int64"
        assert F.linear(given("float64"), given()).dtype == "float64"


def test_numpy_arrays_are_cast_too():
    x = np.ones((4, 4), "float32")
    with amp.autocast():
        assert F.linear(x, x).dtype == "bfloat16"
        assert F.linear(input=x, weight=x, bias=x[0]).dtype == "bfloat16"


def test_every_loss_has_its_place():
    """A loss that is written in a new file must be entered in the table."""
    for name in F.__all__:
        function = getattr(F, name)
        if name.endswith(("_loss", "entropy", "nll", "_kl", "norm")):
            assert precision_of(function.__wrapped__) == "full", name
        if "attention" in name or (name.startswith("conv") and "size" not in name):
            assert precision_of(function.__wrapped__) == "low", name


def test_the_tables_name_what_is_there():
    for table in (LOW, FULL):
        for home, names in table.items():
            module = importlib.import_module(f"tinygraph.{home}")
            assert all(hasattr(module, name) for name in names.split() if name != "*")


# ---------------------------------------------------------------------------------- the switch


def test_the_switch_goes_on_and_off_again():
    x = given()

    def dtype():
        return (x @ x).dtype.name

    with amp.autocast():
        assert dtype() == "bfloat16"
        with amp.autocast(dtype="float16"):
            assert dtype() == "float16"
            with amp.autocast(enabled=False):
                assert dtype() == "float32"
            assert dtype() == "float16"
        with pytest.raises(KeyError), amp.autocast(dtype="float16"):
            raise KeyError
        assert dtype() == "bfloat16"
    assert dtype() == "float32"
    switch = amp.autocast("cuda", tg.float16, True, True)
    with switch, switch:
        assert dtype() == "float16"
    assert dtype() == "float32"


def test_a_decorated_function():
    @amp.autocast("cpu", dtype="float16")
    def square(x):
        """What it does."""
        return x @ x

    assert square.__doc__ == "What it does."
    assert square(given()).dtype == "float16"
    assert (given() @ given()).dtype == "float32"


def test_other_threads_have_their_own():
    found = []
    with amp.autocast():
        thread = threading.Thread(target=lambda: found.append((given() @ given()).dtype.name))
        thread.start()
        thread.join()
    assert found == ["float32"]


def test_a_trace_holds_for_one_precision():
    """What was traced within autocast is not run outside of it, nor for another dtype."""

    @tg.jit
    def product(x):
        return x @ x

    @tg.jit
    def cast_within(x):
        with amp.autocast():
            return x @ x

    x = given()
    dtypes = []
    for _ in range(2):
        dtypes.append(product(x).dtype.name)
        for low in LOWS:
            with amp.autocast(dtype=low):
                dtypes.append(product(x).dtype.name)
    assert dtypes == ["float32", "bfloat16", "float16"] * 2
    assert product.traces == 3
    assert cast_within(x).dtype == "bfloat16" == cast_within(x).dtype
    assert cast_within.traces == 1


def test_gradients_are_those_of_the_casts():
    """In 16 bits through the products, in 32 at the parameters; within the block or after it."""
    layer = nn.Linear(4, 2)
    found = []
    for inside in (True, False):
        layer.zero_grad()
        with amp.autocast():
            loss = F.mse_loss(layer(given()), tg.zeros((4, 2)))
            if inside:
                loss.backward()
        if not inside:
            loss.backward()
        assert layer.weight.grad.dtype == "float32"
        found.append(layer.weight.grad.numpy())
    np.testing.assert_array_equal(*found)


def test_a_gradient_taken_within_leaves_what_was_built_outside():
    """The backward pass of a product of 32 bits is one of 32 bits."""
    w = nn.Parameter(given())
    loss = tg.sum((w @ w) * 0.1)
    with amp.autocast():
        loss.backward()
        inside = w.grad.numpy()
    w.grad = None
    tg.sum((w @ w) * 0.1).backward()
    np.testing.assert_array_equal(inside, w.grad.numpy())


def test_frozen_weights_are_cast_too():
    layer = nn.Linear(4, 2).freeze()
    with amp.autocast():
        assert layer(given()).dtype == "bfloat16"


def test_running_averages_are_kept_in_32_bits():
    norm, plain = nn.BatchNorm1d(4), nn.BatchNorm1d(4)
    with amp.autocast():
        assert norm(given("bfloat16")).dtype == "float32"
    plain(given())
    np.testing.assert_array_equal(norm.running_mean.numpy(), plain.running_mean.numpy())
    assert norm.num_batches_tracked.item() == 1


def test_running_averages_of_a_converted_model_are_assigned():
    norm = nn.BatchNorm1d(4).bfloat16()
    with amp.autocast():
        norm(given("bfloat16"))
    assert norm.running_mean.tolist() != [0.0] * 4


@pytest.mark.parametrize("layer", [nn.LSTM(4, 3), nn.GRU(4, 3), nn.RNN(4, 3), nn.LSTMCell(4, 3)])
def test_recurrent_layers_compute_in_32_bits(layer):
    x = given("bfloat16")
    expected = layer(x.astype("float32"))[0]
    with amp.autocast():
        found = layer(x)[0]
    assert found.dtype == "float32"
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_packed_sequences():
    low = {"dtype": "bfloat16"}
    packed = nn.utils.rnn.pack_sequence([tg.ones((3, 4), **low), tg.ones((2, 4), **low)])
    with amp.autocast():
        found, _ = nn.GRU(4, 3)(packed)
    assert found.data.dtype == "float32"


def test_a_transformer_layer():
    """Attention and the linear maps in 16 bits; the norm that ends it in 32."""
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0)
    x = tg.randn((5, 2, 4))
    expected = layer(x)
    with amp.autocast():
        assert layer.self_attn(x, x, x)[0].dtype == "bfloat16"
        assert layer.linear1(x).dtype == "bfloat16"
        found = layer(x)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=0.05)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: amp.autocast(dtype="float64"), DTypeError, "bfloat16 or float16, got float64"),
        (lambda: amp.autocast("float16"), TypeError, r"autocast\(dtype='float16'\)"),
        (lambda: amp.autocast(tg.float16), TypeError, "the name of a device first"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
