"""From graph to executable: what is compiled, when, and what is shared."""

import numpy as np
import pytest
from networks import fed, lenet, training

import tinygraph as tg
from tinygraph import config
from tinygraph.compiler.compile import TAPES, compiled, kernel_count, make_tape
from tinygraph.graph.dim import Dim
from tinygraph.graph.graph import Graph
from tinygraph.graph.specialise import specialise
from tinygraph.ops import elementwise as e
from tinygraph.ops.index import gather
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.runtime.backend import named


def graph_of(build, *shapes):
    inputs = [fed(*shape) for shape in shapes]
    return Graph(inputs, [build(*inputs)])


def misses():
    return TAPES.info().misses


# --------------------------------------------------------------------------------------- tapes


def test_a_graph_is_compiled_once():
    graph = graph_of(lambda x: e.sin(x) + 1.25, (3, 5))
    first = compiled(graph, named("numpy"))
    before = misses()
    assert compiled(graph, named("numpy")) is first
    assert misses() == before


def test_an_equal_graph_from_the_same_line_has_the_same_tape():
    tapes = [
        compiled(graph_of(lambda x: e.cos(x) * 2.25, (3, 5)), named("numpy")) for _ in range(2)
    ]
    assert tapes[0] is tapes[1]


@pytest.mark.parametrize(
    ("name", "value"), [("SKIP", "simplify"), ("SKIP", "fold,cse"), ("CHECK", "nan")]
)
def test_settings_that_matter_are_part_of_the_key(name, value):
    graph = graph_of(lambda x: e.tanh(x) - 3.25, (3, 5))
    first = compiled(graph, named("numpy"))
    with config.override(name, value):
        assert compiled(graph, named("numpy")) is not first
    assert compiled(graph, named("numpy")) is first


def test_another_backend_has_its_own_tape():
    graph = graph_of(lambda x: e.tanh(x) - 4.25, (3, 5))
    assert compiled(graph, named("numpy")) is not compiled(graph, named("null"))


def test_a_miss_is_explained_on_request(capsys):
    with config.override("DEBUG", "cache"):
        compiled(graph_of(lambda x: e.exp(x) - 5.25, (3, 5)), named("numpy"))
        compiled(graph_of(lambda x: e.exp(x) - 5.25, (4, 5)), named("numpy"))
    shown = capsys.readouterr().err
    assert shown.count("tape cache: compiled, because") == 2
    assert "float32[4,5]" in shown


def test_what_is_compiled_can_be_watched(capsys):
    with config.override("DEBUG", "tape,kernels,time"):
        compiled(graph_of(lambda x: e.exp(x) - 6.25, (3, 5)), named("numpy"))
    shown = capsys.readouterr().err
    assert "tape: 2 instructions" in shown
    assert "kernel exp (elementwise)" in shown
    assert "compiled 4 nodes to 2 instructions in" in shown


def test_eager_mode_does_not_run_what_the_passes_build():
    graph = graph_of(lambda x: e.log(e.exp(x) + 1), (3,))
    with tg.eager():
        tape = make_tape(graph)
    assert [instruction.kernel.name for instruction in tape.instructions] == ["logaddexp"]


def test_a_long_chain_compiles_without_recursion():
    node = start = fed(2)
    for _ in range(5_000):
        node = e.sin(node)
    assert len(make_tape(Graph([start], [node]))) == 5_000


# ------------------------------------------------------------------------------------- kernels


def built():
    return list(named("null").built)


def test_equal_kernels_are_built_once():
    graph = graph_of(lambda x: e.sinh(e.sinh(e.sinh(x))), (3, 4, 5, 6))
    before = len(built())
    tape = compiled(graph, named("null")).tape
    assert len(tape) == 3
    assert len(tape.kernels) == 1
    assert list(built())[before:] in ([], [tape.kernels[0]])  # none if it was known before


def test_a_new_batch_size_builds_no_kernel():
    x, output, parameters = lenet(Dim.symbol("batch"))
    graph = training(x, output, parameters)
    compiled(specialise(graph, {"batch": 4}), named("null"))
    before, kernels = len(built()), kernel_count()
    for size in (1, 7, 32):
        tape = compiled(specialise(graph, {"batch": size}), named("null")).tape
        assert tape.inputs[0].view.shape == (size, 1, 28, 28)
    assert len(built()) == before
    assert kernel_count() == kernels


def test_a_function_with_an_open_size_builds_no_kernel_for_a_new_one():
    x = tg.placeholder((None, 3), name="x")
    f = tg.function([x], tg.exp(x) * tg.exp(x))
    with tg.backend("null"):
        f(np.zeros((2, 3), "float32"))
        before = len(built())
        assert f(np.zeros((5, 3), "float32")).shape == (5, 3)
    assert len(built()) == before


# ------------------------------------------------------------------------------- wrong results


def test_an_error_on_the_way_bears_the_users_line():
    x, index = fed(4), fed(2, name="index", dtype="int64")
    graph = Graph([x, index], [gather(x, index, axes=(0,))])
    run = compiled(graph, named("numpy"))
    with pytest.raises(IndexError) as caught:
        run([np.zeros(4, "float32"), np.array([0, 9])])
    notes = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert "index 9 is out of range" in notes
    assert "test_compile.py" in notes


def test_a_tape_is_not_bound_to_the_values_it_was_made_with():
    """What a graph is given is no constant, though it has a value when the tape is compiled."""
    for values in ([1.0, 2.0], [5.0, 6.0]):
        x = tg.tensor(values)
        np.testing.assert_array_equal((x * 2).numpy(), np.multiply(values, 2))
        np.testing.assert_array_equal(tg.sum(x).numpy(), sum(values))


def test_a_tape_does_not_reach_behind_what_is_computed_already():
    for value in (1.0, 2.0):
        x = tg.tensor([value], requires_grad=True)
        powers = tg.exp(x).realize()
        np.testing.assert_allclose(tg.log(powers).numpy(), [value], rtol=1e-6)


def test_calls_of_one_executable_do_not_share_results():
    x = fed(3)
    run = compiled(Graph([x], [e.sin(x), reduce_sum(x, axis=(0,), keepdims=False)]), named("numpy"))
    first = run([np.zeros(3, "float32")])
    second = run([np.ones(3, "float32")])
    np.testing.assert_array_equal(first[0], np.zeros(3))
    assert second[1] == 3
