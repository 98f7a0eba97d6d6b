"""Graphs to look at: as text, and for Graphviz."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from tinygraph.graph.graph import Graph
from tinygraph.graph.node import Node

LONGEST_PARAM = 60  # characters of a parameter that are shown
WIDEST_CALL = 72  # columns up to which operations are aligned

COLOURS = {
    "input": "#cfe2f3",
    "parameter": "#d9ead3",
    "state": "#e2efda",
    "data": "#eeeeee",
    "constant": "#eeeeee",
    "view": "#ffffff",
    "elementwise": "#fff2cc",
    "reduce": "#fce5cd",
    "contract": "#d6d6f5",
    "conv": "#e3cdea",
    "control": "#f4cccc",
    "window": "#f9d5bb",
    "gather": "#cfe6e4",
    "scatter": "#bfdcd9",
    "argreduce": "#f7dcb4",
    "random": "#ead1dc",
}
OTHER_COLOUR = "#e0dcd3"


def listed(graph: Graph) -> list[Node]:
    """The inputs, then every other node after those it needs: a node's number is its place."""
    given = set(map(id, graph.inputs))
    return [*graph.inputs, *(node for node in graph.nodes if id(node) not in given)]


def is_leaf(node: Node) -> bool:
    """Whether `node` is given, not computed: a leaf, or the value that a Tensor holds."""
    return node.op.leaf or node.cell is not None


def role(node: Node, given: Collection[int] = ()) -> str:
    """What `node` is in a graph whose inputs have the ids `given`.

    "parameter" (it has a value, and a gradient reaches it), "state" (a Tensor holds it), "input",
    "data" (an array of its own), "constant", or else the kind of its op.
    """
    if not is_leaf(node) and id(node) not in given:
        return "constant" if node.op.kind == "const" else node.op.kind
    has_value = node.cell is not None or (node.op.leaf and node.buffer is not None)
    if node.grad and has_value:
        return "parameter"
    if node.cell is not None:
        return "state"
    return "input" if id(node) in given or node.op.name == "placeholder" else "data"


def name_of(node: Node) -> str:
    """The name that the user gave to an input or parameter; "" if there is none."""
    owner = node.cell() if node.cell is not None else None
    return str(node.params.get("name") or getattr(owner, "name", None) or "")


def colour(role_name: str) -> str:
    """The background that pictures give to nodes of a role."""
    return COLOURS.get(role_name, OTHER_COLOUR)


# ------------------------------------------------------------------------------------- text


class Row(NamedTuple):
    """One node as text, column by column; `bodies` are the graphs among its parameters."""

    number: str
    aval: str
    call: str
    origin: str
    bodies: Sequence[tuple[str, Graph]]


def text(graph: Graph) -> str:
    """One line a node: its number, what results, the operation, and the user's line.

    Inputs come first. The body of a loop or condition is indented below its node, with numbers
    of its own.
    """
    title = (
        f"graph: {_count(len(graph.inputs), 'input')}, {_count(len(graph), 'node')}, "
        f"{_count(len(graph.outputs), 'output')}"
    )
    return "\n".join([title, *_lines(graph, "  ")])


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _lines(graph: Graph, indent: str) -> Iterator[str]:
    nodes = listed(graph)
    number = {id(node): index for index, node in enumerate(nodes)}
    given = set(map(id, graph.inputs))
    rows = [_row(node, number, given) for node in nodes]
    numbers = max((len(row.number) for row in rows), default=0)
    avals = max((len(row.aval) for row in rows), default=0)
    calls = min(max((len(row.call) for row in rows), default=0), WIDEST_CALL)
    for row in rows:
        yield (
            f"{indent}{row.number:>{numbers}} {row.aval:<{avals}}  {row.call:<{calls}}  "
            f"{row.origin}"
        )
        for name, body in row.bodies:
            yield f"{indent}      {name}:"
            yield from _lines(body, indent + " " * 8)
    yield f"{indent}return " + ", ".join(f"%{number[id(node)]}" for node in graph.outputs)


def _row(node: Node, number: dict[int, int], given: set[int]) -> Row:
    avals = ", ".join(map(str, node.avals))
    bodies: list[tuple[str, Graph]] = []
    if is_leaf(node) or id(node) in given:
        call = f"{role(node, given)} {name_of(node)}".rstrip()
    else:
        call = _call(node, [f"%{number[id(child)]}" for child in node.inputs])
        bodies = [(key, value) for key, value in node.params.items() if isinstance(value, Graph)]
    return Row(f"%{number[id(node)]}", avals, call, str(node.origin), bodies)


def _call(node: Node, args: list[str]) -> str:
    if node.op.name == "const":
        return f"const {node.params['value']}"
    params = [
        f"{key}={_brief(value)}"
        for key, value in node.params.items()
        if not isinstance(value, Graph)
    ]
    return f"{node.op.name}({', '.join([*args, *params])})"


def _brief(value: Any) -> str:
    shown = str(value)
    return shown if len(shown) <= LONGEST_PARAM else shown[: LONGEST_PARAM - 3] + "..."


# --------------------------------------------------------------------------------- Graphviz


def dot(graph: Graph, max_nodes: int = 500) -> str:
    """The graph in Graphviz's language: `dot -Tsvg` makes a picture of it.

    Inputs and parameters are round, outputs have a double border, and the tooltip of each node
    is the user's line. Of a graph with more than `max_nodes` nodes the last ones are shown, and
    a note says how many are not.
    """
    nodes = listed(graph)
    number = {id(node): index for index, node in enumerate(nodes)}
    shown = nodes[-max_nodes:] if max_nodes > 0 else []
    given = set(map(id, graph.inputs))
    results = set(map(id, graph.outputs))
    lines = [
        "digraph tinygraph {",
        '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=10];',
    ]
    if len(shown) < len(nodes):
        note = f"{len(nodes) - len(shown)} more nodes come before these"
        lines.append(f"  omitted [label={_quoted(note)}, shape=note, fillcolor=white];")
    visible = set(map(id, shown))
    for node in shown:
        lines.append(f"  n{number[id(node)]} [{_attributes(node, given, id(node) in results)}];")
        if id(node) not in given:
            lines += [
                f"  n{number[id(child)]} -> n{number[id(node)]};"
                for child in node.inputs
                if id(child) in visible
            ]
    return "\n".join([*lines, "}"])


def _attributes(node: Node, given: set[int], is_output: bool) -> str:
    what = role(node, given)
    result = ", ".join(map(str, node.avals))
    leaf = is_leaf(node) or id(node) in given
    title = f"{what} {name_of(node)}".rstrip() if leaf else _title(node)
    found = {
        "label": _quoted(f"{title}\n{result}"),
        "tooltip": _quoted(f"{node.origin}: {node.origin.text}"),
        "fillcolor": _quoted(colour(what)),
    }
    if leaf:
        found["shape"] = "ellipse"
    if is_output:
        found["peripheries"] = "2"
    return ", ".join(f"{key}={value}" for key, value in found.items())


def _title(node: Node) -> str:
    return _call(node, []) if node.op.name == "const" else node.op.name


def _quoted(words: str) -> str:
    """A quoted string, in which quotes, backslashes and line breaks stand for themselves."""
    escaped = words.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
