"""Draw the curves of activations and losses, with their slopes, which tinygraph computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import tinygraph as tg
from tinygraph.nn import functional as F

Curve = Callable[[tg.Tensor], tg.Tensor]  # elementwise

POINTS = 1200  # an even number: no point lies at a kink
REACH = 4.0  # to which activations are drawn on both sides
VALUE, SLOPE = "C0", "C1"
STYLES = ("-", "--", "-.", ":", (0, (6, 2)))  # where lines meet, both are seen

Limits = tuple[float, float]


def of_two(function: Curve) -> Curve:
    """What `function`, over a dimension, makes of x beside a 0."""
    return lambda x: function(tg.stack([x, tg.zeros_like(x)], axis=-1))[..., 0]


ACTIVATIONS: dict[str, Curve] = {
    "identity": F.identity,
    "step": F.step,
    "bipolar_step": F.bipolar_step,
    "sigmoid": F.sigmoid,
    "tanh": F.tanh,
    "relu": F.relu,
    "leaky_relu (0.1)": lambda x: F.leaky_relu(x, 0.1),
    "prelu (0.25)": lambda x: F.prelu(x, 0.25),
    "rrelu (evaluation)": F.rrelu,
    "relu6 (flat from 6)": F.relu6,
    "elu": F.elu,
    "celu (alpha 2)": lambda x: F.celu(x, 2.0),
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "swish (beta 3)": lambda x: F.swish(x, 3.0),
    "mish": F.mish,
    "hardswish": F.hardswish,
    "softplus": F.softplus,
    "logsigmoid": F.logsigmoid,
    "softsign": F.softsign,
    "hardsigmoid": F.hardsigmoid,
    "hardtanh": F.hardtanh,
    "threshold (1, 0)": lambda x: F.threshold(x, 1.0, 0.0),
    "hardshrink": F.hardshrink,
    "softshrink": F.softshrink,
    "tanhshrink": F.tanhshrink,
    "softmax of (x, 0)": of_two(lambda x: F.softmax(x, -1)),
    "softmin of (x, 0)": of_two(lambda x: F.softmin(x, -1)),
    "log_softmax of (x, 0)": of_two(lambda x: F.log_softmax(x, -1)),
    "sparsemax of (x, 0)": of_two(lambda x: F.sparsemax(x, -1)),
}


def elementwise(loss: Callable[..., tg.Tensor], *targets: float, **options: float) -> Curve:
    """A loss of single numbers as a function of the first of them."""
    return lambda x: loss(x, *(tg.full_like(x, t) for t in targets), reduction="none", **options)


REGRESSION = {
    "mse_loss": elementwise(F.mse_loss, 0.0),
    "l1_loss": elementwise(F.l1_loss, 0.0),
    "huber_loss, delta 1": elementwise(F.huber_loss, 0.0),
    "smooth_l1_loss, beta 0.5": elementwise(F.smooth_l1_loss, 0.0, beta=0.5),
    "log_cosh_loss": elementwise(F.log_cosh_loss, 0.0),
}
MARGIN = {
    "perceptron_loss": elementwise(F.perceptron_loss, 1.0),
    "hinge_loss": elementwise(F.hinge_loss, 1.0),
    "squared_hinge_loss": elementwise(F.squared_hinge_loss, 1.0),
    "soft_margin_loss": elementwise(F.soft_margin_loss, 1.0),
    "wrong or not (0-1 loss)": lambda f: 1.0 - F.step(f),
}


def logit(p: tg.Tensor) -> tg.Tensor:
    """The logit whose sigmoid is p."""
    return tg.log(p / (1.0 - p))


def focal(gamma: float) -> Curve:
    """The focal loss of a target 1 that has the probability p, without the weight alpha."""
    loss = elementwise(F.sigmoid_focal_loss, 1.0, alpha=-1.0, gamma=gamma)
    return lambda p: loss(logit(p))


def smoothed(smoothing: float) -> Curve:
    """The cross-entropy of two classes, the right one of which has the probability p."""

    def loss(p: tg.Tensor) -> tg.Tensor:
        logits = tg.stack([logit(p), tg.zeros_like(p)], axis=-1)
        target = tg.zeros(p.shape, dtype="int64")
        return F.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)

    return loss


FOCAL = {f"gamma {gamma:g}": focal(gamma) for gamma in (0.0, 0.5, 1.0, 2.0, 5.0)}
SMOOTHING = {f"label_smoothing {s:g}": smoothed(s) for s in (0.0, 0.1, 0.3)}
ENTROPY = {f"target {y:g}": elementwise(F.binary_cross_entropy, y) for y in (1.0, 0.5, 0.0)}


def of_distance(loss: Callable[..., tg.Tensor], *more: float) -> Curve:
    """A loss of vectors of one element, as a function of how far they are apart."""

    def curve(d: tg.Tensor) -> tg.Tensor:
        vectors = [tg.reshape(v, (-1, 1)) for v in (d, tg.zeros_like(d))]
        return loss(*vectors, *(tg.full_like(d, m) for m in more), reduction="none")

    return curve


def triplet(d: tg.Tensor) -> tg.Tensor:
    """The triplet loss where the positive is d away and the negative 1.5."""
    d = tg.reshape(d, (-1, 1))
    zero = tg.zeros_like(d)
    return F.triplet_margin_loss(zero, d, zero + 1.5, reduction="none")


def of_boxes(loss: Callable[..., tg.Tensor]) -> Curve:
    """A loss of two unit squares, one of which is shifted along x."""

    def curve(shift: tg.Tensor) -> tg.Tensor:
        zero = tg.zeros_like(shift)
        moved = tg.stack([shift, zero, shift + 1.0, zero + 1.0], axis=-1)
        still = tg.stack([zero, zero, zero + 1.0, zero + 1.0], axis=-1)
        return loss(moved, still, reduction="none")

    return curve


PAIRS = {
    "hinge_embedding_loss, alike": elementwise(F.hinge_embedding_loss, 1.0),
    "hinge_embedding_loss, not": elementwise(F.hinge_embedding_loss, -1.0),
    "contrastive_loss, alike": of_distance(F.contrastive_loss, 1.0),
    "contrastive_loss, not": of_distance(F.contrastive_loss, 0.0),
    "triplet_margin_loss, negative at 1.5": triplet,
}
BOXES = {
    "iou_loss": of_boxes(F.iou_loss),
    "generalized_box_iou_loss": of_boxes(F.generalized_box_iou_loss),
    "distance_box_iou_loss": of_boxes(F.distance_box_iou_loss),
}


def values(curve: Curve, x: np.ndarray) -> np.ndarray:
    """The curve at the points x."""
    return curve(tg.tensor(x)).numpy()


def slopes(curve: Curve, x: np.ndarray) -> np.ndarray:
    """The derivative at the points x: each result depends on its own x alone."""
    return tg.grad(lambda x: tg.sum(curve(x)))(tg.tensor(x)).numpy()


def draw_activations(path: Path) -> None:
    """Every activation with its derivative, on axes that are all alike."""
    columns = 4
    rows = -(-len(ACTIVATIONS) // columns)
    figure = Figure(figsize=(10, 1.75 * rows + 0.4), facecolor="white")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True).ravel()
    x = np.linspace(-REACH, REACH, POINTS)
    for side, (name, curve) in zip(axes, ACTIVATIONS.items(), strict=False):
        side.set_title(name, fontsize=9)
        side.plot(x, broken(values(curve, x)), color=VALUE, label="value")
        side.plot(x, broken(slopes(curve, x)), color=SLOPE, ls="--", label="derivative")
        _cross(side)
        side.set_ylim(-2.2, 3.2)
    for side in axes[len(ACTIVATIONS) :]:
        side.set_axis_off()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="lower right", ncols=2, fontsize=10)
    figure.tight_layout()
    figure.savefig(path)


def broken(y: np.ndarray) -> np.ndarray:
    """y with a gap where it jumps."""
    jumps = np.abs(np.diff(y, append=y[-1:])) > 0.05
    return np.where(jumps, np.nan, y)


def draw_losses(
    path: Path,
    x: np.ndarray,
    curves: Mapping[str, Curve],
    label: str,
    limits: tuple[Limits, Limits],
) -> None:
    """Losses on the left, their derivatives on the right, both within their limits."""
    figure = Figure(figsize=(10, 3.6), facecolor="white")
    left, right = figure.subplots(1, 2)
    for (name, curve), style in zip(curves.items(), STYLES, strict=False):
        left.plot(x, broken(values(curve, x)), ls=style, label=name)
        right.plot(x, broken(slopes(curve, x)), ls=style)
    titles = ("loss", "derivative")
    for side, title, shown in zip((left, right), titles, limits, strict=True):
        _cross(side)
        side.set_title(title, fontsize=10)
        side.set_xlabel(label, fontsize=9)
        side.set_ylim(shown)
    left.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def draw_side_by_side(
    path: Path, panels: Mapping[str, tuple[Mapping[str, Curve], np.ndarray]]
) -> None:
    """One panel for each group of losses, under what its x axis shows."""
    figure = Figure(figsize=(10, 3.6), facecolor="white")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for side, (label, (curves, x)) in zip(axes, panels.items(), strict=True):
        for (name, curve), style in zip(curves.items(), STYLES, strict=False):
            side.plot(x, broken(values(curve, x)), ls=style, label=name)
        _cross(side)
        side.set_xlabel(label, fontsize=9)
        side.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def _cross(axes: Axes) -> None:
    """Thin lines through 0, and a grid."""
    axes.axhline(0.0, color="#999999", lw=0.8)
    axes.axvline(0.0, color="#999999", lw=0.8)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=8)


def draw(folder: Path) -> None:
    """Write the pictures of docs/activations.md and docs/losses.md into `folder`."""
    draw_activations(folder / "activations.svg")
    wide, share = np.linspace(-3.0, 3.0, POINTS), np.linspace(0.005, 0.995, POINTS)
    apart = np.linspace(0.001, 2.0, POINTS)
    draw_losses(folder / "losses-regression.svg", wide, REGRESSION, "error: input - target",
                ((-0.3, 5.0), (-3.3, 3.3)))  # fmt: skip
    draw_losses(folder / "losses-margin.svg", wide, MARGIN, "margin: y f",
                ((-0.3, 5.0), (-4.3, 0.5)))  # fmt: skip
    draw_side_by_side(folder / "losses-probability.svg", {
        "binary_cross_entropy: probability p of class 1": (ENTROPY, share),
        "focal loss: probability of the right class": (FOCAL, share),
        "cross_entropy: probability of the right class": (SMOOTHING, share),
    })  # fmt: skip
    draw_side_by_side(folder / "losses-distance.svg", {
        "distance of two vectors": (PAIRS, apart),
        "shift of one of two squares of side 1": (BOXES, apart),
    })  # fmt: skip
