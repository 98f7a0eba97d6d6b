"""Kernels written as text: to be run, or applied to arrays of edge values."""

import ctypes

import ml_dtypes
import numpy as np

from tinygraph_numba import language

SIGNED = ("i8", "i16", "i32", "i64")
UNSIGNED = ("u8", "u16", "u32", "u64")
INTEGERS = SIGNED + UNSIGNED
FLOATS = ("f32", "f64")
HEAD = "def kernel(args: ptr_i64, lo: i64, hi: i64, scratch: i64) -> i64:\n"


def dtype(name):
    """NumPy's name of a type."""
    if name in ("bool", "bf16"):
        return np.dtype(np.bool_ if name == "bool" else ml_dtypes.bfloat16)
    return np.dtype({"i": "int", "u": "uint", "f": "float"}[name[0]] + name[1:])


def name_of(array):
    """The kernel language's name of an array's type."""
    kind = array.dtype.name
    special = {"bool": "bool", "bfloat16": "bf16"}
    return special.get(kind) or kind.replace("uint", "u").replace("int", "i").replace("float", "f")


def function(source, entry="kernel"):
    """A kernel as a function of arrays and bounds."""
    native = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)(language.native(source, entry))

    def run(*arrays, lo=0, hi=0):
        args = np.array([a.ctypes.data for a in arrays], np.int64)
        return native(args.ctypes.data, lo, hi, 0)

    return run


def body(text, *arrays):
    """The source of a kernel whose body is `text`, with pointers a, b, c ... to arrays."""
    lines = [f"    {name} = pointer({name_of(array)}, args[{k}])"
             for k, (name, array) in enumerate(zip("abcdefgh", arrays))]  # fmt: skip
    lines += ["    " + line for line in text.strip("\n").splitlines()]
    return HEAD + "\n".join([*lines, "    return 0", ""])


def execute(text, *arrays, hi=0):
    """Run a kernel whose body is `text` over arrays a, b, c ..."""
    assert function(body(text, *arrays))(*arrays, hi=hi) == 0


def apply(expression, kind, *inputs, how="lanes"):
    """`expression` of x, y, z for each element of the inputs, as an array of type `kind`."""
    out = np.empty(inputs[0].shape, dtype(kind))
    loads = "".join(f"    {name} = {p}[i]\n" for name, p, _ in zip("xyz", "bcd", inputs))
    text = f"for i in {how}(lo, hi):\n{loads}    a[i] = {expression}"
    execute(text, out, *inputs, hi=out.size)
    return out


def integers(kind):
    """Pairs of all edge values of an integer type."""
    info = np.iinfo(dtype(kind))
    some = {info.min, info.min + 1, info.max, info.max - 1, 0, 1, 2, 3, 7, info.max // 2, 100}
    if info.min < 0:
        some |= {-1, -2, -3, -7, -100}
    some = np.array(sorted(some), dtype(kind))
    return pairs(some, some)


def floats(kind):
    """Pairs of all edge values of a float type."""
    info = np.finfo(dtype(kind))
    some = [0.0, 0.5, 1.0, 1.5, 2.5, 3.0, 1e10, info.max, info.tiny, info.smallest_subnormal,
            np.inf]  # fmt: skip
    some = np.array([*some, *(-x for x in some), np.nan], dtype(kind))
    return pairs(some, some)


def pairs(a, b):
    first, second = (grid.ravel().copy() for grid in np.meshgrid(a, b, indexing="ij"))
    return first, second


def same(got, expected):
    """Equal to the last bit, but that all NaN are alike."""
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)
    if got.dtype.kind == "f":
        some = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(got[some]), np.signbit(expected[some]))
