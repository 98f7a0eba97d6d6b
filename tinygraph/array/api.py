"""What every public function on Tensors has in common: the spelling of its keywords, and errors
that name the function and the user's line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, overload

from tinygraph.array.precision import at_precision, precision_of
from tinygraph.errors import TinygraphError
from tinygraph.graph.node import STATE
from tinygraph.ops.registry import located

Result = TypeVar("Result")

# PyTorch's keyword, and what the Array API calls it.
SPELLINGS = {
    "dim": "axis", "dims": "axes", "keepdim": "keepdims", "input": "x", "other": "y",
    "end": "stop", "steps": "num", "size": "shape",
}  # fmt: skip


@overload
def api(function: Callable[..., Result], /) -> Callable[..., Result]: ...
@overload
def api(**spellings: str) -> Callable[[Callable[..., Result]], Callable[..., Result]]: ...


def api(function: Callable[..., Any] | None = None, /, **spellings: str) -> Any:
    """Make `function` public: PyTorch's keywords work too, and errors say where they arose.

    spellings: further keywords, and the parameter that each of them stands for.
    """

    def publish(function: Callable[..., Result]) -> Callable[..., Result]:
        known = _spellings(function, {**SPELLINGS, **spellings})
        precision = precision_of(function)

        @wraps(function)
        def public(*args: Any, **kwargs: Any) -> Result:
            try:
                if kwargs and not known.keys().isdisjoint(kwargs):
                    kwargs = _respelled(function.__name__, kwargs, known)
                if precision is not None and STATE.autocast is not None:
                    return at_precision(precision, function, args, kwargs)
                return function(*args, **kwargs)
            except TinygraphError as error:
                raise located(function.__name__, error) from None

        return public

    return publish if function is None else publish(function)


def _spellings(function: Callable[..., Any], spellings: Mapping[str, str]) -> dict[str, str]:
    """Those of `spellings` that stand for a parameter of `function`."""
    parameters = {
        name: part
        for name, part in inspect.signature(function).parameters.items()
        if part.kind is not part.VAR_POSITIONAL
    }
    return {
        theirs: ours
        for theirs, ours in spellings.items()
        if ours in parameters and theirs not in parameters
    }


def _respelled(name: str, given: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
    """`given` with each keyword as the function spells it. TypeError if one comes twice."""
    result: dict[str, Any] = {}
    for keyword, value in given.items():
        ours = known.get(keyword, keyword)
        if ours in result:
            raise TypeError(f"{name}: `{ours}` is given twice, once as `{keyword}`")
        result[ours] = value
    return result


def with_signature(
    function: Any, signature: inspect.Signature, leave_out: tuple[str, ...] = (), **keywords: Any
) -> None:
    """Let `help` show `function`, a wrapper, with `signature`, but for the parameters that it fills
    in itself and those that it adds (`keywords`, with their defaults)."""
    kept = [part for name, part in signature.parameters.items() if name not in leave_out]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in keywords.items()
    ]
    function.__signature__ = signature.replace(
        parameters=[*kept, *added], return_annotation="Tensor"
    )
