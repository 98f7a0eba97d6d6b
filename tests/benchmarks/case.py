"""What bench_layers.py measures: a function or layer by its name, which PyTorch may have too."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

Call = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Case:
    """build: makes the function or layer out of `tg.nn` or `torch.nn`; AttributeError where that
    has none. arrays: its inputs. wrt: for which of them gradients are taken. call: how it is
    called, if not with the inputs alone."""

    build: Callable[[ModuleType], Call]
    arrays: tuple[np.ndarray, ...]
    wrt: tuple[int, ...]
    call: Call = lambda target, *inputs: target(*inputs)


Cases = Mapping[str, Case]


def function(
    name: str, *arrays: np.ndarray, wrt: tuple[int, ...] | None = None, **options: Any
) -> Case:
    """The function `name` of nn.functional; by default differentiated in all that are floats."""

    def build(nn: ModuleType) -> Call:
        return functools.partial(getattr(nn.functional, name), **options)

    return Case(build, arrays, floats(arrays) if wrt is None else wrt)


def layer(name: str, *args: Any, call: Call | None = None, **options: Any) -> Callable[..., Case]:
    """The layer `name` of nn made with these arguments; to be called with its inputs."""
    return made(lambda nn: getattr(nn, name)(*args, **options), call)


def made(build: Callable[[ModuleType], Call], call: Call | None = None) -> Callable[..., Case]:
    """What `build` makes; to be called with its inputs."""

    def case(*arrays: np.ndarray) -> Case:
        calls = {} if call is None else {"call": call}
        return Case(build, arrays, floats(arrays), **calls)

    return case


def floats(arrays: tuple[np.ndarray, ...]) -> tuple[int, ...]:
    return tuple(number for number, array in enumerate(arrays) if array.dtype.kind == "f")


@functools.cache
def normal(*shape: int) -> np.ndarray:
    """Float32 from the standard normal distribution, the same for the same shape."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@functools.cache
def other(*shape: int) -> np.ndarray:
    """As `normal`, but other numbers."""
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


@functools.cache
def uniform(*shape: int) -> np.ndarray:
    """Float32 between 0.05 and 0.95."""
    return np.random.default_rng(2).uniform(0.05, 0.95, shape).astype(np.float32)


@functools.cache
def signs(*shape: int) -> np.ndarray:
    """Float32 that are 1 or -1."""
    return np.where(normal(*shape) > 0, 1, -1).astype(np.float32)


@functools.cache
def integers(high: int, *shape: int) -> np.ndarray:
    """Integers from 0 to below `high`."""
    return np.random.default_rng(3).integers(0, high, shape)
