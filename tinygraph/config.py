"""Every `TINYGRAPH_*` environment variable: its name, type, default and meaning.

This is the only module that reads the environment. A variable is read when its value is
first asked for, not at import; a setter or a context manager wins over it; an empty string
means unset. A wrong value, or a name that starts with `TINYGRAPH_` and is not listed here,
is an error that lists the right ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tinygraph.errors import ConfigError

PREFIX = "TINYGRAPH_"


def _names(choices: tuple[str, ...]) -> Callable[[str], frozenset[str]]:
    """A parser of comma-separated names, each one of `choices` (any name if empty)."""

    def parse(text: str) -> frozenset[str]:
        found = frozenset(part.strip() for part in text.split(",") if part.strip())
        wrong = sorted(found.difference(choices)) if choices else []
        if wrong:
            raise ValueError(f"unknown {', '.join(wrong)}; choose from {', '.join(choices)}")
        return found

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"choose from {', '.join(choices)}")
        return text

    return parse


def _integer(lowest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError("an integer is expected") from None
        if value < lowest:
            raise ValueError(f"an integer of at least {lowest} is expected")
        return value

    return parse


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable.

    `parse` turns the text into the value and raises ValueError with what was expected.
    """

    name: str
    parse: Callable[[str], Any]
    default: Any
    values: str
    doc: str


VARIABLES: dict[str, Variable] = {
    v.name: v
    for v in (
        Variable(
            "BACKEND", str, "numba", "name of an installed backend",
            "What runs the tape: `numba` compiles kernels for this processor, `numpy` is the "
            "reference and compiles nothing. A backend that cannot start says why, and is never "
            "silently replaced.",
        ),
        Variable(
            "MODE", _one_of("lazy", "eager"), "lazy", "lazy, eager",
            "`lazy` records operations and runs them when a value is needed; `eager` runs each "
            "at once, at its own line, for debugging.",
        ),
        Variable(
            "CHECK", _names(("nan",)), frozenset(), "nan",
            "`nan` stops at the first operation that yields NaN, or infinity from finite numbers, "
            "and names it and the line that asked for it.",
        ),
        Variable(
            "DEBUG", _names(("passes", "kernels", "tape", "time", "cache")), frozenset(),
            "any of passes, kernels, tape, time, cache",
            "What to print to standard error while a graph is compiled.",
        ),
        Variable(
            "SKIP", _names(()), frozenset(), "names of passes, separated by commas",
            "Passes to leave out, as listed by `tinygraph.passes.PIPELINE`.",
        ),
        Variable(
            "SEED", _integer(0), 0, "an integer from 0",
            "The seed of the default random generator.",
        ),
        Variable(
            "THREADS", _integer(1), None, "an integer from 1",
            "How many threads a backend may use, from its start on; unset means all cores.",
        ),
        Variable(
            "CACHE", str, None, "a folder",
            "Where compiled kernels are kept; unset means the user's cache folder.",
        ),
        Variable(
            "DATA", str, None, "a folder",
            "Where examples and tests look for data sets.",
        ),
    )
}  # fmt: skip

_read: dict[str, Any] = {}
_set: dict[str, Any] = {}


def get(name: str) -> Any:
    """The value of variable `name` (without the prefix).

    Raises ConfigError if the environment holds a wrong value or an unknown variable.
    """
    if name in _set:
        return _set[name]
    if name not in _read:
        reject_unknown()
        _read[name] = _parse(VARIABLES[name], os.environ.get(PREFIX + name, ""))
    return _read[name]


def _parse(variable: Variable, text: str) -> Any:
    text = text.strip()
    if not text:
        return variable.default
    try:
        return variable.parse(text)
    except ValueError as error:
        raise ConfigError(f"{PREFIX}{variable.name}={text!r} is not valid: {error}") from None


def reject_unknown() -> None:
    """Raise ConfigError if the environment holds a `TINYGRAPH_` name that is not listed."""
    wrong = [
        name
        for name in os.environ
        if name.startswith(PREFIX) and name[len(PREFIX) :] not in VARIABLES
    ]
    if wrong:
        known = ", ".join(PREFIX + name for name in VARIABLES)
        raise ConfigError(
            f"unknown environment variable {', '.join(sorted(wrong))}; known are {known}"
        )


def set(name: str, value: Any) -> None:
    """Set variable `name`; wins over the environment.

    `value` is text as it would stand in the environment, or the value itself: a number, a path,
    a list of names; None stands for the default. ConfigError if it is wrong.
    """
    _set[name] = _checked(name, value)


def _checked(name: str, value: Any) -> Any:
    if name not in VARIABLES:
        raise ConfigError(f"unknown setting {name!r}; known are {', '.join(VARIABLES)}")
    if value is None:
        return VARIABLES[name].default
    many = isinstance(value, (Set, list, tuple))
    return _parse(VARIABLES[name], ",".join(map(str, value)) if many else str(value))


@contextmanager
def override(name: str, value: Any) -> Iterator[None]:
    """Set variable `name` within a `with` block."""
    value = _checked(name, value)
    missing = object()
    before = _set.get(name, missing)
    _set[name] = value
    try:
        yield
    finally:
        if before is missing:
            _set.pop(name, None)
        else:
            _set[name] = before


def reset() -> None:
    """Forget what was read and set, so that the environment is read again."""
    _read.clear()
    _set.clear()


def describe() -> list[tuple[Variable, Any, str]]:
    """Every variable, its present value, and where that comes from."""
    rows = []
    for name, variable in VARIABLES.items():
        value = get(name)
        if name in _set:
            source = "set in Python"
        elif os.environ.get(PREFIX + name, "").strip():
            source = "environment"
        else:
            source = "default"
        rows.append((variable, value, source))
    return rows
