"""Dtypes and the namespace, in the Array API's words."""

import itertools

import ml_dtypes
import numpy as np
import pytest

import tinygraph as tg
from tinygraph.dtypes import ALL, BY_NAME
from tinygraph.errors import BackendError, DTypeError


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_finfo(name):
    got, want = tg.finfo(name), np.finfo(name)
    for field in ("bits", "eps", "max", "min", "smallest_normal", "dtype"):
        assert getattr(got, field) == getattr(want, field)
    assert tg.finfo(tg.zeros(1, dtype=name)) == got


def test_other_limits():
    assert tg.finfo(tg.bfloat16).max == float(ml_dtypes.finfo("bfloat16").max)
    assert (tg.iinfo("uint8").min, tg.iinfo(tg.zeros(1, dtype="uint8")).max) == (0, 255)
    with pytest.raises(DTypeError, match="int8 is not a float type; see iinfo"):
        tg.finfo("int8")
    with pytest.raises(DTypeError, match="float32 is not an integer type; see finfo"):
        tg.iinfo("float32")


def test_kinds():
    for dtype in ALL:
        if dtype == tg.bfloat16:
            continue
        for kind in ("bool", "signed integer", "unsigned integer", "integral", "real floating",
                     "complex floating", "numeric"):  # fmt: skip
            assert tg.isdtype(dtype, kind) == np.isdtype(dtype, kind)
    assert tg.isdtype(tg.bfloat16, "real floating")
    assert tg.isdtype("int8", tg.int8)
    assert tg.isdtype("int8", ("bool", "int8"))
    with pytest.raises(DTypeError, match="'floaty' is no kind of dtype"):
        tg.isdtype("int8", "floaty")


def test_result_type_is_what_operations_have():
    for a, b in itertools.product(ALL, ALL):
        x, y = tg.zeros(2, dtype=a), tg.zeros(2, dtype=b)
        try:
            want = (x + y).dtype
        except DTypeError:
            with pytest.raises(DTypeError, match="no common type"):
                tg.result_type(a, b)
        else:
            assert tg.result_type(a, y) == want
            assert tg.can_cast(a, b) == (want == b)
    assert tg.result_type(tg.int8, 2) == tg.int8
    assert tg.result_type(tg.int8, 2.0) == tg.float32
    assert tg.result_type(1, True) == tg.int64
    with pytest.raises(DTypeError, match="needs at least one array, dtype or number"):
        tg.result_type()


def test_namespace_info():
    info = tg.__array_namespace_info__()
    assert info.default_device() == tg.config.get("BACKEND")
    assert info.devices() == [tg.config.get("BACKEND")]
    assert info.dtypes() == BY_NAME
    assert set(info.dtypes(kind="signed integer")) == {"int8", "int16", "int32", "int64"}
    assert info.default_dtypes()["real floating"] == tg.float32
    assert info.capabilities()["boolean indexing"]
    with pytest.raises(BackendError, match="device 'gpu' is not in force"):
        info.dtypes(device="gpu")


def test_constants():
    assert (tg.pi, tg.e, tg.inf, tg.newaxis) == (np.pi, np.e, np.inf, None)
    assert tg.nan != tg.nan
