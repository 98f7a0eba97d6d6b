"""Operators and methods of Tensor."""

import copy
import inspect
import operator
import pickle
import re

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.array.methods import SAME, methods
from tinygraph.errors import BackendError, DTypeError, ShapeError

X = np.array([[1.5, -2.0], [3.0, 0.25]], "float32")
N = np.array([[5, -3], [7, 2]])
OPERATORS = ["add", "sub", "mul", "truediv", "floordiv", "mod", "eq", "ne", "lt", "le", "gt", "ge"]


def same(got, want, **options):
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6, **options)
    assert got.dtype == np.asarray(want).dtype


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("other", [2, 0.5, np.float32(1.5), X + 9, np.array([1, 2])])
def test_arithmetic_and_comparison(name, other):
    op = getattr(operator, name)
    if isinstance(other, np.ndarray) and other.dtype.kind == "i":
        wanted, reflected = op(X, other.astype("float32")), op(other.astype("float32"), X)
    else:
        wanted, reflected = op(X, other), op(other, X)
    t = tg.tensor(X)
    same(op(t, other), wanted)
    same(op(other, t), reflected)
    if isinstance(other, np.ndarray):
        same(op(t, tg.tensor(other)), wanted)


@pytest.mark.parametrize("name", ["and_", "or_", "xor", "lshift", "rshift"])
def test_bits(name):
    op = getattr(operator, name)
    other = np.array([[1, 2], [3, 0]])
    same(op(tg.tensor(N), tg.tensor(other)), op(N, other))
    same(op(tg.tensor(N), 2), op(N, 2))
    same(op(2, tg.tensor(np.abs(N))), op(2, np.abs(N)))
    if name.endswith("or_") or name == "xor":
        same(op(tg.tensor(X > 0), X < 1), op(X > 0, X < 1))
    np.testing.assert_array_equal(op(other, tg.tensor(np.abs(N))).numpy(), op(other, np.abs(N)))
    same(~tg.tensor(N), ~N)
    same(~tg.tensor(X > 0), ~(X > 0))


def test_power_and_single_operators():
    t = tg.tensor(X)
    same(t**2, X**2)
    same(abs(t) ** 0.5, np.abs(X) ** np.float32(0.5))
    same(2.0**t, np.float32(2) ** X)
    same(-t, -X)
    same(+t, X)
    same(abs(t), abs(X))
    same(tg.positive(X), X)
    same(tg.signbit(np.array([-0.0, 0.0, -2.0])), np.array([True, False, True]))


def test_division_of_integers_is_float32():
    quotient = tg.tensor([7, 2]) / 2
    assert quotient.dtype == tg.float32
    assert quotient.tolist() == [3.5, 1.0]
    assert (1 / tg.tensor(4)).item() == 0.25


@pytest.mark.parametrize("name", ["iadd", "isub", "imul", "itruediv", "ipow", "ifloordiv", "imod"])
def test_in_place_operators(name):
    op = getattr(operator, name)
    t = alias = tg.tensor(X)
    t = op(t, 2.0)
    assert t is alias
    same(t, op(X.copy(), np.float32(2)))
    with pytest.raises(ShapeError, match=re.escape("of shape (2, 2) cannot become one of shape")):
        op(t, np.ones((3, 2, 2), np.float32))


def test_in_place_operators_keep_the_dtype():
    t = tg.tensor([1, 2])
    t += np.int8(3)
    assert t.tolist() == [4, 5]
    with pytest.raises(DTypeError, match="a value of float32 does not go into int64"):
        t += 0.5
    with pytest.raises(TypeError, match="unsupported operand"):
        t += "a"
    t ^= 1
    assert t.tolist() == [5, 4]


def test_in_place_methods():
    t = tg.zeros(3)
    assert t.fill_(2.0).add_(1.0).mul_(4).sub_(2).div_(5) is t
    same(t, np.full(3, 2, np.float32))
    same(t.copy_(np.arange(3)), np.arange(3, dtype=np.float32))
    same(t.clamp_(0.5, 1.5), np.array([0.5, 1, 1.5], np.float32))
    same(t.zero_(), np.zeros(3, np.float32))


def test_other_objects_are_left_to_python():
    t = tg.zeros(2)

    class Other:
        def __radd__(self, other):
            return "mine"

    assert t + Other() == "mine"
    assert (t == None) is False  # noqa: E711 - what is tested
    assert t != "a"
    for wrong in ("a", None, {}):
        with pytest.raises(TypeError, match="unsupported operand"):
            t + wrong
    for wrong in ([1, 2], (1, 2)):
        with pytest.raises(DTypeError, match=re.escape("make a Tensor with tg.tensor")):
            tg.tensor(3) * wrong
        with pytest.raises(DTypeError, match=re.escape("make a Tensor with tg.tensor")):
            t == wrong  # noqa: B015 - what is tested
    assert len({t, t, tg.zeros(2)}) == 2


def test_numpy_functions_and_arrays_on_the_left():
    t = tg.tensor(X)
    for got, want in (
        (X + t, X + X),
        (np.float32(2) * t, 2 * X),
        (np.exp(t), np.exp(X)),
        (np.sum(t, axis=0), X.sum(0)),
        (np.where(X > 0, t, 0.0), np.where(X > 0, X, 0)),
        (np.concatenate([t, t]), np.concatenate([X, X])),
        (X @ t, X @ X),
    ):
        assert isinstance(got, tg.Tensor)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)
    with pytest.raises(TypeError, match="does not work on a Tensor"):
        np.fft.fft(t)


def test_dtype_methods():
    t = tg.tensor([1.7, 0.0])
    assert [t.float().dtype, t.double().dtype, t.half().dtype] == [
        tg.float32,
        tg.float64,
        tg.float16,
    ]
    assert t.long().tolist() == [1, 0]
    assert t.int().dtype == tg.int32
    assert t.bool().tolist() == [True, False]
    assert t.to(tg.float64).dtype == t.astype("float64").dtype == t.type("float64").dtype
    assert t.to(tg.zeros(1, dtype="int8")).dtype == tg.int8
    assert t.to(tg.config.get("BACKEND")) is t
    assert t.to_device(tg.config.get("BACKEND")) is t
    with pytest.raises(BackendError, match="device 'cuda' is not in force"):
        t.to_device("cuda")
    with pytest.raises(DTypeError, match="'cuda' is not a dtype"):
        t.to("cuda")


def test_small_methods():
    t = tg.tensor(X)
    assert (t.dim(), t.numel(), t.contiguous(), t.cpu()) == (2, 4, t, t)
    assert t.new_zeros(2, 3).shape == (2, 3)
    assert t.new_ones((2,)).dtype == tg.float32
    assert 3.0 in t
    assert 9.0 not in t
    assert [row.tolist() for row in t] == X.tolist()
    assert t.clamp(min=0).tolist() == np.clip(X, 0, None).tolist()
    assert t.eq(t).all().item()
    assert t.__array_namespace__(api_version="2024.12") is tg
    with pytest.raises(ValueError, match="the version 1999"):
        t.__array_namespace__(api_version="1999.1")
    with pytest.raises(ShapeError, match="needs at most 2 dimensions, got 3"):
        tg.zeros(1, 1, 1).t()
    np.testing.assert_array_equal(np.from_dlpack(t), X)


def test_copies_and_pickles():
    x = tg.tensor(X, requires_grad=True)
    for y in (copy.deepcopy(x), copy.deepcopy(x * 1), pickle.loads(pickle.dumps(x))):
        y.sum().backward()
        assert y.grad.shape == y.shape
        assert x.grad is None
        same(y.detach(), X)
    count = tg.state([1, 2], name="count")
    other = copy.deepcopy(count)
    assert (other.is_state, other.name) == (True, "count")
    other += 1
    assert count.tolist() == [1, 2]
    with pytest.raises(TypeError, match="a Parameter is not pickled"):
        pickle.dumps(tg.nn.Parameter(X))


def test_every_method_has_a_docstring_and_a_tensor_first():
    for name, method in methods().items():
        found = method.fget if isinstance(method, property) else method
        assert found.__doc__, name
        assert getattr(tg.Tensor, name) is not None
    for module, names in SAME.items():
        for name in names.split():
            assert getattr(tg, name, None) is not None or module.__name__.endswith("assign"), name


def test_open_sizes_are_numbers_in_arithmetic():
    x = tg.placeholder((None,), name="x")
    n = x.shape[0]
    f = tg.function([x], [x * n, n - x, x.sum() / n, n * 2 + x])
    got = [y.numpy() for y in f(np.array([1, 2, 3], np.float32))]
    for a, b in zip(got, [[3, 6, 9], [2, 1, 0], 2, [7, 8, 9]], strict=True):
        np.testing.assert_array_equal(a, b)


def test_comparisons():
    x = np.array([1.0, np.nan, np.inf, -np.inf, 1e9])
    y = np.array([1.0 + 1e-9, np.nan, np.inf, np.inf, 1e9 + 1])
    for equal_nan in (False, True):
        np.testing.assert_array_equal(tg.isclose(x, y, equal_nan=equal_nan).numpy(),
                                      np.isclose(x, y, equal_nan=equal_nan))  # fmt: skip
        assert tg.array_equal(x, x, equal_nan) == np.array_equal(x, x, equal_nan)
    assert tg.allclose(x[:1], y[:1]) is True
    assert tg.allclose(x, y) is False
    assert tg.array_equal(x, x[:2]) is False


def test_elementwise_functions_show_what_they_take():
    for function, names in ((tg.exp, ["x"]), (tg.relu, ["x"]), (tg.add, ["x1", "x2"])):
        assert list(inspect.signature(function).parameters) == names
    assert tg.exp(x=0.0).item() == 1.0
    with pytest.raises(TypeError, match=r"exp\(\) takes 1 positional argument"):
        tg.exp(1.0, 2.0)


def test_elementwise_functions_say_where_they_were_given_nonsense():
    with pytest.raises(DTypeError, match=r"exp: expected a Tensor.*got str(.|\n)*test_methods"):
        tg.exp("a")
