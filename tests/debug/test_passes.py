"""Finding the pass that breaks a result."""

import numpy as np
import pytest
from networks import fed, lenet, training

import tinygraph as tg
from tinygraph.debug import bisect_passes, trace_passes
from tinygraph.errors import GraphError
from tinygraph.graph.graph import Graph, rebuild
from tinygraph.ops import elementwise as e
from tinygraph.passes import PIPELINE
from tinygraph.passes.fold import fold
from tinygraph.passes.simplify import simplify


def drops_relu(graph):
    """A pass with a mistake in it."""

    def step(node, inputs):
        return inputs[0] if node.op is e.relu else rebuild(node, inputs)

    return graph.rewrite(step)


def changes_dtype(graph):
    return Graph(graph.inputs, [e.greater(node, 0.0) for node in graph.outputs])


def values_for(graph):
    rng = np.random.default_rng(0)
    return {n: rng.standard_normal(n.shape).astype(n.dtype) * 0.1 for n in graph.inputs}


def test_the_culprit_is_named():
    graph = training(*lenet(2))
    steps = (simplify, drops_relu, fold)
    found = bisect_passes(graph, values_for(graph), steps)
    assert (found.name, found.place) == ("drops_relu", 1)
    assert found.difference > 0
    relus = [[n.op for n in g.nodes].count(e.relu) for g in (found.before, found.after)]
    assert relus == [4, 0]
    text = str(found)
    assert text.startswith("pass 1, drops_relu, changes output 0 by up to")
    assert "TINYGRAPH_SKIP=drops_relu" in text


def test_our_own_passes_are_innocent():
    graph = training(*lenet(2))
    assert bisect_passes(graph, values_for(graph), PIPELINE, rtol=1e-4, atol=1e-5) is None


def test_a_small_difference_is_allowed():
    x = fed(3)
    graph = Graph([x], [e.relu(x)])
    values = {x: np.array([1.0, -1e-3, 2.0], "float32")}
    assert bisect_passes(graph, values, [drops_relu], atol=1e-2) is None
    assert bisect_passes(graph, values, [drops_relu], atol=1e-4).difference == pytest.approx(1e-3)


def test_nan_equals_nan_and_another_dtype_is_a_difference():
    x = fed(2)
    graph = Graph([x], [e.sin(x)])
    values = {x: np.array([np.nan, 1.0], "float32")}
    assert bisect_passes(graph, values) is None
    assert bisect_passes(graph, values, [changes_dtype]).name == "changes_dtype"


def test_a_missing_value_is_named():
    x, y = fed(2), fed(2, name="y")
    with pytest.raises(GraphError, match="no value is given for <placeholder name=y"):
        bisect_passes(Graph([x, y], [x + y]), {x: np.zeros(2)})


def test_in_eager_mode_too():
    graph = training(*lenet(2))
    with tg.eager():
        found = bisect_passes(graph, values_for(graph), rtol=1e-4, atol=1e-5)
    assert found is None


def test_tracing_gives_each_pass_and_its_graph():
    x = fed(2)
    steps = list(trace_passes(Graph([x], [x * 1.0]), (simplify, fold)))
    assert [name for name, _ in steps] == ["start", "simplify", "fold"]
    assert [len(graph) for _, graph in steps] == [3, 1, 1]
