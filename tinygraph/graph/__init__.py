"""Nodes and graphs: what is computed, from what, and by whose line."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinygraph.graph.dim import Dim
from tinygraph.graph.graph import Graph, topological
from tinygraph.graph.node import Aval, Node
from tinygraph.graph.origin import Origin

if TYPE_CHECKING:
    from tinygraph.graph.analyse import (
        concept_depth,
        critical_path,
        depth,
        operations,
        to_networkx,
        width,
    )
    from tinygraph.graph.cost import bytes_moved, flops, memory, parameter_count
    from tinygraph.graph.show import dot, text

_LATER = {  # imported on first use
    **dict.fromkeys(
        ("concept_depth", "critical_path", "depth", "operations", "to_networkx", "width"),
        "analyse",
    ),
    **dict.fromkeys(("bytes_moved", "flops", "memory", "parameter_count"), "cost"),
    **dict.fromkeys(("dot", "text"), "show"),
}

__all__ = [
    "Aval",
    "Dim",
    "Graph",
    "Node",
    "Origin",
    "bytes_moved",
    "concept_depth",
    "critical_path",
    "depth",
    "dot",
    "flops",
    "memory",
    "operations",
    "parameter_count",
    "text",
    "to_networkx",
    "topological",
    "width",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
