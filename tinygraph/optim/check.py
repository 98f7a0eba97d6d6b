"""Checks of an optimizer's options."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygraph.ops.rules import show_shape
from tinygraph.optim.group import Options, has_value
from tinygraph.tensor import Tensor


def number(name: str, options: Options, *keys: str) -> None:
    """TypeError unless the options `keys` are numbers."""
    for key in keys:
        value = options[key]
        if not hasattr(value, "__float__"):
            raise TypeError(f"{name}: expected a number as {key}, got {value!r}")
        if getattr(value, "size", 1) != 1 or (isinstance(value, np.ndarray) and value.ndim):
            raise ValueError(
                f"{name}: expected one number as {key}, got a {type(value).__name__} of shape "
                f"{show_shape(value.shape)}"
            )


def at_least(name: str, options: Options, low: float, *keys: str) -> None:
    """ValueError unless the options `keys` are `low` or more, TypeError unless numbers."""
    number(name, options, *keys)
    for key in keys:
        if _known(options[key]) and not options[key] >= low:
            raise ValueError(f"{name}: expected {key} of at least {low:g}, got {options[key]}")


def whole(name: str, options: Options, low: int, *keys: str) -> None:
    """ValueError unless the options `keys` are integers of `low` or more."""
    at_least(name, options, low, *keys)
    for key in keys:
        if options[key] != int(options[key]):
            raise ValueError(f"{name}: expected an integer as {key}, got {options[key]}")


def between(name: str, options: Options, low: float, high: float, *keys: str) -> None:
    """ValueError unless the options `keys` are from `low` to `high`, TypeError unless numbers."""
    number(name, options, *keys)
    for key in keys:
        if _known(options[key]) and not low <= options[key] <= high:
            span = f"of at most {high:g}" if low == -math.inf else f"from {low:g} to {high:g}"
            raise ValueError(f"{name}: expected {key} {span}, got {options[key]}")


def several(name: str, options: Options, key: str, count: int) -> tuple[Any, ...]:
    """The `count` numbers that the option `key` holds. TypeError or ValueError unless it does."""
    given = options[key]
    values = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    if not all(hasattr(value, "__float__") for value in values):
        raise TypeError(f"{name}: expected {key} to be {count} numbers, got {given!r}")
    if len(values) != count:
        raise ValueError(f"{name}: expected {count} {key}, as a tuple, got {given}")
    return values


def fractions(name: str, options: Options, key: str, count: int) -> None:
    """ValueError unless the option `key` holds `count` numbers from 0 to below 1."""
    if not all(0.0 <= value < 1.0 for value in several(name, options, key, count)):
        raise ValueError(
            f"{name}: expected {count} {key}, each from 0 to below 1, got {options[key]}"
        )


def _known(value: Any) -> bool:
    """Whether `value` is there to be looked at: a placeholder is not."""
    return not isinstance(value, Tensor) or has_value(value)
