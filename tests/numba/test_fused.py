"""Random graphs on the compiled kernels: fused or not, they mean what the ops mean."""

import numpy as np
from agreement import agree
from hypothesis import HealthCheck, given, settings
from random_graphs import SMOOTH_MAKERS, programs

import tinygraph as tg
from tinygraph import config
from tinygraph.compiler.compile import compile_graph
from tinygraph.runtime.backend import named
from tinygraph.runtime.interpret import interpret

# Each program has kernels of its own, which take some 20 ms to compile: a part of the examples.
some = settings(
    max_examples=max(10, settings.default.max_examples // 2),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def run(program, skip=""):
    with config.override("SKIP", skip):
        compiled = compile_graph(program.graph, named("numba"), (), {})
    before = [array.copy() for array in program.arrays]
    results = compiled(program.arrays)
    for array, copy in zip(program.arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    again = compiled(program.arrays)
    for one, other in zip(results, again, strict=True):
        np.testing.assert_array_equal(one, other)
    return results


@some
@given(programs(SMOOTH_MAKERS, special=False))
def test_fused_and_unfused_kernels_mean_the_same(program):
    plain = run(program, skip="fuse")
    for want, have in zip(plain, run(program), strict=True):
        agree(want, have)


@some
@given(programs(SMOOTH_MAKERS, dtypes=("float64",), special=False))
def test_kernels_mean_what_the_ops_mean(program):
    expected = interpret(program.graph, program.values, np)
    for want, have in zip(expected, run(program), strict=True):
        fair = np.isfinite(want) & (np.abs(want) < 1e6)  # elsewhere `stabilise` may be better
        agree(np.asarray(want)[fair], have[fair])


@some
@given(programs(most=12))
def test_special_values_come_through(program):
    """NaN and infinities are where NumPy has them."""
    plain = compile_graph(program.graph, named("numpy"), (), {})(program.arrays)
    for want, have in zip(plain, run(program), strict=True):
        if want.dtype.kind == "f":
            np.testing.assert_array_equal(np.isnan(want), np.isnan(have))


def test_negative_zero_is_another_number_than_zero():
    """Though they are equal, so that kernels which have them are."""
    x = tg.placeholder((4,), name="x")
    with config.override("BACKEND", "numba"):
        for zero in (0.0, -0.0, 0.0):
            got = tg.function([x], tg.where(x > 1.5, x, zero))(np.ones(4, "float32")).numpy()
            assert got.tobytes() == np.full(4, zero, "float32").tobytes()
