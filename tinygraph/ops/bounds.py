"""Numbers that name one of several things, checked when the graph runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygraph.dtypes import is_integer
from tinygraph.errors import DTypeError
from tinygraph.graph.dim import Size
from tinygraph.graph.node import Aval, Node
from tinygraph.ops.define import stored
from tinygraph.ops.registry import Bad, Op, Sample, register


def _within_infer(x: Any, *, size: Size, what: str) -> Aval:
    if not is_integer(x.dtype):
        raise DTypeError(f"a {what} is an integer, got {x.dtype.name}")
    return Aval(x.shape, x.dtype)


def _within_eval(xp: Any, x: Any, *, size: int, what: str, out: Any = None) -> Any:
    if x.size and (x.min() < 0 or x.max() >= size):
        wrong = x[(x < 0) | (x >= size)]
        raise IndexError(f"{what} {int(wrong[0])} is out of range: expected 0 to {size - 1}")
    return stored(x, out) if out is not None else x.copy()


def _within_batch(op: Op, inputs: Any, places: Any, **params: Any) -> tuple[Node, int | None]:
    return op(*inputs, **params), places[0]


def _within_samples(rng: np.random.Generator) -> list[Sample | Bad]:
    x = rng.integers(0, 4, (2, 3))
    four = {"size": 4, "what": "class"}
    return [
        Sample((x,), four, expected=x),
        Sample((np.array(3),), four),
        Sample((x[:0],), four),
        Sample((x.astype("uint8"),), four),
        Bad((x - 5,), four, IndexError, "is out of range: expected 0 to 3"),
        Bad((x + 4,), four, IndexError, "is out of range: expected 0 to 3"),
        Bad((x * 1.0,), four, DTypeError, "a class is an integer, got float64"),
    ]


within: Op = register(Op(
    name="within", kind="gather", infer=_within_infer, eval=_within_eval, batch=_within_batch,
    samples=_within_samples, extents=("size",), into=True, differentiable=False,
    doc="The integers x, each of which must be from 0 to size - 1: unlike an index, none counts "
    "from the end. IndexError names the first that is not; `what` says there what it stands for.",
))  # fmt: skip
