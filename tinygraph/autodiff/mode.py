"""Whether what is built takes part in gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

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


inference_mode = no_grad


class set_grad_enabled:
    """Let what is built from now on take part in gradients, or not; in a `with`, until its end.

    >>> import tinygraph as tg
    >>> w = tg.tensor(1.0, requires_grad=True)
    >>> with tg.set_grad_enabled(False):
    ...     (w * 2).requires_grad
    False
    """

    def __init__(self, mode: bool) -> None:
        self.before, STATE.grad = STATE.grad, bool(mode)

    def __enter__(self) -> None:
        """The mode is set already."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        STATE.grad = self.before


def is_grad_enabled() -> bool:
    """Whether what is built now takes part in gradients."""
    return STATE.grad
