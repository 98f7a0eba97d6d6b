"""Finding the stage, or the kernel, that makes a compiled result wrong."""

import io
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

import tinygraph as tg
from tinygraph import config, nn, optim
from tinygraph.compiler import schedule
from tinygraph.debug import Culprit, TapeCulprit, bisect, stages
from tinygraph.errors import GraphError, ShapeError
from tinygraph.graph.graph import rebuild
from tinygraph.ops import elementwise as e
from tinygraph.passes import FOR_FUSION
from tinygraph.runtime import backend as backends
from tinygraph_numpy.backend import NumpyBackend


class Fusing(NumpyBackend):
    """Runs fused kernels by their NumPy meaning."""

    name = "fusing"
    fuses = True


class Wrong(Fusing):
    """Adds 1 to the result of kernels with an exp in them, on tapes of at least `length`."""

    name = "wrong"
    length = 1

    def link(self, tape, handles):
        right = super().link(tape, handles)

        def run(inputs, outputs):
            right(inputs, outputs)
            steps = [step.op for each in tape.instructions for step in each.kernel.steps]
            if e.exp in steps and len(tape) >= self.length:
                outputs[0][...] += 1

        return run

    def source(self, kernel):
        return "the source\n"


class WrongTogether(Wrong):
    name = "wrong together"
    length = 2


@pytest.fixture(autouse=True)
def own_backends():
    ours = {each.name: each() for each in (Fusing, Wrong, WrongTogether)}
    with mock.patch.dict(backends._started, ours):
        yield


def found(what, *args, **options):
    out = io.StringIO()
    result = bisect(what, *args, **options, file=out)
    assert out.getvalue().strip() == str(result) or result is None
    return result


def drops_exp(graph):
    """A pass with a mistake in it."""
    return graph.rewrite(lambda node, x: x[0] if node.op is e.exp else rebuild(node, x))


def example():
    """A sine; and, after it is sorted, an exp."""
    x = tg.placeholder((None, 4), name="x")
    return tg.function([x], tg.exp(tg.sort(tg.sin(x))))


X = np.arange(8, dtype="float32").reshape(2, 4)


# --------------------------------------------------------------------------------- what is wrong


def test_a_pass_is_found():
    with mock.patch.object(stages, "PIPELINE", (*stages.PIPELINE, drops_exp)):
        culprit = found(example(), X)
    assert isinstance(culprit, Culprit)
    assert culprit.name == "drops_exp"


def test_a_pass_for_fusion_is_found():
    with mock.patch.object(stages, "FOR_FUSION", (*FOR_FUSION, drops_exp)):
        with tg.backend("fusing"):
            assert found(example(), X).name == "drops_exp"
        with tg.backend("numpy"):
            assert found(example(), X) is None


def test_lowering_is_found():
    def wrong(node):
        kernel = schedule_single(node)
        steps = tuple(replace(s, op=e.sin if s.op is e.exp else s.op) for s in kernel.steps)
        return replace(kernel, steps=steps)

    schedule_single = schedule.single
    with mock.patch.object(schedule, "single", wrong), tg.backend("fusing"):
        culprit = found(example(), X)
    assert (culprit.stage, culprit.output, culprit.instruction) == ("lowering", 0, None)
    assert str(culprit).startswith("lowering changes output 0 by up to ")


def test_fusion_is_found():
    def wrong(group, homes):
        made = right(group, homes)
        steps = tuple(replace(s, op=e.sin if s.op is e.exp else s.op) for s in made.kernel.steps)
        return made._replace(kernel=replace(made.kernel, steps=steps))

    right = schedule.loops
    with mock.patch.object(schedule, "loops", wrong), tg.backend("fusing"):
        culprit = found(example(), X)
    assert culprit.stage == "fusion"
    assert "TINYGRAPH_SKIP=fuse" in str(culprit)


def test_a_kernel_is_found():
    with tg.backend("wrong"):
        culprit = found(example(), X)
    assert (culprit.stage, culprit.instruction, culprit.output) == ("kernel", 2, 0)
    assert culprit.difference == 1
    text = str(culprit)
    assert text.startswith("instruction 2, exp, changes output 0 by up to 1: from the same inputs")
    assert "for test_stages.py:" in text
    assert text.endswith("return %1\nthe source")


def test_kernels_that_are_wrong_together_are_found():
    with tg.backend("wrong together"):
        culprit = found(example(), X)
    assert isinstance(culprit, TapeCulprit)
    assert (culprit.stage, culprit.difference) == ("link", 1)
    assert "one after another" in str(culprit)


def test_a_small_difference_is_allowed():
    with tg.backend("wrong"):
        assert found(example(), X, atol=2) is None
        assert found(example(), X, rtol=10) is None


def test_a_pass_that_is_left_out_is_not_at_fault():
    def simplify(graph):
        return drops_exp(graph)

    with mock.patch.object(stages, "PIPELINE", (simplify,)):
        assert found(example(), X).name == "simplify"
        with config.override("SKIP", "simplify"):
            assert found(example(), X) is None


# --------------------------------------------------------------------------------- what is right


@pytest.mark.parametrize("name", ["numpy", "fusing", "numba"])
def test_all_is_well(name, capsys):
    with tg.backend(name):
        assert bisect(example(), X) is None
    told = capsys.readouterr().out
    assert told.startswith("no difference: ")
    assert f", and 3 instructions on {name}, leave the result as it is" in told


@pytest.mark.parametrize("name", ["fusing", "numba"])
def test_a_training_step_is_right(name):
    """With parts that are written into a whole, many updates at once, and random numbers."""
    model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Dropout(0.5), nn.Linear(8, 3))
    opt = optim.Adam(model.parameters())
    x = tg.placeholder((None, 4), name="x")
    t = tg.placeholder((None,), "int64", name="t")
    out = model(x)
    loss = nn.functional.cross_entropy(tg.concat([out[:, :1], out[:, 1:] * 2], axis=1), t)
    step = tg.function([x, t], loss, updates=opt.minimize(loss))
    with tg.backend(name):
        assert found(step, X, np.array([0, 2])) is None


@pytest.mark.parametrize("name", ["fusing", "numba"])
def test_rounding_that_grows_is_not_at_fault(name):
    """Batch norm takes away what the bias before it adds, so that the bias' gradient is rounding
    alone; Adam divides it by its size."""
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 3))
    opt = optim.Adam(model.parameters())

    @tg.jit
    def step(x):
        loss = (model(x) ** 2).mean()
        loss.backward()
        opt.step()
        opt.zero_grad()

    x = np.random.default_rng(0).standard_normal((8, 2, 6, 6)).astype("float32")
    with tg.backend(name):
        step(x)
        assert found(step, x) is None


@pytest.mark.parametrize("name", ["fusing", "numba"])
def test_a_product_and_the_loops_behind_it_are_right(name):
    x = tg.tensor(X)
    with tg.backend(name):
        assert found(tg.nn.functional.softmax(x @ x.T, dim=-1)) is None


def test_state_and_random_numbers_are_not_used_up():
    def losses(look):
        tg.manual_seed(0)
        weight = nn.Parameter(np.ones(4, "float32"))
        x = tg.placeholder((None, 4), name="x")
        y = nn.functional.dropout(x * weight, 0.5).sum()
        step = tg.function([x], y, updates={weight: weight * 0.9})
        values = []
        for _ in range(3):
            if look:
                assert found(step, X) is None
            values.append(float(step(X)))
        return values

    assert losses(look=True) == losses(look=False)


def test_traced_functions_methods_and_tensors():
    class Model(nn.Module):
        @tg.jit
        def double(self, x):
            return tg.exp(x) * 2

    assert found(Model().double, X) is None
    assert found(tg.jit(lambda x, n: x * n), tg.tensor(X), 3) is None
    y = tg.exp(tg.tensor(X))
    assert found([y, tg.sin(y)]) is None
    assert "not evaluated" in repr(y)
    with tg.backend("wrong"):
        assert found(tg.jit(tg.exp), X).instruction == 0


def test_coarse_floats_may_differ_by_some_steps():
    x = tg.tensor(np.linspace(-2, 2, 50), dtype="float16")
    with tg.backend("fusing"):
        assert found(tg.tanh(tg.exp(x) / 3) * x) is None


def test_views_and_empty_arrays():
    x = tg.tensor(X)
    with tg.backend("fusing"):
        assert found([tg.flip(x, axis=1) * 1, x.T + 1, x[:0] * 2, tg.sort(x[:, ::-1])]) is None


# ---------------------------------------------------------------------------------- wrong input


def test_something_else_is_refused():
    with pytest.raises(GraphError, match=r"expected a tg\.function, a tg\.jit function"):
        bisect(tg.exp, X)
    with pytest.raises(GraphError, match="the value is there already"):
        bisect(tg.tensor(X))
    with pytest.raises(ShapeError, match="the placeholder 'x' has shape"):
        bisect(example(), np.zeros(3))
    with pytest.raises(TypeError, match="takes 1 inputs"):
        bisect(example(), X, X)
