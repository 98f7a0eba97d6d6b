"""Each loss is one kernel; with its gradient it is two: the sum, and what is behind it."""

import numpy as np
import pytest
from fused import tape_of

import tinygraph as tg
from tinygraph.nn import functional as F

ROWS, COLUMNS = 6, 5
ELEMENTWISE = [
    F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss, F.log_cosh_loss, F.mape_loss,
    F.msle_loss, F.kl_div, F.poisson_nll_loss, F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits, F.binary_crossentropy, F.sigmoid_focal_loss,
    F.perceptron_loss, F.hinge_loss, F.squared_hinge_loss, F.categorical_hinge_loss,
    F.soft_margin_loss, F.hinge_embedding_loss, F.multilabel_soft_margin_loss,
    F.categorical_cross_entropy, F.cross_entropy, F.focal_loss,
]  # fmt: skip
WEIGHT = tg.tensor(np.linspace(0.5, 2.0, COLUMNS).astype("float32"))
OF_CLASSES = {
    "cross_entropy": F.cross_entropy,
    "smoothed": lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1),
    "weighted": lambda x, t: F.cross_entropy(x, t, WEIGHT),
    "nll": F.nll_loss,
    "focal": F.focal_loss,
    "weighted focal": lambda x, t: F.focal_loss(x, t, WEIGHT),
    "multi margin": F.multi_margin_loss,
    "weighted multi margin": lambda x, t: F.multi_margin_loss(x, t, weight=WEIGHT),
    "from probabilities": F.sparse_categorical_cross_entropy,
    "from logits": lambda x, t: F.sparse_categorical_cross_entropy(x, t, from_logits=True),
}


def instructions(loss, *inputs):
    """Of the loss alone, and of the loss with its gradient for the first input."""
    alone = tape_of(loss(*inputs), inputs=inputs)
    both = tape_of(*tg.value_and_grad(loss)(*inputs), inputs=inputs)
    return len(alone), len(both)


def at_most_one_kernel_each_way(loss, *inputs):
    """Some are one for both: what goes through a row goes back at once."""
    alone, both = instructions(loss, *inputs)
    return alone == 1 and both <= 2


def numbers(name):
    return tg.placeholder((ROWS, COLUMNS), name=name)


@pytest.mark.parametrize("loss", ELEMENTWISE, ids=lambda loss: loss.__name__)
def test_losses_of_numbers(loss):
    def mean(x, y):
        return loss(x, y, reduction="mean")

    assert at_most_one_kernel_each_way(mean, numbers("x"), numbers("y"))


@pytest.mark.parametrize("name", OF_CLASSES)
def test_losses_of_classes(name):
    classes = tg.placeholder((ROWS,), "int64", name="t")
    assert at_most_one_kernel_each_way(OF_CLASSES[name], numbers("x"), classes)


def test_losses_of_three():
    x, y, z = numbers("x"), numbers("y"), numbers("z")
    assert at_most_one_kernel_each_way(F.gaussian_nll_loss, x, y, z)
    assert at_most_one_kernel_each_way(F.margin_ranking_loss, x, y, z)
    assert at_most_one_kernel_each_way(lambda x, y, z: F.mse_loss(x, y, weight=z), x, y, z)
