"""Pictures: what they show, and that it can be read."""

import builtins
import subprocess
import sys

import pytest
from boxes import overlap
from networks import fed, lenet, parameter, training

import tinygraph as tg
from tinygraph.compiler.compile import make_tape
from tinygraph.errors import GraphError
from tinygraph.graph.graph import Graph
from tinygraph.ops import elementwise as e
from tinygraph.ops.contract import matmul
from tinygraph.ops.reduce import sum as reduce_sum
from tinygraph.viz import draw_graph, draw_memory, plot_curves
from tinygraph.viz.blocks import AFTER, BACKWARD, FORWARD, blocks
from tinygraph.viz.curves import moving_mean
from tinygraph.viz.graph import _arrange, _boxes

PNG = b"\x89PNG"


def forward():
    x, y, parameters = lenet(4)
    return Graph([x, *parameters], [y])


def labels(found):
    return [block.label.split("\n")[0] for block in found]


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


# -------------------------------------------------------------------------------------- blocks


def test_views_and_constants_are_left_out():
    x = fed(2, 3)
    y = e.sin(tg.graph.Graph([x], [x * 2.0]).outputs[0])
    found = blocks(Graph([x], [y]), merge=False)
    assert labels(found) == ["x", "multiply", "sin"]
    shown = blocks(Graph([x], [y]), hidden=(), merge=False)
    assert "2" in labels(shown)


def test_a_chain_of_elementwise_operations_is_one_block():
    x, w = fed(2, 3), parameter(3, 4, name="w")
    graph = Graph([x, w], [e.relu(e.tanh(matmul(x, w) * 0.5))])
    assert labels(blocks(graph)) == ["x", "w", "dot_general", "multiply, tanh, relu"]
    assert len(blocks(graph, merge=False)) == 6


def test_what_is_read_twice_is_a_block_of_its_own():
    x = fed(3)
    y = e.sin(x)
    total = reduce_sum(y, axis=(0,), keepdims=True)
    found = blocks(Graph([x], [e.exp(y) / total]))
    assert labels(found) == ["x", "sin", "sum", "exp, divide"]


def test_a_long_chain_is_counted():
    node = x = fed(3)
    for _ in range(10):
        node = e.sin(node)
    assert labels(blocks(Graph([x], [node]))) == ["x", "10 elementwise"]


def test_an_output_in_the_middle_of_a_chain_keeps_its_box():
    x = fed(3)
    y = e.sin(x)
    found = blocks(Graph([x], [y, e.cos(y)]))
    assert [(block.label.split("\n")[0], block.is_output) for block in found] == [
        ("x", False), ("sin", True), ("cos", True),
    ]  # fmt: skip


def test_the_parts_of_a_training_graph():
    found = blocks(training(*lenet(4)))
    parts = {block.part for block in found}
    assert parts == {FORWARD, BACKWARD, AFTER}
    for block in found:
        if block.part == AFTER and block.inputs:
            assert block.is_output
    assert sum(block.role == "conv" for block in found) == 2 + 1 + 2


# ------------------------------------------------------------------------------------ pictures


@pytest.mark.parametrize("build", [forward, lambda: training(*lenet(4))])
@pytest.mark.parametrize("options", [{}, {"hidden": (), "merge": False}])
def test_no_two_boxes_of_a_picture_overlap(build, options):
    found = blocks(build(), **options)
    layout = _arrange(found)
    assert overlap(_boxes(found), layout.centres) == []


def test_labels_fit_into_their_boxes():
    figure = draw_graph(forward())
    figure.canvas.draw()
    axes = figure.axes[0]
    patches = [p.get_window_extent() for p in axes.patches if p.get_zorder() == 3]
    assert len(patches) == len(axes.texts)
    for text, box in zip(axes.texts, patches, strict=True):
        inner = text.get_window_extent()
        assert box.x0 < inner.x0 < inner.x1 < box.x1
        assert box.y0 < inner.y0 < inner.y1 < box.y1


def test_a_picture_of_lenet_shows_layers_parameters_and_shapes(tmp_path):
    figure = draw_graph(forward(), tmp_path / "graph.png")
    shown = "\n".join(texts(figure))
    for word in ("conv1.weight", "fc3.bias", "conv", "dot_general", "relu", "4 \u00d7 16 \u00d7 8"):
        assert word in shown
    assert (tmp_path / "graph.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("ending", ["svg", "pdf"])
def test_other_formats(tmp_path, ending):
    path = tmp_path / f"graph.{ending}"
    draw_graph(forward(), path)
    assert path.stat().st_size > 1000


def test_gradients_lead_upwards_beside_what_they_are_gradients_of():
    found = blocks(training(*lenet(4)))
    layout = _arrange(found)
    place = {id(block): centre for block, centre in zip(found, layout.centres, strict=True)}
    for block in found:
        for source in block.inputs:
            up = place[id(block)][1] < place[id(source)][1]
            if source.inputs and source.part == block.part == BACKWARD:
                assert up
            else:
                assert not up
    right = [max(place[id(b)][0] for b in found if b.part == part) for part in range(3)]
    assert right == sorted(right)


def test_gradients_of_gradients_can_be_drawn():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    slope = tg.grad(lambda v: tg.sum(tg.grad(lambda u: tg.sum(tg.sin(u) * u))(v) ** 2))(x)
    figure = draw_graph(slope)
    assert len(texts(figure)) > 3


def test_a_tensor_can_be_drawn():
    x = tg.placeholder((None, 3), name="image")
    shown = "\n".join(texts(draw_graph(tg.sigmoid(x * 2))))
    assert "image" in shown
    assert "image_0 \u00d7 3" in shown


def test_a_graph_that_is_too_large_to_read_is_refused():
    node = x = fed(2)
    for _ in range(30):
        node = e.sin(node)
    with pytest.raises(GraphError, match=r"31 boxes, more than max_blocks=20.*to_dot"):
        draw_graph(Graph([x], [node]), merge=False, max_blocks=20)


def test_the_picture_of_a_memory_plan(tmp_path):
    tape = make_tape(training(*lenet(4)))
    figure = draw_memory(tape, tmp_path / "memory.png")
    axes = figure.axes[0]
    assert "are alive at one time" in axes.get_title()
    rectangles = [(p.get_x(), p.get_y(), p.get_width(), p.get_height()) for p in axes.patches]
    assert max(y + h for _, y, _, h in rectangles) <= tape.memory.peak
    assert max(x + w for x, _, w, _ in rectangles) <= len(tape)
    assert (tmp_path / "memory.png").read_bytes().startswith(PNG)


def test_an_empty_plan_can_be_drawn():
    x = fed(3)
    draw_memory(make_tape(Graph([x], [e.sin(x)])))


def test_learning_curves(tmp_path):
    history = {"train loss": [3, 2, 1.5], "test loss": [3.1, 2.5, 2.2], "accuracy": [0.1, 0.5, 0.7]}
    figure = plot_curves(history, tmp_path / "curves.png")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["loss", "accuracy"]
    assert [line.get_label() for line in figure.axes[0].lines] == ["train loss", "test loss"]
    assert list(figure.axes[1].lines[0].get_ydata()) == history["accuracy"]
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)


def test_a_noisy_curve_gets_its_moving_mean():
    figure = plot_curves({"loss": [(-1.0) ** k for k in range(1000)]})
    pale, smooth = figure.axes[0].lines
    assert len(pale.get_ydata()) == 1000
    assert abs(smooth.get_ydata()).max() < 0.1


def test_moving_mean():
    assert moving_mean([1.0, 2.0, 3.0, 6.0], 2) == [1.5, 2.5, 4.5]


def test_an_empty_history_is_refused():
    with pytest.raises(ValueError, match="the history is empty"):
        plot_curves({})


# ---------------------------------------------------------------------------------- matplotlib


def test_matplotlib_is_imported_when_a_picture_is_drawn():
    code = "import sys, tinygraph.viz; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_drawing_leaves_no_global_state():
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw_graph(forward())
    assert dict(matplotlib.rcParams) == before
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for draw in (lambda: plot_curves({"loss": [1.0]}), lambda: draw_graph(forward())):
        with pytest.raises(ImportError, match=r"pip install '\.\[examples\]'"):
            draw()
