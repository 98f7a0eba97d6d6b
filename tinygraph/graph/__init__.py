"""Nodes and graphs: what is computed, from what, and by whose line."""

from tinygraph.graph.dim import Dim
from tinygraph.graph.graph import Graph, topological
from tinygraph.graph.node import Aval, Node
from tinygraph.graph.origin import Origin

__all__ = ["Aval", "Dim", "Graph", "Node", "Origin", "topological"]
