"""Whether what is built takes part in gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tinygraph.graph.node import STATE


@contextmanager
def no_grad() -> Iterator[None]:
    """What is built within the `with` block takes no part in gradients."""
    before, STATE.grad = STATE.grad, False
    try:
        yield
    finally:
        STATE.grad = before


@contextmanager
def enable_grad() -> Iterator[None]:
    """Undo `no_grad` within the `with` block."""
    before, STATE.grad = STATE.grad, True
    try:
        yield
    finally:
        STATE.grad = before
