"""The optimizers that bench_layers.py measures, by name: the class, its options, what is around."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import numpy as np
from case import normal

SHAPES = ((512, 784), (512,), (512, 512), (512,), (10, 512), (10,))
MATRICES = ((512, 784), (512, 512))  # the shapes that Muon takes
Build = Callable[[ModuleType, Iterable[Any]], Any]


def alone(name: str, **options: Any) -> Build:
    """The optimizer `name` of `tg.optim` or `torch.optim`; AttributeError where there is none."""
    return lambda optim, params: getattr(optim, name)(params, lr=1e-3, **options)


def within(name: str, *args: Any, **options: Any) -> Build:
    """What stands around an Adam."""
    return lambda optim, params: getattr(optim, name)(optim.Adam(params, lr=1e-3), *args, **options)


def clipped(optim: ModuleType, params: Iterable[Any]) -> Any:
    return optim.Transformed(optim.Adam(params, lr=1e-3), optim.clip_by_global_norm(1.0))


OPTIMIZERS: dict[str, Build] = {
    "SGD": alone("SGD"),
    "SGD, momentum": alone("SGD", momentum=0.9),
    "SGD, Nesterov, decay": alone("SGD", momentum=0.9, nesterov=True, weight_decay=1e-4),
    "Adam, AMSGrad": alone("Adam", amsgrad=True),
    "RMSprop, centered": alone("RMSprop", momentum=0.9, centered=True),
    **{name: alone(name) for name in (
        "Momentum", "SignSGD", "Lion", "Adam", "AdamW", "Adamax", "NAdam", "NAdamW", "RAdam",
        "AdaBelief", "Yogi", "Adan", "Adadelta", "Adagrad", "RMSprop", "Adafactor", "ASGD", "Rprop",
        "LAMB", "LARS", "NovoGrad", "Muon", "SM3", "ScheduleFreeAdamW",
    )},
    "Adam, clipped": clipped,
    "Lookahead": within("Lookahead"),
    "EMA": within("EMA"),
    "SWA": within("SWA"),
    "SAM": within("SAM"),
    "MasterWeights": within("MasterWeights"),
    "GradientAccumulation": within("GradientAccumulation", 4),
}  # fmt: skip


def shapes(name: str) -> tuple[tuple[int, ...], ...]:
    return MATRICES if name == "Muon" else SHAPES


def values(name: str) -> list[np.ndarray]:
    """What the parameters begin with."""
    return [normal(*shape) * np.float32(0.1) for shape in shapes(name)]
