"""Pictures: of graphs, of memory plans, of learning curves. Needs matplotlib."""

from tinygraph.viz.curves import plot_curves
from tinygraph.viz.graph import draw_graph
from tinygraph.viz.memory import draw_memory

__all__ = ["draw_graph", "draw_memory", "plot_curves"]
