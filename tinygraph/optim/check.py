"""Checks of an optimizer's options."""

from __future__ import annotations

from tinygraph.optim.group import Options


def number(name: str, options: Options, *keys: str) -> None:
    """TypeError unless the options `keys` are numbers."""
    for key in keys:
        if not hasattr(options[key], "__float__"):
            raise TypeError(f"{name}: expected a number as {key}, got {options[key]!r}")


def at_least(name: str, options: Options, low: float, *keys: str) -> None:
    """ValueError unless the options `keys` are `low` or more, TypeError unless numbers."""
    number(name, options, *keys)
    for key in keys:
        if not options[key] >= low:
            raise ValueError(f"{name}: expected {key} of at least {low:g}, got {options[key]}")


def fractions(name: str, options: Options, key: str, count: int) -> None:
    """ValueError unless the option `key` holds `count` numbers from 0 to below 1."""
    given = options[key]
    values = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    if not all(hasattr(value, "__float__") for value in values):
        raise TypeError(f"{name}: expected {key} to be {count} numbers, got {given!r}")
    if len(values) != count or not all(0.0 <= value < 1.0 for value in values):
        raise ValueError(f"{name}: expected {count} {key}, each from 0 to below 1, got {given}")
