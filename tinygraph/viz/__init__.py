"""Pictures: of graphs, of memory plans, of learning curves. Needs matplotlib."""

from tinygraph.viz.curves import plot_curves
from tinygraph.viz.graph import draw_graph
from tinygraph.viz.memory import draw_memory
from tinygraph.viz.range_test import plot_range_test

__all__ = ["draw_graph", "draw_memory", "plot_curves", "plot_range_test"]
