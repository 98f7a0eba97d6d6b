"""Looking at what was compiled: kernels, their source, and why they are not fewer."""

import io
from unittest import mock

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import config, nn
from tinygraph.compiler.fuse import MAX_STEPS
from tinygraph.debug import show_kernels, why_not_fused
from tinygraph.debug.subject import lines_of
from tinygraph.errors import GraphError, ShapeError
from tinygraph.graph.origin import caller
from tinygraph.runtime import backend as backends
from tinygraph_numpy.backend import NumpyBackend


class Fusing(NumpyBackend):
    """Runs fused kernels by their NumPy meaning, and has a source for those of loops."""

    name = "fusing"
    fuses = True

    def source(self, kernel):
        return f"source of {kernel.name}\n" if kernel.kind == "loops" else None


@pytest.fixture(autouse=True)
def fusing():
    """The tests run on such a backend."""
    with mock.patch.dict(backends._started, fusing=Fusing()), tg.backend("fusing"):
        yield


def shown(what, *args):
    out = io.StringIO()
    show_kernels(what, *args, file=out)
    return out.getvalue()


def told(what, *args, **options):
    out = io.StringIO()
    why_not_fused(what, *args, **options, file=out)
    return out.getvalue()


def softmax():
    x = tg.placeholder((None, 5), name="x")
    return tg.function([x], nn.functional.softmax(x, dim=-1))


# ---------------------------------------------------------------------------------- the kernels


def test_a_kernel_shows_its_steps_its_lines_and_its_source():
    x = tg.placeholder((4, 5), name="x")
    first = caller().line + 1
    y = tg.exp(x)
    z = y - 3.0
    text = shown(tg.function([x], z))
    assert f"kernel 1 of 1, runs once, for test_kernels.py:{first}, {first + 1}\n" in text
    assert "  kernel exp_subtract (loops)\n    %0 = input float32[1]\n" in text
    assert "  as fusing compiles it:\n    source of exp_subtract\n" in text


def test_of_a_chain_both_links_are_shown():
    x = tg.placeholder((4, 5), name="x")
    text = shown(tg.function([x], tg.exp(x @ x.T)))
    assert "kernel 1 of 1, runs once" in text
    assert "  kernel dot_general (contract)\n" in text
    assert "  kernel exp (loops)\n" in text


def test_the_body_of_a_loop_is_shown_too():
    x = tg.placeholder((4, 5), name="x")
    f = tg.function([x], tg.scan(lambda h, _: (tg.tanh(tg.sort(h * 2)), None), x, length=3)[0])
    text = shown(f)
    assert "  body:\n    kernel 1 of 3, runs once, for test_kernels.py:" in text
    assert "        source of multiply\n" in text
    assert "within instruction 0, body:\n  3 operations in 3 instructions:\n" in told(f)


def test_a_kernel_without_a_source_shows_none():
    x = tg.placeholder((4, 5), name="x")
    text = shown(tg.function([x], tg.sort(x)))
    assert "kernel sort (sort)" in text
    assert "compiles it" not in text


def test_a_backend_without_sources_shows_none():
    with tg.backend("numpy"):
        text = shown(softmax(), (2, 5))
    assert "kernel 1 of 5, runs once" in text
    assert "compiles it" not in text


def test_it_is_told_how_often_a_kernel_runs():
    parameters = [nn.Parameter(np.ones(n, "float32")) for n in (3, 4, 5)]
    opt = tg.optim.SGD(parameters, lr=0.1)
    loss = sum(tg.sum(p * p) for p in parameters)
    step = tg.function([], loss, updates=opt.minimize(loss))
    assert "runs 3 times, for" in shown(step)


@pytest.mark.parametrize("shape", [(2, 5), [2, 5], np.zeros((2, 5)), tg.zeros((2, 5))], ids=str)
def test_an_array_stands_for_its_shape(shape):
    assert "max_exp_sum" in shown(softmax(), shape)


def test_it_prints_to_standard_output(capsys):
    show_kernels(softmax(), (2, 5))
    why_not_fused(softmax(), (2, 5))
    printed = capsys.readouterr().out
    assert "max_exp_sum" in printed
    assert "not fused" in printed


def test_traced_functions_and_methods_can_be_looked_at():
    class Model(nn.Module):
        @tg.jit
        def double(self, x):
            return tg.exp(x) * 2

    @tg.jit
    def double(x):
        return tg.exp(x) * 2

    x = np.ones(3, "float32")
    assert "exp_multiply" in shown(double, x)
    assert "exp_multiply" in shown(Model().double, x)


def test_tensors_stay_uncomputed():
    x = tg.tensor([1.0, 2.0])
    y, z = tg.exp(x) * 2, tg.sin(x)
    assert "exp_multiply" in shown(y)
    assert "kernel" in shown([y, z, x])
    assert "not evaluated" in repr(y)


def test_in_eager_mode_too():
    f = softmax()
    with tg.eager():
        assert "max_exp_sum" in shown(f, (2, 5))
        assert "exp" in shown(tg.jit(lambda x: tg.exp(x)), np.ones(3, "float32"))


# ---------------------------------------------------------------------------------- the reasons


def test_what_runs_together_and_why_the_rest_does_not():
    x = tg.placeholder((4, 5), name="x")
    first = caller().line + 1
    y = tg.exp(x) * 2
    z = tg.sort(y)
    text = told(tg.function([x], z + 1))
    head, _, reasons = text.partition("not fused:\n")
    assert head.startswith("4 operations in 3 instructions:\n    0  exp_multiply (loops), test_k")
    here = f"test_kernels.py:{first}"
    assert reasons == (
        f"  multiply at {here} with sort at test_kernels.py:{first + 1}: "
        "the result is needed in memory\n"
    )


def test_nothing_is_said_of_what_the_caller_receives():
    assert told(softmax(), (2, 5)).endswith("not fused: nothing that could be\n")


def test_equal_reasons_are_told_once():
    x = tg.placeholder((5, 5), name="x")
    y = tg.exp(x)
    text = told(tg.function([x], y @ y))
    assert text.count("the result is needed in memory") == 1


def test_a_limit_is_named():
    y = x = tg.placeholder((5,), name="x")
    for _ in range(MAX_STEPS + 1):
        y = tg.sin(y)
    assert f"more than {MAX_STEPS} steps" in told(tg.function([x], y))


def test_reasons_for_some_operations_alone():
    x = tg.placeholder((4, 5), name="x")
    f = tg.function([x], tg.sort(tg.exp(x)) @ tg.cos(x).T)
    assert "cos at" not in told(f, ops=["exp"])
    assert "cos at" in told(f, ops=("exp", "dot_general"))
    assert "(sort)" not in told(f, ops="cos")


def test_where_nothing_is_fused_the_cause_is_named():
    with tg.backend("numpy"):
        assert told(softmax(), (2, 5)) == (
            "nothing is fused: the backend numpy runs each operation by itself\n"
        )
    with config.override("SKIP", "fuse"):
        assert told(softmax(), (2, 5)) == "nothing is fused: TINYGRAPH_SKIP is fuse\n"
    with config.override("CHECK", "nan"):
        assert told(softmax(), (2, 5)) == "nothing is fused: TINYGRAPH_CHECK is nan\n"


def test_an_unknown_operation_is_an_error():
    with pytest.raises(GraphError, match="no operation is called softmax; see"):
        told(softmax(), (2, 5), ops=["softmax", "exp"])


# ---------------------------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (3, "got int$"),
        ([], "got a list of nothing$"),
        ([tg.exp, 1], "got a list of function, int$"),
        (tg.exp, r"got function\. Wrap it, tg\.jit\(f\), or call it and look at what it returns$"),
    ],
)
def test_something_else_is_refused(what, message):
    for look in (shown, told):
        with pytest.raises(GraphError, match=f"expected a tg.function, .*{message}"):
            look(what)


def test_what_has_a_value_is_refused():
    x = tg.tensor([1.0])
    with pytest.raises(GraphError, match="the value is there already"):
        shown(x)
    with tg.eager(), pytest.raises(GraphError, match="outside of eager mode"):
        shown(tg.exp(x))


def test_what_depends_on_a_placeholder_is_refused():
    x = tg.placeholder((3,), name="x")
    with pytest.raises(GraphError, match=r"the placeholder 'x' \(made at test_kernels.py:"):
        shown(tg.exp(x))


def test_shapes_are_checked():
    with pytest.raises(ShapeError, match="open sizes"):
        shown(softmax())
    with pytest.raises(GraphError, match=r"shapes here, such as \(64, 10\); got 3"):
        shown(softmax(), 3)
    with pytest.raises(GraphError, match="with Tensors, give none"):
        shown(tg.exp(tg.tensor([1.0])), (1,))


# --------------------------------------------------------------------------------------- lines


def test_lines_are_told_once_and_in_order():
    here = caller()
    there = caller()
    text = lines_of([there, here, there, here._replace(backward=True)])
    assert text == (
        f"test_kernels.py:{here.line}, {there.line}; backward of test_kernels.py:{here.line}"
    )
