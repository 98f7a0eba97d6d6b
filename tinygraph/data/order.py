"""The order in which samples are drawn: a function of a seed and a number, of nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygraph import config
from tinygraph.errors import ConfigError

# What an order is drawn for. The orders of a loader's epochs and of a split never coincide.
EPOCH = 1
SPLIT = 2


def permutation(size: int, seed: int | None, purpose: int, number: int = 0) -> NDArray[np.int64]:
    """The numbers 0 .. size-1 in random order, of shape (size,).

    The generator is counter-based (Philox): `seed` is its key, `purpose` and `number` (of the
    epoch) are its counter, so that epoch 7 is reached without drawing the six before it, and
    every process and thread draws the same. A `seed` of None stands for the setting `SEED`.
    """
    key = config.get("SEED") if seed is None else seed
    generator = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, purpose, number]))
    return generator.permutation(size)


def checked_seed(seed: Any) -> int | None:
    """`seed` as a Python integer, or None. ConfigError unless it is one from 0 to 2^64 - 1."""
    if seed is None:
        return None
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise ConfigError(f"a seed is an integer from 0 to 2^64 - 1, got {seed!r}")
    return int(seed)
