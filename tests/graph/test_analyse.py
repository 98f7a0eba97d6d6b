"""Depth, width, layers, counts and costs of graphs."""

import subprocess
import sys
from operator import attrgetter

import networkx
import pytest
from networks import Network, fed, lenet, parameter, pool, training

import tinygraph.graph as tgraph
from tinygraph.errors import GraphError, ShapeError
from tinygraph.graph.analyse import FREE
from tinygraph.graph.cost import FORMULAS
from tinygraph.graph.dim import Dim
from tinygraph.graph.graph import Graph
from tinygraph.ops import REGISTRY
from tinygraph.ops import elementwise as e
from tinygraph.ops.contract import matmul
from tinygraph.ops.control import cond_nodes
from tinygraph.ops.conv import conv, conv_input, conv_weight
from tinygraph.ops.index import gather
from tinygraph.ops.linalg import inv, solve
from tinygraph.ops.movement import broadcast_to, concat, permute, reshape, take_range
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import items
from tinygraph.ops.scan import scan_nodes
from tinygraph.ops.sort import sort

n = Dim.symbol("n")


class Handle:
    """What has a node: like a Tensor."""

    def __init__(self, node):
        self.node = node


def logistic_regression():
    w1, w2 = parameter(name="w1"), parameter(name="w2")
    x1, x2 = fed(name="x1"), fed(name="x2")
    return w1 * x1 + w2 * x2


# ------------------------------------------------------------------------------ depth and width


def test_logistic_regression_has_depth_two_and_three_with_its_sigmoid():
    z = logistic_regression()
    assert tgraph.depth(z) == 2
    assert tgraph.depth(e.sigmoid(z)) == 3
    assert tgraph.width(z) == 2


def test_chained_steps_have_a_depth_parallel_ones_have_a_width():
    x = fed(3)
    chain = x
    for _ in range(7):
        chain = e.sin(chain)
    assert (tgraph.depth(chain), tgraph.width(chain)) == (7, 1)
    side_by_side = [op(x) for op in (e.sin, e.cos, e.exp, e.tanh, e.abs, e.sign, e.square)]
    assert (tgraph.depth(side_by_side), tgraph.width(side_by_side)) == (1, 7)


def test_leaves_constants_and_views_count_nothing():
    x = fed(2, 3)
    assert tgraph.depth(x) == 0
    assert tgraph.width(x) == 0
    assert tgraph.depth(permute(reshape(x, shape=(3, 2)), axes=(1, 0))) == 0
    assert tgraph.depth(e.sin(reshape(x, shape=(6,)))) == 1
    assert tgraph.depth(x * 2.0) == 1


def test_the_critical_path_is_a_longest_chain():
    x, y = fed(), fed(name="y")
    z = e.add(e.sin(e.cos(e.exp(x))), e.tanh(y))
    assert [node.op.name for node in tgraph.critical_path(z)] == ["exp", "cos", "sin", "add"]
    assert tgraph.critical_path(x) == []


def test_a_scan_is_as_deep_as_all_its_steps():
    x, start = fed(5), fed(name="start")
    (last,), _ = scan_nodes(lambda c, s: ([e.tanh(c[0] * s[0])], []), [start], [x])
    assert tgraph.depth(last) == 10
    assert tgraph.depth(e.sin(last)) == 11


def test_a_condition_is_as_deep_as_its_deeper_branch():
    x = fed()
    (y,) = cond_nodes(x > 0, lambda v: [e.sin(e.sin(e.sin(v[0])))], lambda v: [-v[0]], [x])
    assert tgraph.depth(y) == 4  # the comparison, and three sines


def test_a_deep_chain_needs_no_recursion():
    node = fed()
    for _ in range(20_000):
        node = -node
    assert tgraph.depth(node) == 20_000
    assert len(tgraph.critical_path(node)) == 20_000


def test_a_graph_a_tensor_a_node_and_lists_of_them_will_do():
    z = logistic_regression()
    leaves = [child for product in z.inputs for child in product.inputs]
    for value in (z, [z], Handle(z), (Handle(z), z.inputs[0]), Graph(leaves, [z])):
        assert tgraph.depth(value) == 2
    with pytest.raises(GraphError, match="expected a Graph, a Tensor or a Node, got int"):
        tgraph.depth(3)


# -------------------------------------------------------------------------------- concept depth


def test_a_network_of_two_convolutions_has_concept_depth_two():
    net = Network()
    edges = pool(e.relu(net.convolution(fed(2, 1, 12, 12), 4, "edges")))
    corners = pool(e.relu(net.convolution(edges, 8, "corners", size=3)))
    assert tgraph.concept_depth(corners) == 2
    assert tgraph.depth(corners) > 2


def test_lenet_has_five_layers():
    _, y, _ = lenet(2)
    assert tgraph.concept_depth(y) == 5


def test_logistic_regression_is_one_layer():
    assert tgraph.concept_depth(e.sigmoid(logistic_regression())) == 1


def test_a_weight_that_is_transposed_or_scaled_first_is_still_one_layer():
    x, w = fed(2, 3), parameter(4, 3, name="w")
    y = matmul(x, permute(w, axes=(1, 0)) * 0.5) + parameter(4, name="b")
    assert tgraph.concept_depth(y) == 1


def test_a_penalty_is_no_layer():
    x, w = fed(2, 3), parameter(3, 4, name="w")
    loss = reduce_sum(matmul(x, w), axis=(0, 1), keepdims=False)
    penalty = reduce_sum(e.square(w), axis=(0, 1), keepdims=False)
    assert tgraph.concept_depth(loss + penalty) == 1


def test_an_embedding_and_a_recurrence_are_layers():
    table, words = parameter(9, 4, name="table"), fed(6, name="words", dtype="int64")
    w = parameter(4, name="w")
    h = broadcast_to(fed(name="start"), shape=(4,))
    vectors = gather(table, words, axes=(0,))
    (last,), _ = scan_nodes(lambda c, s: ([e.tanh(c[0] * w + s[0])], []), [h], [vectors])
    assert tgraph.concept_depth(vectors) == 1
    assert tgraph.concept_depth(last) == 2


def test_a_normalisation_that_scales_is_a_layer():
    x, scale, shift = fed(2, 3), parameter(3, name="scale"), parameter(3, name="shift")
    mean = reduce_sum(x, axis=(1,), keepdims=True) * (1 / 3)
    assert tgraph.concept_depth((x - mean) * scale + shift) == 1


def test_without_parameters_there_is_no_layer():
    assert tgraph.concept_depth(e.sin(fed(3) * fed(3, name="y"))) == 0


# --------------------------------------------------------------------------------------- counts


def test_operations_are_counted():
    found = tgraph.operations(e.sigmoid(logistic_regression()))
    assert found == {"multiply": 2, "add": 1, "sigmoid": 1}
    assert next(iter(found)) == "multiply"


def test_parameters_are_counted():
    _, y, _ = lenet(2)
    expected = 6 * 26 + 16 * 151 + 257 * 120 + 121 * 84 + 85 * 10
    assert tgraph.parameter_count(y) == expected == 44_426


def test_flops_of_each_kind():
    a, b = fed(3, 4), fed(4, 5, name="b")
    assert tgraph.flops(matmul(a, b)) == 2 * 3 * 4 * 5
    assert tgraph.flops(e.sin(a)) == 12
    assert tgraph.flops(reduce_sum(a, axis=(0,), keepdims=False)) == 12
    assert tgraph.flops(permute(a, axes=(1, 0))) == 0
    assert tgraph.flops(concat(a, a, axis=0)) == 0
    assert tgraph.flops(sort(a, axis=1, descending=False)) == 12 * 2
    assert tgraph.flops(a * 2.0) == 12


def test_flops_of_a_convolution_and_of_its_gradients():
    x, w = fed(2, 4, 8, 8), fed(6, 2, 3, 3, name="w")
    y = conv(x, w, stride=(1, 1), dilation=(1, 1), padding=((1, 1), (1, 1)), groups=2)
    expected = 2 * (2 * 6 * 8 * 8) * (3 * 3) * (4 // 2)
    assert tgraph.flops(y) == expected
    plain = {"stride": (1, 1), "dilation": (1, 1), "padding": ((1, 1), (1, 1)), "groups": 2}
    assert tgraph.flops(conv_input(y, w, size=(8, 8), **plain)) == 2 * expected
    assert tgraph.flops(conv_weight(x, y, size=(3, 3), **plain)) == 2 * expected


def test_flops_of_linear_algebra():
    a, b = fed(2, 4, 4), fed(2, 4, 3, name="b")
    assert tgraph.flops(inv(a)) == 2 * 4**3
    assert tgraph.flops(solve(a, b)) == 2 * (4**3 + 2 * 4**2 * 3)


def test_every_kind_of_op_has_its_formula():
    kinds = {op.kind for op in REGISTRY.values()}
    assert kinds <= FORMULAS.keys() | set(FREE)


def test_flops_of_loops():
    x, start = fed(5), fed(name="start")
    (last,), _ = scan_nodes(lambda c, s: ([e.tanh(c[0] * s[0])], []), [start], [x])
    assert tgraph.flops(last) == 10
    (y,) = cond_nodes(start > 0, lambda v: [e.sin(e.sin(v[0]))], lambda v: [-v[0]], [start])
    assert tgraph.flops(y) == 3


def test_bytes_moved():
    x, y = fed(3, 4), fed(4, name="y")
    assert tgraph.bytes_moved(x + y) == 4 * (12 + 4 + 12)
    wide = broadcast_to(y, shape=(3, 4))
    assert tgraph.bytes_moved(x + wide) == 4 * (12 + 4 + 12)  # what is repeated is read once
    assert tgraph.bytes_moved(e.sin(take_range(y, 0, 1, 2))) == 4 * (2 + 2)
    assert tgraph.bytes_moved(wide) == 0


def test_memory():
    x = fed(1000)
    y = e.sin(x)
    assert tgraph.memory(y) == 4000
    assert tgraph.memory(e.cos(y)) == 8000
    chain = x
    for _ in range(5):
        chain = e.sin(chain)
    assert tgraph.memory(chain) == 8000  # one is read while the next is written
    assert tgraph.memory(e.cos(reshape(y, shape=(10, 100)))) == 8000
    assert tgraph.memory([y, chain]) == 12000  # an output is kept


def test_open_sizes_make_expressions():
    x = fed(n, 4)
    y = matmul(x, fed(4, 2, name="w"))
    assert tgraph.flops(y) == n * 16
    assert tgraph.bytes_moved(y) == n * 24 + 32
    assert tgraph.flops(y, sizes={"n": 3}) == 48
    assert tgraph.depth(y) == 1
    assert tgraph.memory(y, sizes={"n": 3}) == 24


def test_what_needs_an_open_size_says_so():
    x = fed(n, 4)
    with pytest.raises(ShapeError, match=r"depends on the open size 16\*n; give it with sizes="):
        tgraph.memory(e.sin(x))
    with pytest.raises(ShapeError, match="not the open size n"):
        tgraph.flops(e.sin(x), sizes={"m": 3})
    (last,), _ = scan_nodes(lambda c, s: ([c[0] + s[0]], []), [fed(4)], [x])
    with pytest.raises(ShapeError, match="the depth of scan depends on the open size n"):
        tgraph.depth(last)
    assert tgraph.depth(last, sizes={"n": 7}) == 7
    assert tgraph.flops(last) == n * 4


# ------------------------------------------------------------------------------------- networkx


def test_networkx_has_the_same_graph():
    x, y, parameters = lenet(2)
    graph = training(x, y, parameters)
    found = graph.to_networkx()
    assert found.number_of_nodes() == len(graph)
    assert networkx.is_directed_acyclic_graph(found)
    reads = {(id(child), id(node)) for node in graph.nodes for child in node.inputs}
    assert found.number_of_edges() == len(reads)


def test_networkx_attributes():
    x = fed(2, 3)
    found = Graph([x], [e.multiply(x, x)]).to_networkx()
    assert found.nodes[0]["op"] == "placeholder"
    assert found.nodes[0]["role"] == "input"
    assert found.nodes[1]["op"] == "multiply"
    assert found.nodes[1]["shape"] == (2, 3)
    assert found.nodes[1]["dtype"] == "float32"
    assert found.nodes[1]["origin"].startswith(__file__)
    assert found.edges[0, 1]["places"] == (0, 1)


def test_several_results():
    x = fed(3)
    (last,), (path,) = scan_nodes(lambda c, s: ([c[0] + s[0]], [c[0]]), [fed(name="c")], [x])
    node = last.inputs[0]
    assert tgraph.operations([*items(node)])["scan"] == 1
    assert tgraph.memory([last, path]) == 4 + 12


def test_networkx_is_imported_when_it_is_needed():
    code = "import sys, tinygraph.graph; assert 'networkx' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'dept'"):
        attrgetter("dept")(tgraph)
    assert all(hasattr(tgraph, name) for name in tgraph.__all__)
