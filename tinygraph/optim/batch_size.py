"""The learning rate for another batch size."""

from __future__ import annotations

__all__ = ["linear_scaling"]


def linear_scaling(lr: float, batch_size: int, base_batch_size: int = 256) -> float:
    """The rate for another batch size: lr * batch_size / base_batch_size.

    lr: what does well with batches of base_batch_size. Batches k times as large give k times
    fewer steps, each with less noise, and want a rate k times as large; the first epochs should
    warm up to it.

    Raises ValueError if a size is not above 0.

    Source: Goyal et al., "Accurate, Large Minibatch SGD" (2017).

    >>> linear_scaling(0.1, batch_size=1024, base_batch_size=256)
    0.4
    """
    if batch_size <= 0 or base_batch_size <= 0:
        raise ValueError(
            f"linear_scaling: expected batch sizes above 0, got {batch_size} and {base_batch_size}"
        )
    return lr * batch_size / base_batch_size
