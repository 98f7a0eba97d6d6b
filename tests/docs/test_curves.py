"""The pictures of activations, losses, schedules and optimizers: nothing is left out of them, and
they show what the names say."""

import importlib

import numpy as np
import pytest

from tinygraph.nn import functional as F
from tinygraph.optim import lr_scheduler


def names_in(curves):
    return {name.split(" ")[0].split(",")[0] for name in curves}


def test_every_activation_is_drawn(docs):
    random = {"gumbel_softmax"}
    the_same = {"softmax2d"}  # as softmax, over channels
    files = [
        importlib.import_module(f"tinygraph.nn.functional.{name}")
        for name in ("activation", "piecewise", "probability")
    ]
    public = {name for file in files for name in file.__all__}
    assert public - random - the_same == names_in(docs.curves.ACTIVATIONS)


def test_every_schedule_is_drawn(docs):
    public = {n for n in lr_scheduler.__all__ if n != "LRScheduler"}
    assert public == names_in(docs.schedules.SCHEDULES)


def test_slopes_are_those_of_the_values(docs):
    x = np.linspace(-3.97, 3.97, 100)
    for name, curve in docs.curves.ACTIVATIONS.items():
        step = 1e-6
        around = [docs.curves.values(curve, x + side * step) for side in (-1, 1)]
        expected = (around[1] - around[0]) / (2 * step)
        np.testing.assert_allclose(docs.curves.slopes(curve, x), expected, atol=1e-5, err_msg=name)


def test_losses_over_what_they_say(docs):
    curves, p = docs.curves, np.array([0.25, 0.5, 0.9])
    np.testing.assert_allclose(curves.values(curves.focal(0.0), p), -np.log(p))
    np.testing.assert_allclose(curves.values(curves.smoothed(0.0), p), -np.log(p))
    np.testing.assert_allclose(curves.values(curves.focal(2.0), p), -((1 - p) ** 2) * np.log(p))
    np.testing.assert_allclose(curves.values(curves.triplet, np.array([0.25, 2.0])), [0, 1.5],
                               atol=1e-5)  # fmt: skip
    shifts = np.array([0.0, 0.5, 2.0])
    iou = curves.values(curves.of_boxes(F.iou_loss), shifts)
    np.testing.assert_allclose(iou, [0, 2 / 3, 1], atol=1e-6)


def test_a_jump_is_a_gap(docs):
    assert np.isnan(docs.curves.broken(np.array([0.0, 0.0, 1.0, 1.0]))).tolist() == [
        False, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["StepLR", "WarmupLR", "OneCycleLR"])
def test_a_schedule_begins_and_ends_as_it_is_drawn(docs, name):
    rates, momenta = docs.schedules.run(docs.schedules.SCHEDULES[name])
    assert len(rates) == docs.schedules.STEPS
    first = {"StepLR": 1.0, "WarmupLR": 0.0, "OneCycleLR": 0.04}
    assert rates[0] == pytest.approx(first[name])
    assert (len(set(momenta)) > 1) == (name == "OneCycleLR")


def test_optimizers_get_down_the_valley(docs):
    for name, make in docs.paths.OPTIMIZERS.items():
        first, last = docs.paths.valley(docs.paths.path_of(make)[[0, -1]])
        assert last < first / 2, name
