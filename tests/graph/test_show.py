"""Graphs as text and for Graphviz."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from networks import lenet

from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Aval, Node
from tinygraph.graph.show import dot, role, text
from tinygraph.ops import elementwise as e
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.ops.registry import DATA, PLACEHOLDER
from tinygraph.ops.scan import scan_nodes

F4 = np.dtype("float32")


def fed(*shape, name="x"):
    return Node(PLACEHOLDER, (), {"name": name}, Aval(shape, F4))


def held(*shape, grad=False):
    return Node(DATA, (), {}, Aval(shape, F4), grad=grad, buffer=np.zeros(shape, F4))


def neuron():
    x, w = fed(3), held(3, grad=True)
    z = reduce_sum(x * w, axis=(0,), keepdims=False) + 0.5
    return Graph([x, w], [e.sigmoid(z)])


def test_one_line_a_node():
    lines = text(neuron()).split("\n")
    assert lines[0] == "graph: 2 inputs, 7 nodes, 1 output"
    calls = [re.split(r"\s{2,}", line.strip())[0:2] for line in lines[1:-1]]
    assert calls == [
        ["%0 float32[3]", "input x"],
        ["%1 float32[3]", "parameter"],
        ["%2 float32[3]", "multiply(%0, %1)"],
        ["%3 float32[]", "sum(%2, axis=(0,), keepdims=False)"],
        ["%4 float32[]", "const 0.5"],
        ["%5 float32[]", "add(%3, %4)"],
        ["%6 float32[]", "sigmoid(%5)"],
    ]
    assert lines[-1].strip() == "return %6"


def test_columns_are_aligned_and_bear_the_users_line():
    lines = text(neuron()).split("\n")[1:-1]
    places = [line.index("test_show.py:") for line in lines]
    assert len(set(places)) == 1


def test_a_long_parameter_is_cut():
    x = fed(2)
    node = Node(e.sin, (x,), {"table": tuple(range(100))}, x.aval)
    shown = text(Graph([x], [node]))
    assert "..." in shown
    assert max(map(len, shown.split("\n"))) < 130


def test_bodies_are_indented_below_their_node():
    x, k = fed(4), fed(name="k")
    (last,), _ = scan_nodes(lambda c, s: ([c[0] * s[0]], []), [k], [x])
    shown = text(Graph([x, k], [last]))
    lines = shown.split("\n")
    (header,) = (i for i, line in enumerate(lines) if line.strip() == "body:")
    assert "scan(" in lines[header - 1]
    assert "Graph" not in shown
    inner = lines[header + 1]
    assert len(inner) - len(inner.lstrip()) > len(lines[header]) - len(lines[header].lstrip())
    assert shown.count("return ") == 2


def test_inputs_that_nobody_reads_are_shown():
    x, y = fed(2), fed(3, name="unused")
    assert "input unused" in text(Graph([x, y], [e.sin(x)]))


def test_printing_a_graph_prints_its_text():
    graph = neuron()
    assert str(graph) == text(graph)


@pytest.mark.parametrize(
    ("node", "given", "expected"),
    [
        (fed(2), True, "input"),
        (fed(2), False, "input"),
        (held(2, grad=True), True, "parameter"),
        (held(2), False, "data"),
        (e.sin(fed(2)), False, "elementwise"),
        (e.sin(fed(2)), True, "input"),
        ((fed(2) + 1.0).inputs[1], False, "constant"),
    ],
)
def test_roles(node, given, expected):
    assert role(node, {id(node)} if given else ()) == expected


# ------------------------------------------------------------------------------------ Graphviz


def test_dot_has_every_node_and_edge():
    graph = neuron()
    written = dot(graph)
    assert written.startswith("digraph tinygraph {")
    assert written.endswith("}")
    assert len(re.findall(r"^  n\d+ \[", written, re.M)) == 7
    assert len(re.findall(r"^  n\d+ -> n\d+;", written, re.M)) == 6
    assert graph.to_dot() == written


def test_dot_tells_inputs_parameters_and_outputs_apart():
    lines = dot(neuron()).split("\n")
    by_label = {re.search(r'label="(\w+)', line)[1]: line for line in lines if "label=" in line}
    assert "shape=ellipse" in by_label["input"]
    assert "shape=ellipse" in by_label["parameter"]
    assert "shape=ellipse" not in by_label["multiply"]
    assert "peripheries=2" in by_label["sigmoid"]
    shades = [re.search(r'fillcolor="(#\w+)"', by_label[k])[1] for k in ("input", "parameter")]
    assert shades[0] != shades[1]


def test_dot_has_the_users_line_as_tooltip():
    assert re.search(r'tooltip="test_show.py:\d+: z = reduce_sum\(x \* w', dot(neuron()))


def test_dot_escapes_what_would_end_a_string():
    name = 'a"b\\c'
    x = fed(2, name=name)
    written = dot(Graph([x], [e.sin(x)]))
    assert 'label="input a\\"b\\\\c\\nfloat32[2]"' in written


def test_dot_of_a_large_graph_says_what_is_left_out():
    node = start = fed()
    for _ in range(50):
        node = -node
    written = dot(Graph([start], [node]), max_nodes=10)
    assert len(re.findall(r"^  n\d+ \[", written, re.M)) == 10
    assert len(re.findall(r"->", written)) == 9
    assert "41 more nodes come before these" in written
    assert "peripheries=2" in written


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_it():
    x, y, parameters = lenet(2)
    done = subprocess.run(
        ["dot", "-Tsvg"], input=dot(Graph([x, *parameters], [y])), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.count("<g id=") > 30
