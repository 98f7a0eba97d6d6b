"""Losses of boxes: the gradients of their formulas in PyTorch, where boxes share edges too.

torchvision is not installed; the formulas are those of the papers, with its `eps` and ties.
"""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make torch")
import peer

from tinygraph.nn import functional as F

rng = np.random.default_rng(0)
EPS = 1e-7


def overlap(a, b):
    low, high = torch.max(a[:, :2], b[:, :2]), torch.min(a[:, 2:], b[:, 2:])
    common = torch.where((high > low).all(1), (high - low).prod(1), 0.0)
    return common, area(a) + area(b) - common


def area(box):
    return (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])


def around(a, b):
    return torch.cat([torch.min(a[:, :2], b[:, :2]), torch.max(a[:, 2:], b[:, 2:])], 1)


def iou_loss(a, b):
    common, union = overlap(a, b)
    return 1 - common / (union + EPS)


def giou_loss(a, b):
    hull, union = area(around(a, b)), overlap(a, b)[1]
    return iou_loss(a, b) + (hull - union) / (hull + EPS)


def diou_loss(a, b):
    hull = around(a, b)
    diagonal = ((hull[:, 2:] - hull[:, :2]) ** 2).sum(1) + EPS
    between = (((a[:, :2] + a[:, 2:]) - (b[:, :2] + b[:, 2:])) ** 2).sum(1) / 4
    return iou_loss(a, b) + between / diagonal


def ciou_loss(a, b):
    angles = [torch.atan((x[:, 2] - x[:, 0]) / (x[:, 3] - x[:, 1])) for x in (a, b)]
    v = 4 / math.pi**2 * (angles[1] - angles[0]) ** 2
    return diou_loss(a, b) + (v / (iou_loss(a, b) + v + EPS)).detach() * v


LOSSES = {f.__name__: f for f in (iou_loss, giou_loss, diou_loss, ciou_loss)}


def boxes(*corners):
    return np.array(corners, dtype="float64")


PAIRS = {
    "anywhere": rng.uniform(0, 4, (2, 20, 4)) + np.array([0, 0, 4, 4]),
    "apart": (boxes([0, 0, 1, 2]), boxes([3, 5, 6, 7])),
    "the same": (boxes([0, 0, 1, 2]), boxes([0, 0, 1, 2])),
    "edges in common": (boxes([0, 0, 2, 2], [0, 0, 2, 2]), boxes([0, 1, 3, 2], [1, 0, 2, 4])),
    "touching": (boxes([0, 0, 1, 1], [0, 0, 1, 1]), boxes([1, 0, 2, 1], [1, 1, 2, 2])),
    "inside": (boxes([0, 0, 4, 4]), boxes([1, 1, 2, 3])),
    "turned around": (boxes([3, 3, 1, 2], [3, 1, 1, 2]), boxes([0, 0, 2, 2], [0, 0, 2, 2])),
}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, pair):
    peer.same(getattr(F, name), LOSSES[name], *PAIRS[pair])


@pytest.mark.parametrize("name", LOSSES)
def test_in_every_mode(name):
    a, b = (x.astype("float32") for x in PAIRS["anywhere"])
    peer.modes(getattr(F, name), a, b)


def test_overlap_of_each_with_each():
    def box_iou(a, b):
        each = [overlap(a[i : i + 1].expand(len(b), 4), b) for i in range(len(a))]
        return torch.stack([common / union for common, union in each])

    a, b = PAIRS["anywhere"]
    peer.same(F.box_iou, box_iou, a[:5], b)
    peer.modes(F.box_iou, a[:5].astype("float32"), b.astype("float32"))
