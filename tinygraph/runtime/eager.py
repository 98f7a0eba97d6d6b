"""Eager mode: each operation runs at once, at its own line, by its NumPy meaning.

For debugging: every value is there to look at, and a mistake fails where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from tinygraph import config
from tinygraph.errors import NonFiniteError
from tinygraph.graph.dim import is_known
from tinygraph.graph.node import STATE, Node, State
from tinygraph.ops.registry import CONST, ITEM
from tinygraph.runtime import backend as backends
from tinygraph.runtime.interpret import evaluate
from tinygraph.runtime.lazy import PLACEHOLDERS, keep

Evaluator = Callable[[Node], None]


def run_now(node: Node) -> None:
    """Compute `node`, unless it depends on a placeholder that is not fed, or on its size."""
    if node.op.leaf or not _has_known_size(node):
        return
    arrays = []
    for child in node.inputs:
        if child.buffer is None:
            return
        arrays.append(child.buffer)
    xp = getattr(backends.current(), "xp", np)
    with xp.errstate(all="ignore"):
        result = evaluate(node, arrays, xp)
    if "nan" in config.get("CHECK") and node.op is not ITEM:
        _check_finite(node, result, arrays)
    keep(node, result, PLACEHOLDERS)


def _has_known_size(node: Node) -> bool:
    if node.op is CONST:
        return is_known(node.params["value"])
    return all(is_known(*aval.shape) for aval in node.avals)


def _check_finite(node: Node, result: object, inputs: Sequence[Any]) -> None:
    """NonFiniteError for NaN, and for infinity that is not in `inputs` or written by the user."""
    known = not inputs or any(_has(np.isinf, array) for array in inputs)
    for array in result if isinstance(result, tuple) else (result,):
        what = "NaN" if _has(np.isnan, array) else "infinity"
        if what == "NaN" or (not known and _has(np.isinf, array)):
            raise NonFiniteError(
                f"{node.op.name} yielded {what} (shape {np.shape(array)}); it is the first "
                f"operation that did\n  at {node.origin.where()}"
            )


def _has(test: Callable[[Any], Any], array: Any) -> bool:
    """Whether `test` holds for some element; only floats are NaN or infinite."""
    values = np.asarray(array)
    return values.dtype.kind in "fV" and bool(test(values).any())


def _follow_config(node: Node) -> None:
    """What new nodes meet outside of `eager()` and `lazy()`: the mode that is configured."""
    if config.get("MODE") == "eager":
        run_now(node)


State.evaluate = staticmethod(_follow_config)


def is_eager() -> bool:
    """Whether operations run at once in this thread."""
    if STATE.evaluate is _follow_config:
        return bool(config.get("MODE") == "eager")
    return STATE.evaluate is run_now


@contextmanager
def _mode(evaluator: Evaluator | None) -> Iterator[None]:
    before, STATE.evaluate = STATE.evaluate, evaluator
    try:
        yield
    finally:
        STATE.evaluate = before


def eager() -> AbstractContextManager[None]:
    """Run each operation at once within a `with` block.

    >>> import tinygraph as tg
    >>> with tg.eager():
    ...     x = tg.tensor([1.0, 2.0]) * 2
    >>> x
    tensor([2., 4.])
    """
    return _mode(run_now)


def lazy() -> AbstractContextManager[None]:
    """Record operations, and run them when a value is needed, within a `with` block."""
    return _mode(None)
