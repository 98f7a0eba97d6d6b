"""What `import tinygraph` gives, and what it costs."""

import subprocess
import sys

import numpy as np
import pytest

import tinygraph as tg

STANDARD = """
    abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan atan2
    atanh bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor
    bool broadcast_arrays broadcast_to can_cast ceil clip concat copysign cos cosh count_nonzero
    cumulative_prod cumulative_sum diff divide e empty empty_like equal exp expand_dims expm1 eye
    finfo flip float32 float64 floor floor_divide from_dlpack full full_like greater greater_equal
    hypot iinfo inf int16 int32 int64 int8 isdtype isfinite isinf isnan less less_equal linspace
    log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor matmul
    matrix_transpose max maximum mean meshgrid min minimum moveaxis multiply nan negative newaxis
    nextafter nonzero not_equal ones ones_like permute_dims pi positive pow prod reciprocal
    remainder repeat
    reshape result_type roll round searchsorted sign signbit sin sinh sort sqrt square squeeze stack
    std subtract sum take take_along_axis tan tanh tensordot tile tril triu trunc uint16 uint32
    uint64 uint8 unique_all unique_counts unique_inverse unique_values unstack var vecdot where
    zeros zeros_like __array_namespace_info__"""
LINALG = """
    cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank
    matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot vector_norm"""


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_every_public_name_is_there():
    missing = [name for name in tg.__all__ if not hasattr(tg, name)]
    assert not missing
    assert set(tg.__all__) <= set(dir(tg))
    assert len(set(tg.__all__)) == len(tg.__all__)


@pytest.mark.parametrize("name", STANDARD.split())
def test_the_array_api_has_it(name):
    assert hasattr(tg, name)


@pytest.mark.parametrize("name", LINALG.split())
def test_the_linalg_extension_has_it(name):
    assert hasattr(tg.linalg, name)
    assert name in tg.linalg.__all__


def test_unknown_names():
    with pytest.raises(AttributeError, match="module 'tinygraph' has no attribute 'summ'"):
        tg.summ  # noqa: B018 - the look-up is what is tested


def test_names_that_are_also_modules():
    code = "import tinygraph as tg, tinygraph.jit, tinygraph.function, tinygraph.tensor; "
    assert python(code + "print(callable(tg.jit), callable(tg.function), callable(tg.tensor))") == (
        "True True True\n"
    )


def test_import_is_light():
    heavy = "numba scipy networkx matplotlib sklearn tinygraph.nn tinygraph.optim tinygraph.viz"
    loaded = python(
        f"import sys, tinygraph; print([m for m in '{heavy}'.split() if m in sys.modules])"
    )
    assert loaded == "[]\n"


def test_heavy_parts_come_when_they_are_used():
    assert python("import tinygraph as tg; print(tg.nn.__name__, tg.optim.__name__)") == (
        "tinygraph.nn tinygraph.optim\n"
    )


def test_functions_of_the_namespace_work_on_what_numpy_gives():
    xp = tg.zeros(1).__array_namespace__()
    x = xp.asarray(np.arange(6.0).reshape(2, 3))
    centred = x - xp.mean(x, axis=0)
    assert xp.sum(centred).item() == 0
