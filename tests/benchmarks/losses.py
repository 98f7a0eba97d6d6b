"""The losses that bench_layers.py measures, on half a million numbers each."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case, Cases, function, integers, normal, other, signs, uniform

X, Y = normal(1024, 512), other(1024, 512)
SIGNS, SIGN = signs(1024, 512), signs(1024)
P, Q = uniform(1024, 512), uniform(512, 1024).reshape(1024, 512)  # probabilities
LIKELY = (P / P.sum(1, keepdims=True)).astype(np.float32)  # with a sum of 1 in each row
CLASSES = integers(512, 1024)
BITS = integers(2, 1024, 512).astype(np.float32)
MASKS = uniform(16, 4, 64, 128), integers(2, 16, 4, 64, 128).astype(np.float32)


def boxes(rng_of: np.ndarray) -> np.ndarray:
    """Corners of boxes, from pairs of points."""
    points = np.sort(rng_of.reshape(-1, 2, 2), axis=1)
    return np.ascontiguousarray(points.reshape(-1, 4) + [0, 0, 0.1, 0.1], np.float32)


def loss(name: str, *arrays: np.ndarray, wrt: tuple[int, ...] = (0,), **options: Any) -> Case:
    """A loss, differentiated in its first input alone, as in training."""
    return function(name, *arrays, wrt=wrt, **options)


REGRESSION: Cases = {
    **{name: loss(name, X, Y) for name in (
        "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "log_cosh_loss",
    )},
    "mape_loss": loss("mape_loss", X, Y),
    "msle_loss": loss("msle_loss", P, Q),
    "gaussian_nll_loss": loss("gaussian_nll_loss", X, Y, P, wrt=(0, 2)),
    "poisson_nll_loss": loss("poisson_nll_loss", X, P),
    "kl_div": loss("kl_div", X, P, reduction="batchmean"),
    "gaussian_kl": loss("gaussian_kl", X, Y, wrt=(0, 1)),
    "vae_loss": loss("vae_loss", P, Q, normal(1024, 64), other(1024, 64), wrt=(0, 2, 3)),
}  # fmt: skip

BINARY: Cases = {
    "binary_cross_entropy": loss("binary_cross_entropy", P, BITS),
    "bce, logits": loss("binary_cross_entropy_with_logits", X, BITS),
    "binary_crossentropy": loss("binary_crossentropy", P, BITS),
    "sigmoid_focal_loss": loss("sigmoid_focal_loss", X, BITS, reduction="mean"),
    "hinge_loss": loss("hinge_loss", X, SIGNS),
    "squared_hinge_loss": loss("squared_hinge_loss", X, SIGNS),
    "perceptron_loss": loss("perceptron_loss", X, SIGNS),
    "soft_margin_loss": loss("soft_margin_loss", X, SIGNS),
    "hinge_embedding_loss": loss("hinge_embedding_loss", X, SIGNS),
    "margin_ranking_loss": loss("margin_ranking_loss", X, Y, SIGNS, wrt=(0, 1)),
    **{name: loss(name, *MASKS, axis=(2, 3)) for name in (
        "dice_loss", "jaccard_loss", "tversky_loss", "focal_tversky_loss",
    )},
}  # fmt: skip

CLASSIFICATION: Cases = {
    "cross_entropy": loss("cross_entropy", X, CLASSES),
    "cross_entropy, smoothed": loss("cross_entropy", X, CLASSES, label_smoothing=0.1),
    "cross_entropy, soft": loss("cross_entropy", X, LIKELY),
    "cross_entropy, pictures": loss("cross_entropy", normal(16, 32, 32, 32),
                                    integers(32, 16, 32, 32)),
    "nll_loss": loss("nll_loss", X, CLASSES),
    "linear_cross_entropy": loss("linear_cross_entropy", normal(1024, 256), normal(512, 256),
                                 CLASSES, wrt=(0, 1)),
    "categorical_crossentropy": loss("categorical_crossentropy", LIKELY, LIKELY),
    "sparse_categorical_crossentropy": loss("sparse_categorical_crossentropy", LIKELY, CLASSES),
    "focal_loss": loss("focal_loss", X, CLASSES),
    "multi_margin_loss": loss("multi_margin_loss", X, CLASSES),
    "multilabel_margin_loss": loss("multilabel_margin_loss", normal(1024, 32),
                                   integers(33, 1024, 32) - 1),
    "multilabel_soft_margin_loss": loss("multilabel_soft_margin_loss", X, BITS),
    "categorical_hinge_loss": loss("categorical_hinge_loss", X, BITS),
    "ctc_loss": loss("ctc_loss", -P.reshape(128, 32, 128)[:, :, :128], integers(127, 32, 20) + 1,
                     np.full(32, 128), np.full(32, 20)),
}  # fmt: skip

METRIC: Cases = {
    "cosine_embedding_loss": loss("cosine_embedding_loss", X, Y, SIGN, wrt=(0, 1)),
    "contrastive_loss": loss("contrastive_loss", X, Y, (SIGN > 0).astype(np.int64), wrt=(0, 1)),
    **{name: loss(name, X, Y, P, wrt=(0, 1, 2)) for name in (
        "triplet_margin_loss", "triplet_margin_with_distance_loss",
    )},
    "nt_xent_loss": loss("nt_xent_loss", normal(256, 128), other(256, 128), wrt=(0, 1)),
    "info_nce_loss": loss("info_nce_loss", normal(512, 128), other(512, 128), wrt=(0, 1)),
}  # fmt: skip

FIRST, SECOND = boxes(uniform(131072, 4)), boxes(uniform(4, 131072))
BOXES: Cases = {
    **{name: loss(name, FIRST, SECOND, reduction="mean") for name in (
        "iou_loss", "giou_loss", "diou_loss", "ciou_loss",
    )},
    "box_iou": loss("box_iou", FIRST[:512], SECOND[:1024]),
    "box_convert": loss("box_convert", FIRST, in_fmt="xyxy", out_fmt="cxcywh"),
    "box_area": loss("box_area", FIRST),
}  # fmt: skip

FAMILIES: dict[str, Cases] = {
    "regression": REGRESSION, "binary": BINARY, "classification": CLASSIFICATION,
    "metric": METRIC, "boxes": BOXES,
}  # fmt: skip
