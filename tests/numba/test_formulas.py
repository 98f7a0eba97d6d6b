"""Each elementwise op in the kernel language against its `eval`, for all dtypes that it takes."""

import itertools
import re
from dataclasses import replace
from unittest import mock

import ml_dtypes
import numpy as np
import pytest
from texts import apply, name_of, same

from tinygraph.dtypes import ALL, SIGNED, bfloat16, bool_, float16, is_bool, is_float, is_integer
from tinygraph.errors import DTypeError
from tinygraph.graph.node import Aval
from tinygraph.ops import REGISTRY
from tinygraph_numba.maths.formulas import expression

OPS = {name: op for name, op in REGISTRY.items() if op.scalar and name != "cast"}
NOT_NATIVE = {("nextafter", float16), ("nextafter", bfloat16), *(("pow", each) for each in SIGNED)}
EDGES = (0, 0.25, 0.5, 1, 1.5, 2.5, 3, 100, 1e-3, np.inf)
LARGEST_ANGLE = 1e9
STEPS = 12  # that NumPy's and SciPy's results and ours may be apart
# where the result is near 0 they are apart by as much as their largest part is uncertain
CANCELLING = ("logaddexp", "lgamma", "digamma")


def operands(op, dtype):
    """The dtypes of the operands, where the last is `dtype`."""
    count = len(set(re.findall(r"\b[abc]\b", op.scalar)))
    dtypes = [dtype] * count
    return [bool_, *dtypes[1:]] if op.name == "where" else dtypes


def cases():
    """All ops with all dtypes that they are defined on."""
    for (name, op), dtype in itertools.product(OPS.items(), ALL):
        try:
            result = op.infer(*(Aval((1,), each) for each in operands(op, dtype)))
        except DTypeError:
            continue
        yield pytest.param(op, dtype, result.dtype, id=f"{name}-{dtype.name}")


def values(dtype, rng):
    """Edge values, and some between them."""
    if is_bool(dtype):
        return np.array([True, False])
    if is_integer(dtype):
        limits = np.iinfo(dtype)
        edges = {limits.min, limits.max, 0, 1, 2, 3, 7, 31, 64, max(limits.min, -1)}
        return np.array(sorted(edges), dtype)
    some = np.concatenate([EDGES, rng.standard_normal(6) * 3])
    return np.concatenate([some, -some, [np.nan]]).astype(dtype)


def combined(dtypes, rng):
    """All combinations of such values."""
    grid = np.meshgrid(*(values(each, rng) for each in dtypes), indexing="ij")
    return [each.ravel() for each in grid]


def run(op, params, arrays, result):
    """The op by its expression in the kernel language."""
    dtypes = [array.dtype for array in arrays]
    names = [
        f"f32({name})" if is_float(dtype) and dtype.itemsize < 4 else name
        for name, dtype in zip("xyz", dtypes, strict=False)
    ]
    text = expression(op.name, params, names, dtypes, result)
    if text is None:
        return None
    kind = name_of(np.empty(0, result))
    return apply(f"{kind}({text})" if is_float(result) else text, kind, *arrays)


def close(op, got, expected):
    """Equal, but that floats may be some steps apart."""
    if not is_float(expected.dtype):
        same(got, expected)
        return
    few = expected.dtype.itemsize < 4
    step = {2: 2.0**-10, 4: 2.0**-23, 8: 2.0**-52}[expected.dtype.itemsize]
    step = 2.0**-7 if expected.dtype == bfloat16 else step
    tolerance = (2 if few else STEPS) * step
    atol = 8 * tolerance if op.name in CANCELLING else float(ml_dtypes.finfo(expected.dtype).tiny)
    got, expected = got.astype(np.float64), expected.astype(np.float64)
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=atol)


@pytest.mark.parametrize(("op", "dtype", "result"), list(cases()))
def test_expressions_mean_what_the_op_means(op, dtype, result):
    arrays = combined(operands(op, dtype), np.random.default_rng(3))
    if op.name in ("sin", "cos", "tan"):
        arrays = [x[~(np.abs(x.astype(float)) > LARGEST_ANGLE) | np.isinf(x)] for x in arrays]
    if op.name == "zeta":
        s, q = (x.astype(float) for x in arrays)
        arrays = [x[(s > 1) & np.isfinite(s) & (q > 0)] for x in arrays]
    got = run(op, {}, arrays, result)
    if (op.name, dtype) in NOT_NATIVE:
        assert got is None
        return
    with np.errstate(all="ignore"):
        expected = np.asarray(op.eval(np, *arrays))
    assert got is not None, "there is no expression"
    close(op, got, expected.astype(result))


def castable(source, target, rng):
    """Numbers of one dtype whose conversion to another NumPy defines."""
    x = values(source, rng)
    if not is_float(source) or not is_integer(target):
        return x
    limits = np.iinfo(target)
    wide = x.astype(np.float64)
    return x[(wide > limits.min - 1) & (wide < limits.max)]


@pytest.mark.parametrize("target", ALL, ids=str)
@pytest.mark.parametrize("source", ALL, ids=str)
def test_casts_are_as_in_numpy(source, target):
    x = castable(source, target, np.random.default_rng(3))
    cast = REGISTRY["cast"]
    got = run(cast, {"dtype": target}, [x], target)
    with np.errstate(all="ignore"):
        expected = cast.eval(np, x, dtype=target)
    np.testing.assert_array_equal(got.astype(np.float64), expected.astype(np.float64))
    assert got.dtype == target


@pytest.mark.parametrize("exponent", [3.0, 4.0, -1.0, 0.5, -0.5, 2.5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_with_literal_exponents(dtype, exponent):
    x = values(np.dtype(dtype), np.random.default_rng(3))
    kind = name_of(x)
    text = expression("pow", {}, ["x", f"{kind}({exponent})"], [x.dtype] * 2, x.dtype)
    assert ("pow" in text) == (exponent == 2.5)
    with np.errstate(all="ignore"):
        expected = np.power(x, np.full_like(x, exponent))  # of one number it is sqrt(x)
    close(REGISTRY["pow"], apply(text, kind, x), expected)


def test_integer_powers_with_literal_exponents():
    x = np.arange(-50, 50, dtype=np.int32) ** 5
    text = expression("pow", {}, ["x", "i32(7)"], [x.dtype] * 2, x.dtype)
    same(apply(text, "i32", x), x ** np.int32(7))
    assert expression("pow", {}, ["x", "i32(-7)"], [x.dtype] * 2, x.dtype) is None


def test_a_cast_to_16_bits_rounds_even_where_nothing_is_stored():
    for dtype in (float16, bfloat16):
        x = np.array([1.0001, 3.14159, 1e-7], np.float32)
        text = expression("cast", {"dtype": dtype}, ["x"], [x.dtype], dtype)
        np.testing.assert_array_equal(apply(text, "f32", x), x.astype(dtype).astype(np.float32))


def test_an_op_with_an_unknown_function_has_no_expression():
    strange = replace(REGISTRY["exp"], name="strange", scalar="strange(a) + exp(a)")
    with mock.patch.dict(REGISTRY, strange=strange):
        assert expression("strange", {}, ["x"], [ALL[-1]], ALL[-1]) is None
